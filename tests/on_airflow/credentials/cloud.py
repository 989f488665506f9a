"""S3, IAM and STS on this machine, for two teams: each has a prefix and a role for it, which Airflow may assume.

moto enforces the roles' own policies, also of sessions. It does not enforce session policies, knows no `s3:prefix`, and
takes any web identity token; the tests that need those say what they do instead.
"""

import json
from dataclasses import dataclass

import boto3
import httpx

from builders import a_workspace

ACCOUNT = "123456789012"
BUCKET = "runs"
TEAMS = ("a", "b")


@dataclass(frozen=True)
class Cloud:
    """The server, and the keys of Airflow's own user."""

    endpoint: str
    key: str
    secret: str

    def client(self, service: str, **credentials: str):
        given = credentials or {"aws_access_key_id": self.key, "aws_secret_access_key": self.secret}
        return boto3.client(service, endpoint_url=self.endpoint, region_name="us-east-1", **given)

    def enforce(self, on: bool) -> None:
        httpx.post(f"{self.endpoint}/moto-api/reset-auth", content="0" if on else "inf").raise_for_status()

    def workspace(self, team: str, **changes):
        given = {
            "name": f"team-{team}",
            "bucket": f"s3://{BUCKET}/{team}",
            "store": {"endpoint": self.endpoint, "region": "us-east-1", "connection": "aws_teams"},
            "credentials": {"kind": "sts", "role_arn": role_of(team)},
        }
        return a_workspace(**{**given, **changes})


def role_of(team: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:role/team-{team}"


def own_part(team: str) -> str:
    """What a team's role may do; without moto's unknown condition on listing."""
    actions = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"]
    statement = {"Effect": "Allow", "Action": actions, "Resource": f"arn:aws:s3:::{BUCKET}/{team}/*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
