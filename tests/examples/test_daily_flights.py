"""`daily_flights` held against the data's own numbers."""

import pandas as pd
import pytest

from daybook.contract.errors import ExitCode, InvalidRequest

NOTEBOOK = "notebooks/daily_flights/notebook.ipynb"


def test_it_leaves_a_table_a_plot_and_results(execute):
    run = execute(NOTEBOOK, day="2013-11-23")
    assert run.exit_code == ExitCode.SUCCEEDED, run.said
    assert {each.path for each in run.manifest.outputs} == {"airports.csv", "plots/departures_by_hour.png"}
    assert run.complaints == []
    assert run.pictures == 1
    airports = pd.read_csv(run.outputs / "airports.csv")
    results = run.manifest.results
    assert airports["origin"].tolist() == ["EWR", "JFK", "LGA"]
    assert results["day"] == "2013-11-23"
    assert results["flights"] + results["cancelled"] == airports[["on time", "late", "cancelled"]].to_numpy().sum()
    assert results["delayed"] == airports["late"].sum()


def test_numbers_are_those_of_the_data(cells, results):
    cells(NOTEBOOK, until="summary", day="2013-03-08")
    assert results() == {
        "day": "2013-03-08",
        "flights": 799,
        "cancelled": 180,
        "delayed": 552,
        "mean_delay": 83.54,
        "longest_delay": 470,
    }


def test_a_day_of_another_year_is_refused(execute):
    with pytest.raises(InvalidRequest, match="day: must not be before 2013-01-01"):
        execute(NOTEBOOK, day="2012-02-29")


def test_the_notebook_itself_says_which_days_there_are(cells):
    with pytest.raises(ValueError, match="day is 2014-01-01, but there are flights only from 2013-01-01 to 2013-12-31"):
        cells(NOTEBOOK, day="2014-01-01")
