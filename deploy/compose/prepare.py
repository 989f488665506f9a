#!/usr/bin/env python3
"""Mints the secrets of `docker-compose.yaml` into `.compose/secrets/`, mode 0600, and writes `.env`. Again is fine.

What is there stays, so that the databases of an earlier start still open. Needs Python's standard library only.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
AIRFLOW_UID = 50000
"""Who Airflow runs as when root prepares; else it is whoever prepares, so that only they can read the files."""
TEAMS = ("research", "analytics")
USERS = {"ada": ("admins", "research"), "rosa": ("research",), "anna": ("analytics",)}
"""The people of the OpenID provider, and their groups."""


def main(project: Path = PROJECT) -> None:
    """Writes what is missing."""
    folder = project / ".compose" / "secrets"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (project / ".compose" / "images").mkdir(exist_ok=True)
    mint(folder)
    owner = os.getuid() or AIRFLOW_UID
    if os.getuid() == 0:
        for path in (folder, *folder.iterdir()):
            os.chown(path, owner, 0)
    environment = project / ".env"
    if not environment.exists():
        example = (project / ".env.example").read_text()
        environment.write_text(f"{example}\n# Who may read the secrets.\nDAYBOOK_UID={owner}\n")
    sys.stdout.write(f"secrets are in {folder}; people: {', '.join(USERS)}, passwords in people.json there\n")


def mint(folder: Path) -> None:
    """Every secret that is not there yet."""
    database = keep(folder / "postgres_password", token)
    keep(folder / "airflow_database", lambda: f"postgresql+psycopg2://airflow:{database}@postgres/airflow")
    keep(folder / "fernet_key", lambda: base64.urlsafe_b64encode(secrets.token_bytes(32)).decode())
    for name in ("api_secret_key", "jwt_secret", "kubernetes_token", "voucher_key"):
        keep(folder / name, token)
    client = keep(folder / "oidc_client_secret", token)
    people = json.loads(keep(folder / "people.json", lambda: json.dumps({name: token() for name in USERS})))
    keep(folder / "oidc_realm.json", lambda: json.dumps(realm(client, people)))
    identities = json.loads(keep(folder / "s3_identities.json", lambda: json.dumps(s3_identities())))
    airflow = identities["identities"][0]["credentials"][0]
    keep(folder / "airflow_connections.json", lambda: json.dumps(connections(airflow)))


def keep(path: Path, make) -> str:  # type: ignore[no-untyped-def]
    """The content of a file, which is made, for its owner only, when it is not there."""
    if not path.exists():
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(make())
    return path.read_text()


def token() -> str:
    """A secret of letters and digits, safe in URLs."""
    return secrets.token_hex(24)


def s3_identities() -> dict:  # type: ignore[type-arg]
    """SeaweedFS's own form: Airflow reaches every bucket, a workspace's key its own only."""
    actions = ("Read", "Write", "List", "Tagging")
    everything = ["Admin", *actions]
    own = {team: [f"{action}:{team}" for action in actions] for team in TEAMS}
    return {
        "identities": [
            {"name": name, "credentials": [{"accessKey": secrets.token_hex(10), "secretKey": token()}], "actions": may}
            for name, may in {"airflow": everything, **own}.items()
        ]
    }


def connections(key: dict[str, str]) -> dict:  # type: ignore[type-arg]
    """Airflow's connections, as its local file back end reads them."""
    endpoint = {"endpoint_url": "http://s3:8333", "region_name": "us-east-1"}
    return {
        "daybook_s3": {"conn_type": "aws", "login": key["accessKey"], "password": key["secretKey"], "extra": endpoint},
        "kubernetes_default": {"conn_type": "kubernetes", "extra": {"kube_config_path": "/kube/config"}},
    }


def realm(client_secret: str, passwords: dict[str, str]) -> dict:  # type: ignore[type-arg]
    """Keycloak's realm: the groups, people in them, and Airflow as client, told of the groups under the claim `groups`."""
    groups = {
        "name": "groups",
        "protocol": "openid-connect",
        "protocolMapper": "oidc-group-membership-mapper",
        "config": {"claim.name": "groups", "full.path": "false", "userinfo.token.claim": "true"},
    }
    groups["config"].update({"id.token.claim": "true", "access.token.claim": "true"})  # type: ignore[attr-defined]
    return {
        "realm": "daybook",
        "enabled": True,
        "groups": [{"name": name} for name in ("admins", *TEAMS)],
        "users": [
            {
                "username": name,
                "enabled": True,
                "email": f"{name}@example.org",
                "emailVerified": True,
                "firstName": name.title(),
                "lastName": "Example",
                "groups": list(USERS[name]),
                "credentials": [{"type": "password", "value": password}],
            }
            for name, password in passwords.items()
        ],
        "clients": [
            {
                "clientId": "airflow",
                "enabled": True,
                "secret": client_secret,
                "publicClient": False,
                "standardFlowEnabled": True,
                "directAccessGrantsEnabled": False,
                "redirectUris": ["http://localhost:8080/*"],
                "protocolMappers": [groups],
            }
        ],
    }


if __name__ == "__main__":
    main()
