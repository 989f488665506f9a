"""What is read of the many runs that wait."""

import re

import pytest
from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import OperationalError

from builders import ASKED_AT, RUN_ID, a_workspace
from daybook.contract.errors import InfrastructureFailed
from daybook.on_airflow.ports import waiting
from daybook.on_airflow.ports.dag_runs import NAMING_COLUMNS, DagRunRow
from daybook.web.world import Asked


@pytest.mark.parametrize("dialect", [postgresql.dialect(), sqlite.dialect()], ids=lambda each: each.name)
def test_of_a_conf_no_more_is_read_than_names_its_run(dialect):
    """A thousand runs may wait with a hundred kilobytes each, and somebody looks every second."""
    asked = str(select(*NAMING_COLUMNS).compile(dialect=dialect))
    whole = re.sub(r"JSON_EXTRACT\(dag_run\.conf, |dag_run\.conf -> ", "", asked)
    assert "triggering_user_name" in whole
    assert "dag_run.conf" not in whole


def test_a_row_of_them_names_notebook_and_workspace():
    row = DagRunRow.naming("run_notebook", "manual__1", ASKED_AT, "queued", "ada", "nb", "research")
    assert row.conf == {"notebook": "nb", "workspace": "research"}


def test_a_run_that_nobody_can_look_for_now_is_not_called_none(monkeypatch):
    """Whoever was told a moment ago that their run is taken would believe that it is gone."""
    asked = Asked(RUN_ID, "nb", "open", "ada", ASKED_AT, "nb", "manual__1", "queued")
    away = OperationalError("SELECT", {}, Exception("away"))
    answers = [away, [asked], [], away, [], [asked], [], []]

    def read(*_):
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(waiting.Waiting, "_read", read)
    monkeypatch.setattr(waiting, "WAITING_SECONDS", 0.0)
    port, place = waiting.Waiting(lambda: None, lambda: None), a_workspace(name="open")
    with pytest.raises(InfrastructureFailed, match="nobody can tell"):
        port.waiting_run(place, RUN_ID)
    assert port.waiting_run(place, RUN_ID) == asked, "listed"
    with pytest.raises(InfrastructureFailed, match="nobody can tell"):
        port.waiting_run(place, RUN_ID)
    assert port.waiting_run(place, RUN_ID) == asked, "not listed yet"
    assert port.waiting_run(place, RUN_ID) is None
