"""A workspace's Databricks: what it may say, and that nobody else comes by its token."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from builders import a_workspace
from daybook.catalogue import RunSettings
from daybook.contract.errors import InvalidRequest, InvalidSettings
from daybook.workspaces import DatabricksSettings, Workspaces, require_within
from daybook.workspaces.file import parse_workspaces

TOKEN = {"name": "databricks", "key": "token"}
GIVEN = {"host": "https://x.cloud.databricks.com", "cluster_id": "1126-081234-abcd1234", "token": TOKEN}
OAUTH = {"client_id": "4c1f", "client_secret": TOKEN}


def faults_of(text):
    with pytest.raises(InvalidSettings) as caught:
        parse_workspaces(text, Path("FILE"))
    return [str(fault) for fault in caught.value.faults]


def test_everything_that_is_wrong_is_told_with_its_line():
    assert faults_of("""workspaces:
  - name: a
    bucket: s3://b/a
    members: ["*"]
    databricks:
      host: http://x.cloud.databricks.com
      cluster_id: "../x"
      tokens: 1
      limits: {command_seconds: 0}
      sync: {enabled: true}
""") == [
        "FILE, line 6: workspaces.0.databricks.host (workspace 'a'): 'http://x.cloud.databricks.com' is not the "
        "address of a Databricks workspace: https://name.cloud.databricks.com",
        "FILE, line 7: workspaces.0.databricks.cluster_id (workspace 'a'): '../x' is not a cluster's id, such as "
        "1126-081234-abcd1234",
        "FILE, line 9: workspaces.0.databricks.limits.command_seconds (workspace 'a'): Input should be greater than 0",
        "FILE, line 10: workspaces.0.databricks.sync (workspace 'a'): needs a source: the pod's working folder has "
        "nothing in it that could be synchronised",
        "FILE, line 8: workspaces.0.databricks.tokens (workspace 'a'): Extra inputs are not permitted",
    ]


@pytest.mark.parametrize(
    "host",
    [
        *(
            "x.cloud.databricks.com",
            "https://",
            "https://u:p@x.com",
            "https://x.com/path",
            "https://x.com?o=1",
            "ftp://x",
        ),
        *("https://x.com\nevil", "http://10.0.0.1", "https://x.com#y", "http://127.0.0.1.evil.com"),
    ],
)
def test_a_host_is_an_address_and_nothing_more(host):
    with pytest.raises(ValidationError, match="is not the address of a Databricks workspace"):
        DatabricksSettings(**{**GIVEN, "host": host})


@pytest.mark.parametrize(
    "host", ["https://adb-1.2.azuredatabricks.net/", "http://127.0.0.1:8080", "https://x.com:8443"]
)
def test_a_host_needs_no_slash_at_its_end(host):
    assert DatabricksSettings(**{**GIVEN, "host": host}).host == host.rstrip("/")


@pytest.mark.parametrize("ways", [{"token": None}, {"oauth": OAUTH}])
def test_there_is_exactly_one_way_to_be_known_there(ways):
    with pytest.raises(ValidationError, match="needs exactly one of token and oauth"):
        DatabricksSettings(**{**GIVEN, **ways})


def test_what_the_kernel_is_told_is_what_was_given():
    sync = {"enabled": True, "source": "/data", "exclude": ["*.csv", "a b"], "use_gitignore": False}
    given = {"limits": {"cluster_start_seconds": 60}, "sync": sync}
    prefix = "DAYBOOK_DATABRICKS_"
    assert DatabricksSettings(**GIVEN).variables == {f"{prefix}SYNC_ENABLED": "false"}
    assert DatabricksSettings(**{**GIVEN, **given}).variables == {
        f"{prefix}CLUSTER_START_SECONDS": "60.0",
        f"{prefix}SYNC_ENABLED": "true",
        f"{prefix}SYNC_SOURCE": "/data",
        f"{prefix}SYNC_EXCLUDE": "*.csv\na b",
        f"{prefix}SYNC_USE_GITIGNORE": "false",
    }


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"runs_in": "worker"}, "is for workspaces whose runs are pods"),
        ({"secret": "databricks"}, "takes its key from the Secret databricks, which other runs get too"),
        ({"credentials": {"kind": "secret", "name": "databricks"}}, "from the Secret databricks, which other runs get"),
        (
            {"pod": {"volumes": [{"name": "v", "mount_path": "/v", "secret": "databricks"}]}},
            "from the Secret databricks, which other runs get",
        ),
        ({"environment": {"DATABRICKS_HOST": "x"}}, "take DATABRICKS_HOST out of the environment"),
    ],
)
@pytest.mark.parametrize("way", [{}, {"token": None, "oauth": OAUTH}])
def test_its_token_is_for_its_own_runs_alone(changes, fault, way):
    with pytest.raises(ValidationError, match=fault):
        a_workspace(databricks={**GIVEN, **way}, **changes)


@pytest.mark.parametrize(("namespace", "refused"), [("default", True), ("other", False)])
def test_secret_inputs_of_another_workspace_do_not_reach_its_token(namespace, refused):
    pair = (
        a_workspace(name="a", bucket="memory:///a", databricks=GIVEN),
        a_workspace(name="b", bucket="memory:///b", secret="databricks", namespace=namespace),
    )
    if not refused:
        assert Workspaces(workspaces=pair)
        return
    for order in (pair, pair[::-1]):
        with pytest.raises(ValidationError, match="share the Secret databricks; give each its own"):
            Workspaces(workspaces=order)


@pytest.mark.parametrize(
    ("run", "where", "message"),
    [
        ({"kernel": "databricks"}, "run.kernel", "workspace 'local' has no `databricks` section"),
        ({"kernel": "Databricks"}, "run.kernel", "workspace 'local' has no `databricks` section"),
    ],
)
def test_the_kernel_is_refused_where_there_is_no_databricks(run, where, message):
    with pytest.raises(InvalidRequest) as caught:
        require_within(a_workspace(), RunSettings(**run))
    (fault,) = caught.value.faults
    assert fault.where == where
    assert message in fault.message


def test_a_notebook_may_name_the_clusters_that_its_workspace_lists():
    workspace = a_workspace(databricks={**GIVEN, "clusters": ["1126-09*"]})
    for cluster in (None, GIVEN["cluster_id"], "1126-090000-x"):
        require_within(workspace, RunSettings(kernel="databricks", databricks_cluster=cluster))
    with pytest.raises(InvalidRequest, match="allowed here: 1126-081234-abcd1234, 1126-09"):
        require_within(workspace, RunSettings(kernel="databricks", databricks_cluster="1127-1-x"))
