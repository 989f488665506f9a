import configparser
import json
import stat
from pathlib import Path

import pytest

from daybook.cli.stack import airflow
from daybook.cli.stack.ports import Ports
from daybook.cli.stack.project import Project
from daybook.contract.errors import InvalidSettings


@pytest.fixture
def written(project):
    (project.root / "include" / "notebooks").mkdir(exist_ok=True)
    airflow.write_configuration(project, Ports(api=18080))
    # As Airflow reads it: with interpolation.
    parser = configparser.ConfigParser()
    parser.read(project.airflow_home / "airflow.cfg")
    return parser


def test_everything_listens_on_loopback_only(written):
    assert written["api"]["host"] == "127.0.0.1"
    assert written["scheduler"]["enable_health_check"] == "False"
    assert written["core"]["execution_api_server_url"] == "http://127.0.0.1:18080/execution/"


def test_paths_arrive_as_they_are_whatever_is_in_them(project, written):
    assert "%" in written["core"]["dags_folder"]
    assert written["core"]["dags_folder"] == str(project.root / "dags")
    assert written["database"]["sql_alchemy_conn"] == f"sqlite:///{project.airflow_home}/airflow.db?timeout=20"


def test_the_configuration_holds_secrets_so_only_its_owner_reads_it(project, written):
    assert stat.S_IMODE((project.airflow_home / "airflow.cfg").stat().st_mode) == 0o600
    assert len(written["api_auth"]["jwt_secret"]) >= 40


def test_runs_are_counted_and_vouchers_signed(project, written):
    served = airflow.airflow_environment(project, Ports(), {})
    key = Path(served["DAYBOOK_VOUCHER_KEY_FILE"])
    assert (len(key.read_text().strip()), stat.S_IMODE(key.stat().st_mode)) == (64, 0o600)
    local_settings = project.airflow_home / "config" / "airflow_local_settings.py"  # where Airflow looks for it
    assert "import task_instance_mutation_hook" in local_settings.read_text()
    assert Path(served["DAYBOOK_STATE"]) == project.airflow_state


def test_keys_stay_the_same_over_restarts(project, written):
    airflow.write_configuration(project, Ports(api=18081))
    again = configparser.ConfigParser()
    again.read(project.airflow_home / "airflow.cfg")
    assert again["api"]["port"] == "18081"
    for section, option in (("core", "fernet_key"), ("api", "secret_key"), ("api_auth", "jwt_secret")):
        assert again[section][option] == written[section][option]


def test_airflow_takes_the_keys(written):
    from cryptography.fernet import Fernet

    Fernet(written["core"]["fernet_key"])


def test_little_of_the_callers_environment_reaches_airflow(project):
    caller = {
        "PATH": "/bin",
        "HOME": "/home/x",
        "LC_ALL": "C.UTF-8",
        "KUBECONFIG": "/elsewhere",
        "PYTHONPATH": "/elsewhere",
        "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
        "HTTP_PROXY": "http://proxy",
        "AWS_SECRET_ACCESS_KEY": "secret",
    }
    served = airflow.airflow_environment(project, Ports(), caller)
    passed = {name: served[name] for name in served if name in caller}
    assert passed == {"PATH": "/bin", "HOME": "/home/x", "LC_ALL": "C.UTF-8"}
    assert served["DAYBOOK_CATALOGUE"] == str(project.root / "include" / "notebooks")
    assert json.loads(served["AIRFLOW_CONN_KUBERNETES_DEFAULT"])["extra"]["kube_config_path"] == str(project.kubeconfig)


def test_what_is_chosen_for_the_pages_reaches_them(project):
    chosen = {"DAYBOOK_OIDC_ISSUER": "https://id.example", "DAYBOOK_JUPYTER_LINK": "x", "DAYBOOK_RUNS_PER_MINUTE": "5"}
    served = airflow.airflow_environment(project, Ports(), {**chosen, "DAYBOOK_WORKSPACES": "/elsewhere"})
    assert {name: served[name] for name in chosen} == chosen
    assert served["DAYBOOK_WORKSPACES"] == str(project.workspaces)


def test_no_secret_is_in_the_environment(project, written):
    served = " ".join(airflow.airflow_environment(project, Ports(), {}).values())
    for secret in project.secrets.glob("airflow-*"):
        assert secret.read_text().strip() not in served


def test_the_password_is_minted_once_and_an_edited_one_counts(project):
    assert airflow.write_admin_password(project) is True
    assert airflow.write_admin_password(project) is False
    assert stat.S_IMODE(project.admin_password.stat().st_mode) == 0o600
    passwords = project.airflow_home / "passwords.json"
    assert json.loads(passwords.read_text()) == {"admin": project.admin_password.read_text().strip()}
    project.admin_password.write_text("my own\n")
    airflow.write_admin_password(project)
    assert json.loads(passwords.read_text()) == {"admin": "my own"}
    assert airflow.admin(project) == ("admin", "my own")


def test_the_database_is_prepared_once_for_each_version(project, monkeypatch):
    assert airflow.needs_migration(project)
    airflow.stamp_migration(project)
    assert airflow.needs_migration(project)  # the stamp says nothing without a database
    (project.airflow_home / "airflow.db").touch()
    assert not airflow.needs_migration(project)
    (project.airflow_home / "migrated-to").write_text("3.0.0\n")
    assert airflow.needs_migration(project)


def test_an_environment_without_airflow_is_named(tmp_path):
    with pytest.raises(InvalidSettings, match="make setup"):
        airflow.installed_version(Project(tmp_path))
