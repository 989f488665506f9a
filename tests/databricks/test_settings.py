from pathlib import Path

import pytest

from daybook.contract.errors import InvalidSettings
from daybook.databricks.settings import NOT_SERVERLESS, Limits, load_settings


def project(folder: Path, text: str) -> Path:
    (folder / "pyproject.toml").write_text(text, encoding="utf-8")
    return folder


def faults(environment, folder):
    with pytest.raises(InvalidSettings) as raised:
        load_settings(environment, folder)
    return [str(fault) for fault in raised.value.faults]


def test_without_anything_nothing_is_named_and_no_files_travel(tmp_path):
    settings = load_settings({}, tmp_path)
    assert (settings.cluster_id, settings.host, settings.profile) == (None, None, None)
    assert settings.limits == Limits()
    assert not settings.sync.enabled


def test_the_limits_have_their_defaults():
    assert Limits() == Limits(command=None, cluster_start=1800, context=300, unreachable=120, longest_poll=3, cancel=30)


def test_the_environment_comes_first_then_our_table_then_the_peers(tmp_path):
    folder = project(
        tmp_path,
        """
        [tool.daybook.databricks]
        cluster_id = "ours"
        command_seconds = 60
        [tool.jupyter-databricks-kernel]
        cluster_id = "peer's"
        [tool.jupyter-databricks-kernel.sync]
        max_size_mb = 5
        """,
    )
    settings = load_settings({"DAYBOOK_DATABRICKS_COMMAND_SECONDS": "7.5"}, folder)
    assert (settings.cluster_id, settings.limits.command, settings.sync.max_size_mb) == ("ours", 7.5, 5)
    assert settings.origins["cluster_id"] == f"{folder}/pyproject.toml [tool.daybook.databricks] cluster_id"
    assert settings.origins["command_seconds"] == "DAYBOOK_DATABRICKS_COMMAND_SECONDS"
    assert settings.origins["sync.max_size_mb"].endswith("[tool.jupyter-databricks-kernel] sync.max_size_mb")
    assert load_settings({"DATABRICKS_CLUSTER_ID": "theirs"}, folder).cluster_id == "theirs"


def test_the_nearest_project_file_counts_and_its_folder_is_the_source(tmp_path):
    project(tmp_path, '[tool.daybook.databricks]\ncluster_id = "far"\n')
    near = tmp_path / "a"
    (near / "b").mkdir(parents=True)
    project(near, '[tool.daybook.databricks]\ncluster_id = "near"\n')
    settings = load_settings({}, near / "b")
    assert settings.cluster_id == "near"
    assert (settings.sync.enabled, settings.sync.source) == (True, near.resolve())


def test_every_setting_of_the_peer_is_read(tmp_path):
    (tmp_path / "src").mkdir()
    folder = project(
        tmp_path,
        """
        [tool.jupyter-databricks-kernel.sync]
        enabled = true
        source = "src"
        exclude = ["*.log", "data/"]
        max_size_mb = 10.5
        max_file_size_mb = 1
        use_gitignore = false
        compression_level = 3
        workspace_extract_dir = "/tmp/x"
        """,
    )
    settings = load_settings({}, folder)
    sync = settings.sync
    assert (sync.source, sync.exclude, sync.max_size_mb) == (tmp_path.resolve() / "src", ("*.log", "data/"), 10.5)
    assert (sync.max_file_size_mb, sync.use_gitignore) == (1, False)
    assert [note.split("] ")[1].split(" is")[0] for note in settings.notes] == [
        "sync.compression_level",
        "sync.workspace_extract_dir",
    ]


def test_every_setting_can_be_a_variable(tmp_path):
    environment = {
        "DAYBOOK_DATABRICKS_SYNC_ENABLED": "true",
        "DAYBOOK_DATABRICKS_SYNC_SOURCE": str(tmp_path),
        "DAYBOOK_DATABRICKS_SYNC_EXCLUDE": "*.log\ndata/",
        "DAYBOOK_DATABRICKS_SYNC_USE_GITIGNORE": "no",
        "DAYBOOK_DATABRICKS_CLUSTER_START_SECONDS": "60",
        "DATABRICKS_CONFIG_PROFILE": "team",
        "DATABRICKS_HOST": "",
    }
    settings = load_settings(environment, Path("/"))
    assert settings.sync.exclude == ("*.log", "data/")
    assert (settings.sync.enabled, settings.sync.use_gitignore, settings.limits.cluster_start) == (True, False, 60)
    assert (settings.profile, settings.host) == ("team", None)


@pytest.mark.parametrize(
    "host",
    ["https://adb-1.azuredatabricks.net/?o=1", "adb-1.azuredatabricks.net", " https://adb-1.azuredatabricks.net/ml\n"],
)
def test_a_host_may_be_copied_from_the_browser(tmp_path, host):
    assert load_settings({"DATABRICKS_HOST": host}, tmp_path).host == "https://adb-1.azuredatabricks.net"


def test_every_fault_is_told_at_once_with_its_place(tmp_path):
    folder = project(
        tmp_path,
        """
        [tool.daybook.databricks]
        clusterid = "x"
        command_seconds = -1
        token = "dapi"
        [tool.daybook.databricks.sync]
        source = "nowhere"
        enabled = "perhaps"
        """,
    )
    told = faults({"DAYBOOK_DATABRICKS_CONTEXT_SECONDS": "soon"}, folder)
    text = "\n".join(told)
    assert len(told) == 5
    assert "DAYBOOK_DATABRICKS_CONTEXT_SECONDS: " in text
    assert "clusterid: there is no such setting" in text
    assert "command_seconds: " in text
    assert "sync.enabled: " in text
    assert "token: a secret does not belong into a project's file" in text


def test_a_source_that_is_no_folder_is_named(tmp_path):
    assert faults({"DAYBOOK_DATABRICKS_SYNC_SOURCE": "nowhere"}, tmp_path) == [
        f"DAYBOOK_DATABRICKS_SYNC_SOURCE: {tmp_path.resolve()}/nowhere is no folder"
    ]


@pytest.mark.parametrize("text", ["[tool", "x = 1\nx = 2", "\udc80"])
def test_a_project_file_that_cannot_be_read_is_named(tmp_path, text):
    (tmp_path / "pyproject.toml").write_bytes(text.encode("utf-8", "surrogateescape"))
    assert faults({}, tmp_path)[0].startswith(f"{tmp_path}/pyproject.toml: cannot be read: ")


@pytest.mark.parametrize("table", ["databricks = 1", "databricks = [1]"])
def test_a_table_that_is_none_is_named(tmp_path, table):
    assert "must be a table" in faults({}, project(tmp_path, f"[tool.daybook]\n{table}\n"))[0]


@pytest.mark.parametrize(
    ("environment", "where"),
    [
        ({"DATABRICKS_CLUSTER_ID": "serverless"}, "DATABRICKS_CLUSTER_ID"),
        ({"DATABRICKS_CLUSTER_ID": "auto"}, "DATABRICKS_CLUSTER_ID"),
        ({"DATABRICKS_SERVERLESS_COMPUTE_ID": "auto"}, "DATABRICKS_SERVERLESS_COMPUTE_ID"),
    ],
)
def test_serverless_is_refused_with_another_way(tmp_path, environment, where):
    assert faults(environment, tmp_path) == [f"{where}: {NOT_SERVERLESS}"]


@pytest.mark.parametrize("host", ["http://adb-1.azuredatabricks.net", "http://evil.example"])
def test_no_credentials_go_in_the_clear(tmp_path, host):
    with pytest.raises(InvalidSettings, match="must begin with https://"):
        load_settings({"DATABRICKS_HOST": host}, tmp_path)


@pytest.mark.parametrize("beside", ["DATABRICKS_TOKEN", "DATABRICKS_CLIENT_SECRET", "DATABRICKS_CONFIG_PROFILE"])
def test_a_projects_file_sends_nobodys_credentials_elsewhere(tmp_path, beside):
    (tmp_path / "pyproject.toml").write_text('[tool.daybook.databricks]\nhost = "https://evil.example"\n')
    with pytest.raises(InvalidSettings, match="set DATABRICKS_HOST"):
        load_settings({beside: "x"}, tmp_path)
    own = {beside: "x", "DATABRICKS_HOST": "https://own.example"}
    assert load_settings(own, tmp_path).host == "https://own.example"
