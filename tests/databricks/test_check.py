"""`daybook databricks check` and `install`, as a person calls them in the notebooks' environment."""

import json

import pytest

from databricks.sessions import CLUSTER
from databricks.standin.world import TOKEN, USER
from daybook.cli import main as entry


@pytest.fixture
def called(tmp_path, monkeypatch, capsys):
    """Calls the command line in a folder, with these variables."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)

    def call(*arguments, **environment):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        code = entry.run(["databricks", *arguments], {})
        out, err = capsys.readouterr()
        return code, out, err

    call.folder = work
    return call


def test_everything_is_shown_with_its_origin_and_a_cell_could_run(called, standin):
    (called.folder / "pyproject.toml").write_text("[tool.daybook.databricks]\ncommand_seconds = 60\n")
    code, out, _ = called("check", "--json", **standin.environment(CLUSTER))
    found = json.loads(out)
    settings = {each["name"]: (each["value"], each["origin"]) for each in found["settings"]}
    assert code == 0
    assert settings["host"] == (standin.host, "DATABRICKS_HOST")
    assert settings["cluster_id"] == (CLUSTER, "DATABRICKS_CLUSTER_ID")
    assert settings["credentials"] == ("pat", "DATABRICKS_TOKEN")
    assert settings["command_seconds"] == (
        "60.0",
        f"{called.folder}/pyproject.toml [tool.daybook.databricks] command_seconds",
    )
    assert settings["sync.enabled"] == ("yes", "default")
    assert found["databricks"] == {
        "user": USER,
        "cluster": f"cluster {CLUSTER}, RUNNING",
        "runtime": "16.4.x-scala2.12",
        "context": "can be made",
    }
    assert TOKEN not in out
    assert standin.contexts.ids == []


def test_a_profile_names_host_token_and_cluster(called, standin, nobody):
    (nobody / ".databrickscfg").write_text(f"[team]\nhost = {standin.host}\ntoken = {TOKEN}\ncluster_id = {CLUSTER}\n")
    code, out, _ = called("check", DATABRICKS_CONFIG_PROFILE="team")
    assert code == 0
    found = dict(line.split(None, 1) for line in out.splitlines()[:3])
    assert found == {
        "host": f"{standin.host}  (~/.databrickscfg [team])",
        "credentials": "pat  (~/.databrickscfg [team])",
        "cluster_id": f"{CLUSTER}  (~/.databrickscfg [team])",
    }
    assert out.splitlines()[-1] == "A cell could run there."
    assert TOKEN not in out


def test_each_value_is_told_from_where_it_is(called, standin, tmp_path):
    """A token of the environment comes before the profile's, and so does a cluster of the project's."""
    (tmp_path / "own").write_text(f"[DEFAULT]\nhost = {standin.host}\ntoken = other\ncluster_id = {CLUSTER}\n")
    file = str(tmp_path / "own")
    (called.folder / "pyproject.toml").write_text("[tool.daybook.databricks]\nprofile = 'DEFAULT'\n")
    _, out, _ = called("check", "--json", DATABRICKS_CONFIG_FILE=file, DATABRICKS_TOKEN=TOKEN)
    found = {each["name"]: each["origin"] for each in json.loads(out)["settings"]}
    assert found["credentials"] == "DATABRICKS_TOKEN"
    assert found["host"] == found["cluster_id"] == f"{file} [DEFAULT]"
    assert "other" not in out


def test_a_service_principal_signs_in_with_oauth(called, standin):
    standin.parts["identity"].principals["robot"] = "its-secret"
    variables = {"DATABRICKS_CLIENT_ID": "robot", "DATABRICKS_CLIENT_SECRET": "its-secret"}
    code, out, err = called("check", DATABRICKS_HOST=standin.host, DATABRICKS_CLUSTER_ID=CLUSTER, **variables)
    assert code == 0, err
    assert "oauth-m2m  (DATABRICKS_CLIENT_ID, DATABRICKS_CLIENT_SECRET)" in out
    assert "robot" in out
    assert "its-secret" not in out


def test_a_stopped_cluster_stays_stopped(called, standin):
    standin.clusters.terminate(CLUSTER)
    code, out, _ = called("check", **standin.environment(CLUSTER))
    assert code == 0
    assert "not tried: the first cell starts the cluster" in out
    assert standin.count("/clusters/start") == 0


@pytest.mark.parametrize(
    ("variables", "code", "said"),
    [
        ({"DATABRICKS_CLUSTER_ID": ""}, 2, "DATABRICKS_CLUSTER_ID: no cluster is named"),
        ({"DATABRICKS_TOKEN": ""}, 2, "set DATABRICKS_HOST and DATABRICKS_TOKEN"),
        ({"DATABRICKS_HOST": ""}, 2, "databricks auth login"),
        ({"DATABRICKS_TOKEN": "", "DATABRICKS_CLUSTER_ID": ""}, 2, "no cluster is named"),
        ({"DATABRICKS_HOST": "", "DATABRICKS_CONFIG_PROFILE": "nowhere"}, 2, "there is no way to Databricks"),
        ({"DATABRICKS_TOKEN": "wrong"}, 3, "does not take the credentials (401)"),
        ({"DATABRICKS_CLUSTER_ID": "elsewhere"}, 3, "cluster elsewhere is not known"),
        ({"DATABRICKS_CLUSTER_ID": "serverless"}, 2, "serverless compute"),
    ],
)
def test_what_is_missing_or_wrong_is_one_clear_error(called, standin, variables, code, said):
    ended, _, err = called("check", **{**standin.environment(CLUSTER), **variables})
    assert ended == code
    assert said in err
    assert "Traceback" not in err
    assert "dapi" not in err


def test_as_json_the_error_is_part_of_the_document(called, standin):
    code, out, err = called("check", "--json", **{**standin.environment(CLUSTER), "DATABRICKS_TOKEN": "wrong"})
    document = json.loads(out)
    assert (code, err) == (3, "")
    assert document["error"]["type"] == "DatabricksRefused"
    assert document["error"]["retry_helps"] is False
    assert document["settings"]


def test_a_workspace_that_is_not_there_is_told(called, monkeypatch):
    from daybook.databricks import connection

    monkeypatch.setattr(connection, "RETRY_SECONDS", 1)
    code, _, err = called(
        "check", DATABRICKS_HOST="http://127.0.0.1:9", DATABRICKS_TOKEN="t", DATABRICKS_CLUSTER_ID="c"
    )
    assert code == 3
    assert "http://127.0.0.1:9 cannot be reached" in err


def test_the_kernel_is_installed_where_jupyter_finds_it(called, tmp_path):
    code, out, _ = called("install", "--prefix", str(tmp_path / "env"), "--json")
    folder = tmp_path / "env" / "share" / "jupyter" / "kernels" / "databricks"
    assert code == 0
    assert json.loads(out) == {"kernel": "databricks", "folder": str(folder)}
    spec = json.loads((folder / "kernel.json").read_text())
    assert spec["argv"][1:] == ["-m", "daybook.databricks", "-f", "{connection_file}"]
    assert (spec["language"], spec["interrupt_mode"]) == ("python", "message")
    assert called("install", "--prefix", str(tmp_path / "env"))[0] == 0  # again, in place of the first


def test_user_and_prefix_exclude_each_other(called, tmp_path):
    code, _, err = called("install", "--user", "--prefix", str(tmp_path))
    assert code == 2
    assert "exclude each other" in err
