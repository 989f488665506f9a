"""What is read of the many runs that wait."""

import re

import pytest
from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite

from builders import ASKED_AT
from daybook.on_airflow.ports.dag_runs import NAMING_COLUMNS, DagRunRow


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
