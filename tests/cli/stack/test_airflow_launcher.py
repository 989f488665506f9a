"""The launcher with real Airflow commands that end by themselves."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from daybook.cli.stack.airflow_launcher import AirflowLauncher
from daybook.cli.stack.components import Component
from daybook.contract.errors import InfrastructureFailed


@pytest.fixture
def environment(tmp_path):
    return {"PATH": os.environ["PATH"], "AIRFLOW_HOME": str(tmp_path / "airflow"), "SPT_NOENV": "1"}


def part(project, name: str, *arguments: str) -> Component:
    log = project.logs / f"{name}.log"
    return Component(name, ("airflow", *arguments), {}, log, lambda _: None, arguments=arguments)


def test_several_commands_run_each_with_its_log_and_its_exit_code(project, environment):
    parts = [part(project, "good", "version"), part(project, "bad", "no-such-command")]
    with AirflowLauncher(project, Path(sys.executable), environment) as launcher:
        started = {each.name: launcher.start(each).pid for each in parts}
        while launcher.exit_code("good") is None or launcher.exit_code("bad") is None:
            pass
        assert (launcher.exit_code("good"), launcher.exit_code("bad")) == (0, 2)
    assert len(set(started.values())) == 2
    assert (project.logs / "good.log").read_text().strip().startswith("3.")
    assert "no-such-command" in (project.logs / "bad.log").read_text()
    launcher.close()


def test_a_launcher_that_cannot_start_is_named_with_its_log(project, environment):
    with (
        AirflowLauncher(project, Path(sys.executable), {**environment, "PYTHONHOME": "/nowhere"}) as launcher,
        pytest.raises(InfrastructureFailed, match=str(project.logs / "airflow-launcher.log")),
    ):
        launcher.start(part(project, "good", "version"))
