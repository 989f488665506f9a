"""Airflow's people come from the OpenID provider; their groups there are their roles here (for Flask-AppBuilder).

The provider is called `keycloak` because Flask-AppBuilder reads Keycloak's answer, groups and all, for that name.
"""

from pathlib import Path

from flask_appbuilder.const import AUTH_OAUTH

_REALM = "http://oidc:8080/realms/daybook"

AUTH_TYPE = AUTH_OAUTH
AUTH_USER_REGISTRATION = True
AUTH_USER_REGISTRATION_ROLE = "Public"
AUTH_ROLES_SYNC_AT_LOGIN = True
# A workspace's group may run its notebooks (User); the role of the group's own name is what `workspaces.yaml` asks for.
AUTH_ROLES_MAPPING = {"admins": ["Admin"], "research": ["User", "research"], "analytics": ["User", "analytics"]}
OAUTH_PROVIDERS = [
    {
        "name": "keycloak",
        "icon": "fa-key",
        "token_key": "access_token",
        "remote_app": {
            "client_id": "airflow",
            "client_secret": Path("/run/secrets/oidc_client_secret").read_text().strip(),
            "server_metadata_url": f"{_REALM}/.well-known/openid-configuration",
            "api_base_url": f"{_REALM}/protocol/",
            "client_kwargs": {"scope": "openid email profile"},
        },
    }
]
WTF_CSRF_ENABLED = True
