"""Ids, run settings and schedules."""

from typing import Any

import pytest
from pydantic import ValidationError

from daybook.catalogue import Input, Notebook, RunSettings, Schedule, digest_of, id_fault
from daybook.catalogue.cron import cron_fault
from daybook.contract.errors import InvalidRequest
from daybook.contract.request import Limits

INPUTS = (
    Input(name="day", type="date"),
    Input(name="origin", type="enum", choices=["JFK", "LGA"], default="JFK"),
    Input(name="urls", type="url_list", default=[]),
)


def notebook(**fields: Any) -> Notebook:
    return Notebook(**{"id": "daily_flights", "source": "/srv/notebook.ipynb", "inputs": INPUTS, **fields})


@pytest.mark.parametrize("text", ["a", "A", "7", "flights_delays", "ndvi-calculation", "a.b", "x" * 128])
def test_id_is_allowed(text: str) -> None:
    assert id_fault(text) is None


@pytest.mark.parametrize(
    "text", ["", "-a", ".a", "_a", "a b", "a/b", "a..b", "a.", "é", "x" * 129, "run_notebook", "clean_up", "a\n", ".."]
)
def test_id_is_refused(text: str) -> None:
    assert id_fault(text)
    with pytest.raises(ValidationError):
        notebook(id=text)


def test_title_is_made_from_the_id() -> None:
    assert notebook(id="flights_delays-2013").title == "Flights delays 2013"
    assert notebook(title="Flights").title == "Flights"


def test_digest_is_sha256_in_hex() -> None:
    assert digest_of(b"") == "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_run_settings_default_to_an_hour_and_no_retry() -> None:
    settings = RunSettings()
    assert (settings.timeout_seconds, settings.cell_timeout_seconds, settings.retries) == (3600, None, 0)
    assert settings.spark is True


def test_what_an_attempt_may_take_and_hold_is_the_contracts_unless_it_is_said() -> None:
    assert RunSettings().limits() == Limits()
    assert RunSettings().may_end_early is False
    said = RunSettings(timeout_seconds=60, cell_timeout_seconds=7, cell_output="1.5k", output=2000)
    assert said.limits(5) == Limits(
        timeout_seconds=60, cell_timeout_seconds=7, cell_output_bytes=1500, output_bytes=2000, memory_bytes=5
    )


@pytest.mark.parametrize(
    "fields", [{"cpu": 2}, {"cpu": 0.5}, {"cpu": "500m"}, {"memory": "2Gi"}, {"memory": 1000000}, {"memory": "1.5G"}]
)
def test_quantities_are_kubernetes_own(fields: dict[str, Any]) -> None:
    assert RunSettings(**fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"cpu": 0},
        {"cpu": "two"},
        {"cpu": -1},
        {"cpu": True},
        {"memory": "2GB"},
        {"memory": "0"},
        {"memory": "2Gi\n"},
        {"cell_output": "10MB"},
        {"output": 0},
        {"output": True},
        {"may_end_early": "yes"},
        {"timeout_seconds": 0},
        {"timeout_seconds": "60"},
        {"timeout_seconds": 10**9},
        {"retries": 11},
        {"retries": True},
        {"spark": "yes"},
        {"image": "a b"},
        {"image": "--privileged"},
        {"kernel": "../python3"},
        {"gpu": -1},
        {"gpu": "1"},
        {"gpu": True},
        {"ephemeral_storage": "1e3"},
        {"ephemeral_storage": "0"},
        {"retry_with_more_memory": 2},
        {"gpus": 1},
    ],
)
def test_a_run_setting_that_cannot_be_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        RunSettings(**fields)


@pytest.mark.parametrize(
    "text",
    [
        "@daily",
        "@once",
        "0 6 * * *",
        "*/15 8-18 * * mon-fri",
        "0 0 1,15 jan *",
        "5/10 * * * *",
        "0 0 l * *",
        "0 9 * * mon#1",
        "0 0 * * 7",
        "0 0 29 2 *",
    ],
)
def test_cron_is_allowed(text: str) -> None:
    assert cron_fault(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "@dayly",
        "0 6 * *",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * * 13 *",
        "* * * * 8",
        "a * * * *",
        "5-1 * * * *",
        "*/0 * * * *",
        "*-5 * * * *",
        "* * * * mon#6",
        "1,,2 * * * *",
        "* * * mon *",
        "0 0 0 * * *",
    ],
)
def test_cron_is_refused(text: str) -> None:
    assert cron_fault(text)
    with pytest.raises(ValidationError):
        Schedule(cron=text)


def test_a_schedule_may_be_just_its_cron() -> None:
    assert Schedule.model_validate("@daily") == Schedule(cron="@daily")
    assert Schedule(cron="@daily").catch_up is False
    assert Schedule(cron="@daily").max_active_runs == 1


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"cron": "@daily", "assets": ["a"]},
        {"assets": []},
        {"assets": ["a b"]},
        {"cron": "@daily", "catch_up": True},
        {"assets": ["a"], "catch_up": True, "start_date": "2013-01-01"},
        {"cron": "@daily", "start_date": "2013-13-01"},
        {"cron": "@daily", "timezone": "Mars/Olympus"},
        {"cron": "@daily", "timezone": "../../etc/passwd"},
        {"cron": "@daily", "max_active_runs": 0},
    ],
)
def test_a_schedule_that_cannot_be_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Schedule(**fields)


def test_a_time_zone_is_known() -> None:
    assert Schedule(cron="@daily", timezone="Europe/London").timezone == "Europe/London"


def faults_of(**schedule: Any) -> dict[str, str]:
    try:
        notebook(schedule=Schedule(**{"cron": "@daily", **schedule}))
    except ValidationError as error:
        return {".".join(map(str, path)): text for path, text in error.errors()[0]["ctx"]["faults"]}
    return {}


def test_scheduled_parameters_may_be_values_or_templates() -> None:
    assert faults_of(parameters={"day": "{{ data_interval_start | ds }}", "origin": "LGA"}) == {}


def test_an_input_without_a_default_needs_a_scheduled_value() -> None:
    assert "must give day" in faults_of()["schedule.parameters"]


def test_every_scheduled_parameter_is_checked_at_load() -> None:
    faults = faults_of(
        parameters={"dy": "{{ ds }}", "day": "yesterday", "origin": "{{ broken", "urls": ["https://a.example/{{ ds }}"]}
    )
    assert "did you mean 'day'" in faults["schedule.parameters.dy"]
    assert "must be a date" in faults["schedule.parameters.day"]
    assert "without its end" in faults["schedule.parameters.origin"]
    assert "within a list" in faults["schedule.parameters.urls"]


def test_templates_are_rendered_and_held_to_their_input() -> None:
    entry = notebook(schedule=Schedule(cron="@daily", parameters={"day": "{{ ds }}", "origin": "LGA"}))
    assert entry.scheduled_parameters(lambda text: text.replace("{{ ds }}", "2013-02-01")) == {
        "day": "2013-02-01",
        "origin": "LGA",
        "urls": [],
    }
    with pytest.raises(InvalidRequest, match="schedule of notebook 'daily_flights'") as caught:
        entry.scheduled_parameters(lambda text: "2013-02-01T00:00:00+00:00")
    assert caught.value.faults[0].where == "day"


def test_notebook_resolves_under_its_own_name() -> None:
    with pytest.raises(InvalidRequest, match="Notebook 'daily_flights' cannot run"):
        notebook().resolve({})
    assert notebook(inputs=(), open_inputs=True).resolve({"anything": 1}) == {"anything": 1}


SECRET = (Input(name="key", type="secret"),)


def test_secret_inputs_and_the_kernel_databricks_do_not_go_together() -> None:
    with pytest.raises(ValidationError, match=r"secret inputs do not reach; .* dbutils\.secrets\.get"):
        notebook(inputs=SECRET, run={"kernel": "databricks"})
    with pytest.raises(InvalidRequest, match=r"run_settings\.kernel: .*secret inputs do not reach"):
        notebook(inputs=SECRET).with_settings({"kernel": "databricks"})
    assert notebook().with_settings({"kernel": "databricks"}).run.is_on_databricks
