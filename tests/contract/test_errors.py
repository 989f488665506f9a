"""The error tree that is drawn is the error tree that is there."""

import re

import pytest

from daybook.contract import errors
from daybook.contract.errors import (
    DaybookError,
    ExitCode,
    Fault,
    Faulty,
    InfrastructureFailed,
    InvalidRequest,
    InvalidSettings,
    NotAllowed,
)
from daybook.storage import ObjectChanged, ObjectMissing, ObjectTooLarge, StaleAttempt, StoreRefused, UnreadableManifest

STORAGE = (ObjectChanged, ObjectMissing, ObjectTooLarge, StaleAttempt, StoreRefused, UnreadableManifest)
CLASSES = {each.__name__: each for each in (*vars(errors).values(), *STORAGE) if isinstance(each, type)}
LINE = re.compile(
    r"^ {4}(?P<branch>[ │├└─]*)(?P<name>\w+) +(?P<actor>\w+) +(?P<retry>(?:no )?retry) +exit (?P<exit>\d+) "
)


def drawn():
    """(name, parent's name, actor, whether a retry helps, exit code) of each line of the drawing."""
    parents = {-1: "DaybookError"}
    for line in (errors.__doc__ or "").splitlines():
        if found := LINE.match(line):
            depth = len(found["branch"]) // 4 - 1
            parents[depth] = found["name"]
            yield found["name"], parents[depth - 1], found["actor"], found["retry"] == "retry", int(found["exit"])


@pytest.mark.parametrize(("name", "parent", "actor", "retry_helps", "exit_code"), list(drawn()))
def test_a_class_is_as_it_is_drawn(name, parent, actor, retry_helps, exit_code):
    drawn_class = CLASSES[name]
    assert drawn_class.__bases__ == (CLASSES[parent],)
    assert (drawn_class.actor, drawn_class.retry_helps, drawn_class.exit_code) == (actor, retry_helps, exit_code)


def test_every_class_is_drawn():
    there = {name for name, each in CLASSES.items() if issubclass(each, DaybookError)}
    assert {line[0] for line in drawn()} == there - {"DaybookError"}


def test_what_an_operator_wrote_is_never_taken_for_the_users_fault():
    assert not issubclass(InvalidSettings, InvalidRequest)


def test_a_retry_helps_only_where_the_world_failed():
    helped = {each for each in CLASSES.values() if issubclass(each, DaybookError) and each.retry_helps}
    assert all(issubclass(each, InfrastructureFailed) for each in helped)


def test_exit_codes_are_the_documented_numbers():
    assert {code.name: int(code) for code in ExitCode} == {
        "SUCCEEDED": 0,
        "NOTEBOOK_FAILED": 1,
        "INVALID_REQUEST": 2,
        "INFRASTRUCTURE_FAILED": 3,
        "INTERRUPTED": 143,
    }


@pytest.mark.parametrize(
    ("faults", "text"),
    [
        ([], "cannot run"),
        ([Fault("bbox", "is empty")], "cannot run: bbox: is empty"),
        ([Fault("", "is empty")], "cannot run: is empty"),
        ([Fault("a", "x"), Fault("b", "y")], "cannot run:\n  - a: x\n  - b: y"),
    ],
)
@pytest.mark.parametrize("kind", [InvalidRequest, NotAllowed, InvalidSettings])
def test_the_text_names_every_fault(kind, faults, text):
    error = kind("cannot run", faults)
    assert isinstance(error, Faulty)
    assert str(error) == text
    assert error.faults == tuple(faults)


def test_faults_may_come_from_a_generator():
    assert len(InvalidRequest("no", (Fault(name, "x") for name in "ab")).faults) == 2
