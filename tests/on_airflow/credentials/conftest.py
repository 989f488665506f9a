"""The cloud that these tests share."""

import json
import logging
from collections.abc import Iterator

import httpx
import pytest
from moto.server import ThreadedMotoServer

from on_airflow.credentials.cloud import ACCOUNT, BUCKET, TEAMS, Cloud, own_part, role_of
from on_airflow.credentials.s3a import has_s3a

collect_ignore = [] if has_s3a() else ["test_spark_s3a.py"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for name in collect_ignore:
        terminalreporter.write_line(f"NOT RUN: {name}, for there is no hadoop-aws among Spark's jars (docs/limits.md)")


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    running = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


@pytest.fixture
def cloud(server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    """Two teams, and IAM enforced."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    httpx.post(f"{server}/moto-api/reset").raise_for_status()
    given = Cloud(server, "setup", "setup")
    given.client("s3").create_bucket(Bucket=BUCKET)
    iam = given.client("iam")
    iam.create_user(UserName="airflow")
    airflow = {"AWS": f"arn:aws:iam::{ACCOUNT}:user/airflow"}
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": airflow}
    for team in TEAMS:
        document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        iam.create_role(RoleName=f"team-{team}", AssumeRolePolicyDocument=document)
        iam.put_role_policy(RoleName=f"team-{team}", PolicyName="own", PolicyDocument=own_part(team))
        given.client("s3").put_object(Bucket=BUCKET, Key=f"{team}/theirs", Body=b"of team " + team.encode())
    assume = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": [role_of(team) for team in TEAMS]}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [assume]})
    iam.put_user_policy(UserName="airflow", PolicyName="assume", PolicyDocument=policy)
    key = iam.create_access_key(UserName="airflow")["AccessKey"]
    found = Cloud(server, key["AccessKeyId"], key["SecretAccessKey"])
    extra = {"region_name": "us-east-1"}
    connection = {"conn_type": "aws", "login": found.key, "password": found.secret, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_TEAMS", json.dumps(connection))
    found.enforce(True)
    yield found
    found.enforce(False)
