"""The schedule of the example `daily_flights`, rendered with Airflow's own templates and moments."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from airflow.sdk.definitions._internal.templater import SandboxedEnvironment
from airflow.sdk.definitions.context import Context
from airflow.sdk.timezone import coerce_datetime

from daybook.catalogue import load_catalogue

NOTEBOOKS = Path(__file__).parents[2] / "include" / "notebooks"


@pytest.mark.parametrize(
    ("start", "day"),
    [
        (datetime(2026, 11, 22, tzinfo=UTC), "2013-11-22"),
        (datetime(2028, 2, 29, tzinfo=UTC), "2013-02-28"),
        (datetime(2012, 12, 31, tzinfo=UTC), "2013-12-31"),
        (datetime(2013, 1, 1, tzinfo=UTC), "2013-01-01"),
    ],
)
def test_daily_flights_takes_the_same_day_of_2013(start, day):
    context = Context(data_interval_start=coerce_datetime(start))
    entry = load_catalogue([NOTEBOOKS]).notebooks["daily_flights"]
    given = entry.scheduled_parameters(lambda text: SandboxedEnvironment().from_string(text).render(context))
    assert given == {"day": day}
