import configparser
import stat

import pytest

from daybook.cli.stack import airflow
from daybook.cli.stack.overrides import read_overrides, take_overrides
from daybook.cli.stack.ports import Ports
from daybook.contract.errors import InvalidSettings

POSTGRES = "postgresql+psycopg2://ada:s3cret%40@/airflow?host=/run/x"


@pytest.fixture
def given(tmp_path):
    path = tmp_path / "mine.cfg"
    path.write_text(f"[database]\nsql_alchemy_conn = {POSTGRES}\n[logging]\nremote_logging = True\n")
    return path


def written(project):
    airflow.write_configuration(project, Ports())
    parser = configparser.ConfigParser()
    parser.read(project.airflow_home / "airflow.cfg")
    return parser


def test_given_options_win_and_the_others_stay(project, given):
    take_overrides(project, given, {})
    found = written(project)
    assert found["database"]["sql_alchemy_conn"] == POSTGRES
    assert found["logging"]["remote_logging"] == "True"
    assert found["core"]["executor"] == "LocalExecutor"


def test_given_options_are_remembered_for_the_next_start_and_only_their_owner_reads_them(project, given):
    take_overrides(project, given, {})
    given.unlink()
    take_overrides(project, None, {})
    assert written(project)["database"]["sql_alchemy_conn"] == POSTGRES
    assert stat.S_IMODE(project.airflow_overrides.stat().st_mode) == 0o600


def test_a_database_server_is_looked_at_at_each_start(project, given):
    (project.airflow_home / "airflow.db").touch()
    airflow.stamp_migration(project)
    assert not airflow.needs_migration(project)
    take_overrides(project, given, {})
    airflow.stamp_migration(project)
    assert airflow.needs_migration(project)


def test_what_the_stack_itself_decides_is_refused_all_at_once(given):
    given.write_text("[api]\nport = 1\nhost = 0.0.0.0\n[core]\nparallelism = 2\ndags_folder = /x\n")
    with pytest.raises(InvalidSettings) as refused:
        read_overrides(given)
    assert [fault.where.rpartition(", ")[2] for fault in refused.value.faults] == [
        "[core] dags_folder",
        "[api] host",
        "[api] port",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "[database]\nsql_alchemy_conn\n = s3cret\nnonsense s3cret",
        "s3cret = 1",
        "[a]\nb = s3cret\nb = s3cret",
        "[a]\n[a]",
        "[database\n",
    ],
)
def test_a_file_that_is_wrong_is_named_by_its_line_and_never_quoted(given, text):
    given.write_text(text)
    with pytest.raises(InvalidSettings, match=r"mine.cfg, line \d") as refused:
        read_overrides(given)
    assert "s3cret" not in str(refused.value)


def test_other_options_for_a_running_stack_are_refused(project, given):
    take_overrides(project, given, {})
    take_overrides(project, given, {"airflow-scheduler": None})
    given.write_text("")
    with pytest.raises(InvalidSettings, match="daybook down"):
        take_overrides(project, given, {"airflow-scheduler": None})


def test_a_file_that_is_not_there_is_told(project, tmp_path):
    with pytest.raises(InvalidSettings, match="no such file"):
        take_overrides(project, tmp_path / "none.cfg", {})


def test_a_missing_driver_is_told_with_what_to_install_and_no_password(project, given):
    (project.root / ".venv").unlink()
    with pytest.raises(InvalidSettings, match="extra `postgres`") as refused:
        take_overrides(project, given, {})
    assert len(refused.value.faults) == 2
    assert "s3cret" not in str(refused.value)
    assert not project.airflow_overrides.exists()
