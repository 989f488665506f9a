"""Settings that somebody chooses for one run."""

import pytest

from daybook.catalogue import CHOOSABLE, Notebook, settings_of_texts
from daybook.catalogue.run_settings import RunSettings, with_chosen
from daybook.contract.errors import InvalidRequest


def a_notebook(**run):
    return Notebook.model_validate({"id": "nb", "source": "/nb.ipynb", "run": run})


def test_what_is_chosen_counts_and_the_rest_stays():
    found = a_notebook(memory="1Gi", retries=2, cell_timeout_seconds=7).with_settings({"memory": "4Gi", "cpu": 2}).run
    assert (found.memory, found.cpu, found.retries, found.cell_timeout_seconds) == ("4Gi", "2", 2, 7)


@pytest.mark.parametrize("nothing", [None, {}, {"memory": None, "image": None}])
def test_nothing_chosen_changes_nothing(nothing):
    notebook = a_notebook(memory="1Gi")
    assert notebook.with_settings(nothing) == notebook
    assert notebook.with_settings(nothing).run.asked_timeout_seconds is None


def test_a_time_that_is_chosen_is_asked_for():
    assert a_notebook().with_settings({"timeout_seconds": 60}).run.asked_timeout_seconds == 60
    assert a_notebook().with_settings({"memory": "1Gi"}).run.asked_timeout_seconds is None


WRONG = {
    "run_settings.memory": ("memory", "lots"),
    "run_settings.cpu": ("cpu", True),
    "run_settings.image": ("image", "no image"),
    "run_settings.kernel": ("kernel", "../python"),
    "run_settings.timeout_seconds": ("timeout_seconds", "60"),
    "run_settings.gpu": ("gpu", 1),
    "run_settings.retries": ("retries", 3),
    "run_settings.memroy": ("memroy", "1Gi"),
}


def test_every_fault_is_named_at_once_with_its_place():
    with pytest.raises(InvalidRequest) as caught:
        a_notebook().with_settings(dict(WRONG.values()))
    assert {fault.where for fault in caught.value.faults} == set(WRONG)


def test_only_the_five_can_be_chosen():
    every = set(type(a_notebook().run).model_fields)
    with pytest.raises(InvalidRequest) as caught:
        a_notebook().with_settings(dict.fromkeys(every, "x"))
    said = {fault.where.removeprefix("run_settings."): fault.message for fault in caught.value.faults}
    assert {name for name, message in said.items() if "only in the catalogue" in message} == every - set(CHOOSABLE)


@pytest.mark.parametrize("chosen", ["memory=4Gi", [], 3, True])
def test_what_is_no_object_is_refused(chosen):
    with pytest.raises(InvalidRequest, match="run_settings: must be an object"):
        a_notebook().with_settings(chosen)


def test_a_schedule_cannot_choose_settings_also_where_any_name_is_taken():
    for open_inputs in (True, False):
        schedule = {"cron": "@daily", "parameters": {"run_settings": {"memory": "64Gi"}}}
        with pytest.raises(ValueError, match="run_settings"):
            Notebook(id="nb", source="/nb.ipynb", open_inputs=open_inputs, schedule=schedule)


def test_texts_become_what_the_catalogue_reads():
    texts = {"memory": " 4Gi ", "timeout_seconds": "60", "cpu": "2", "image": "", "kernel": " "}
    assert settings_of_texts(texts) == {"memory": "4Gi", "timeout_seconds": 60, "cpu": "2"}
    assert settings_of_texts({"timeout_seconds": "an hour"}) == {"timeout_seconds": "an hour"}


@pytest.mark.parametrize(
    "chosen", [{"memory": "9" * 65}, {"cpu": "9" * 65}, {"cpu": "9" * 65 + "m"}, {"memory": "1." + "0" * 80}]
)
def test_an_amount_that_is_too_long_to_be_compared_is_refused_and_not_passed_on(chosen):
    with pytest.raises(InvalidRequest, match="must be an amount of"):
        with_chosen(RunSettings(), chosen)
