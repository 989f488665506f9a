"""Two workspaces, two Spark servers, one S3 with IAM enforced: each reaches its own prefix through S3A, and no other.

It needs hadoop-aws and AWS's SDK among Spark's jars; conftest says aloud where they are not, and leaves it out then.
"""

import json
import os
import subprocess

import pytest

from daybook.contract.spark_pod import SPARK_PORT, SparkPod
from daybook.contract.spark_server import SparkBucket, SparkCredentials, SparkServerRequest, SparkSize
from daybook.on_airflow.credentials.roles import SessionCredentials
from on_airflow.credentials.cloud import BUCKET, TEAMS, role_of
from on_airflow.credentials.s3a import NOTEBOOKS

PYTHON = str(NOTEBOOKS / "bin" / "python")
TRY = """
import json, sys
from daybook.notebook import get_spark_session
spark = get_spark_session()
own, other = sys.argv[1:]
spark.range(5).write.mode("overwrite").parquet(f"{own}/numbers")
found = {"own": spark.read.parquet(f"{own}/numbers").count()}
for name, deed in (
    ("read", lambda: spark.read.text(f"{other}/theirs").collect()),
    ("write", lambda: spark.range(1).write.parquet(f"{other}/stolen")),
):
    try:
        deed()
    except Exception as error:
        found[name] = "denied" if "AccessDenied" in str(error) or "403" in str(error) else str(error)[:500]
print(json.dumps(found))
"""
pytestmark = pytest.mark.timeout(900)


@pytest.fixture
def servers(cloud, tmp_path):
    """A server for each team, with short-lived credentials in a file, as `sts` gives them."""
    running = {}
    for number, team in enumerate(TEAMS, 1):
        folder, address = tmp_path / team, f"127.78.1.{number}"
        folder.mkdir()
        (folder / "token").write_text(f"key-of-the-server-of-{team}")
        given = cloud.client("sts").assume_role(RoleArn=role_of(team), RoleSessionName=team)["Credentials"]
        session = SessionCredentials(
            given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"], given["Expiration"]
        )
        (folder / "credentials.json").write_text(session.document())
        bucket = SparkBucket(
            url=f"s3://{BUCKET}/{team}", endpoint=cloud.endpoint, credentials=SparkCredentials.PROFILE, path_style=True
        )
        request = SparkServerRequest(workspace=f"team-{team}", bucket=bucket, size=SparkSize(driver_memory="1g"))
        pod = SparkPod(name=f"server-{team}", server=request, idle_seconds=600, start_seconds=400)
        environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(folder),
            "DAYBOOK_SPARK_SERVER": pod.model_dump_json(),
            "DAYBOOK_SPARK_KEY_FILE": str(folder / "token"),
            "DAYBOOK_SPARK_STATE": str(folder / "state"),
            "DAYBOOK_POD_ADDRESS": address,
            "DAYBOOK_POD_NAME": "pod",
            "DAYBOOK_CREDENTIALS_FILE": str(folder / "credentials.json"),
        }
        process = subprocess.Popen([PYTHON, "-m", "daybook.spark", "pod"], env=environment, cwd=folder)
        running[team] = (process, f"sc://{address}:{SPARK_PORT}", f"key-of-the-server-of-{team}")
    yield running
    for process, _, _ in running.values():
        process.terminate()
    for process, _, _ in running.values():
        process.wait(60)


def test_each_server_reaches_its_own_prefix_and_is_denied_the_others(servers):
    for team, other in (TEAMS, TEAMS[::-1]):
        _, remote, key = servers[team]
        done = subprocess.run(
            [PYTHON, "-c", TRY, f"s3a://{BUCKET}/{team}", f"s3a://{BUCKET}/{other}"],
            env={**os.environ, "SPARK_REMOTE": remote, "SPARK_CONNECT_AUTHENTICATE_TOKEN": key},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout.splitlines()[-1]) == {"own": 5, "read": "denied", "write": "denied"}
