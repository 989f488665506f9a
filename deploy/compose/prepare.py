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
from collections.abc import Callable
from pathlib import Path
from typing import Any

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
    owner = os.getuid() or AIRFLOW_UID
    environment = project / ".env"
    if not environment.exists():
        example = (project / ".env.example").read_text()
        environment.write_text(f"{example}\n# Who may read the secrets.\nDAYBOOK_UID={owner}\n")
    mint(folder, airflow_port(environment.read_text()))
    if os.getuid() == 0:
        for path in (folder, *folder.iterdir()):
            os.chown(path, owner, 0)
    sys.stdout.write(f"secrets are in {folder}; people: {', '.join(USERS)}, passwords in people.json there\n")


def mint(folder: Path, airflow_port: str) -> None:
    """Every secret that is not there yet."""
    database = keep(folder / "postgres_password", token)
    keep(folder / "airflow_database", lambda: f"postgresql+psycopg2://airflow:{database}@postgres/airflow")
    keep(folder / "fernet_key", lambda: base64.urlsafe_b64encode(secrets.token_bytes(32)).decode())
    for name in ("api_secret_key", "jwt_secret", "kubernetes_token", "voucher_key"):
        keep(folder / name, token)
    client = keep(folder / "oidc_client_secret", token)
    people = json.loads(keep(folder / "people.json", lambda: json.dumps({name: token() for name in USERS})))
    keep(folder / "oidc_realm.json", lambda: json.dumps(realm(client, people, airflow_port)))
    identities = json.loads(keep(folder / "s3_identities.json", lambda: json.dumps(s3_identities())))
    airflow = identities["identities"][0]["credentials"][0]
    keep(folder / "airflow_connections.json", lambda: json.dumps(connections(airflow)))


def airflow_port(environment: str) -> str:
    """The port that `.env` gives Airflow, for the address to which the OpenID provider sends people back."""
    lines = [line.partition("=") for line in environment.splitlines()]
    return next((value for name, _, value in lines if name == "AIRFLOW_PORT"), "8080")


def keep(path: Path, make: Callable[[], str]) -> str:
    """The content of a file, which is made, for its owner only, when it is not there."""
    if not path.exists():
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(make())
    return path.read_text()


def token() -> str:
    """A secret of letters and digits, safe in URLs."""
    return secrets.token_hex(24)


def s3_identities() -> dict[str, Any]:
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


def connections(key: dict[str, str]) -> dict[str, Any]:
    """Airflow's connections, as its local file back end reads them."""
    endpoint = {"endpoint_url": "http://s3:8333", "region_name": "us-east-1"}
    return {
        "daybook_s3": {
            "conn_type": "aws",
            "login": key["accessKey"],
            "password": key["secretKey"],
            "extra_dejson": endpoint,
        },
        "kubernetes_default": {
            "conn_type": "kubernetes",
            "extra_dejson": {"kube_config_path": "/opt/airflow/kube/config"},
        },
    }


def realm(client_secret: str, passwords: dict[str, str], airflow_port: str) -> dict[str, Any]:
    """Keycloak's realm: groups, people in them, and Airflow as client, told of the groups under the claim `groups`."""
    groups: dict[str, Any] = {
        "name": "groups",
        "protocol": "openid-connect",
        "protocolMapper": "oidc-group-membership-mapper",
        "config": {"claim.name": "groups", "full.path": "false", "userinfo.token.claim": "true"},
    }
    groups["config"].update({"id.token.claim": "true", "access.token.claim": "true"})
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
                "redirectUris": [f"http://localhost:{airflow_port}/*"],
                "protocolMappers": [groups],
            }
        ],
    }


if __name__ == "__main__":
    main()
