"""Which failure is which exception, and what the page for the one on call says of it."""

import re
from pathlib import Path

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from builders import a_manifest
from daybook.catalogue import Notebook
from daybook.contract.manifest import Reason, State
from daybook.on_airflow.errors import (
    NOTEBOOKS_OWN,
    WORTH_A_RETRY,
    RunFailed,
    RunFailedForGood,
    also_retried,
    failure_of,
)

PAGE = (Path(__file__).parents[2] / "docs" / "failures.md").read_text()
ROWS = dict(re.findall(r"^\| `(\w+)` \|.*\| (yes|no|asked) \|", PAGE, re.MULTILINE))


def a_failure(reason, also=()):
    return failure_of(a_manifest(state=State.FAILED, reason=reason), also)


@pytest.mark.parametrize("reason", Reason)
def test_the_page_says_of_every_reason_whether_it_is_retried(reason):
    asked = reason in NOTEBOOKS_OWN or reason is Reason.OUT_OF_MEMORY
    assert ROWS[reason] == ("yes" if reason in WORTH_A_RETRY else "asked" if asked else "no")


@pytest.mark.parametrize("reason", Reason)
def test_airflow_retries_what_the_page_says(reason):
    error = a_failure(reason)
    assert isinstance(error, RunFailed)
    assert isinstance(error, AirflowException)
    assert isinstance(error, AirflowFailException) == (ROWS[reason] != "yes")
    assert error.reason is reason


@pytest.mark.parametrize("reason", NOTEBOOKS_OWN)
def test_a_notebooks_own_error_is_retried_only_where_its_entry_asks(reason):
    eager = also_retried(Notebook(id="nb", source="x", run={"retry_notebook_errors": True}), more_memory=False)
    patient = also_retried(Notebook(id="nb", source="x"), more_memory=True)
    assert not isinstance(a_failure(reason, eager), RunFailedForGood)
    assert isinstance(a_failure(reason, patient), RunFailedForGood)


@pytest.mark.parametrize(("asked", "more", "retried"), [(True, True, True), (True, False, False), (False, True, False)])
def test_out_of_memory_is_retried_only_where_more_is_asked_for_and_can_be_had(asked, more, retried):
    also = also_retried(Notebook(id="nb", source="x", run={"retry_with_more_memory": asked}), more_memory=more)
    assert isinstance(a_failure(Reason.OUT_OF_MEMORY, also), RunFailedForGood) != retried
