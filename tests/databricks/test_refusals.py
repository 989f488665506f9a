import inspect

import pytest
import requests
from databricks.sdk import errors as sdk
from databricks.sdk.core import DatabricksError
from databricks.sdk.errors import platform

from daybook.databricks.errors import DatabricksFailed, DatabricksRefused
from daybook.databricks.refusals import FOREIGN, in_our_words, passing

SDK_ERRORS = [each for _, each in inspect.getmembers(platform, inspect.isclass) if issubclass(each, DatabricksError)]
LINE_ERRORS = [requests.ConnectionError, requests.Timeout, requests.exceptions.JSONDecodeError, TimeoutError, OSError]


def raised(kind):
    return kind("said", "doc", 0) if kind is requests.exceptions.JSONDecodeError else kind("said")


@pytest.mark.parametrize("kind", [*SDK_ERRORS, *LINE_ERRORS, ValueError])
def test_whatever_the_sdk_raises_is_told_in_our_words(kind):
    assert issubclass(kind, FOREIGN)
    error = in_our_words(raised(kind), "doing it", "https://w")
    assert isinstance(error, DatabricksFailed)
    assert str(error).startswith("doing it: ")
    assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (sdk.Unauthenticated, "401.*databricks auth login"),
        (sdk.PermissionDenied, "403.*Can Attach To"),
        (sdk.NotFound, "said"),
        (sdk.InvalidParameterValue, "said"),
    ],
)
def test_what_a_retry_does_not_mend_is_not_worth_one(kind, said):
    error = in_our_words(kind("said"), "doing it", "")
    assert isinstance(error, DatabricksRefused)
    assert not error.retry_helps
    with pytest.raises(DatabricksRefused, match=said):
        raise error


@pytest.mark.parametrize(
    "error",
    [
        sdk.InternalError("x"),
        sdk.TemporarilyUnavailable("x"),
        sdk.TooManyRequests("x"),
        requests.ConnectionError(),
        requests.exceptions.ChunkedEncodingError(),
        TimeoutError(),
    ],
)
def test_trouble_of_the_line_or_the_server_passes(error):
    assert passing(error)


@pytest.mark.parametrize("error", [sdk.Unauthenticated("x"), sdk.BadRequest("x"), sdk.NotFound("x"), ValueError("x")])
def test_a_refusal_does_not_pass(error):
    assert not passing(error)


def test_what_lies_behind_the_sdks_timeout_counts():
    error = TimeoutError("Timed out")
    error.__cause__ = sdk.Unauthenticated("x")
    assert not passing(error)
    assert isinstance(in_our_words(error, "doing it", ""), DatabricksRefused)


def test_the_sdks_list_of_settings_is_left_out():
    assert "token" not in str(in_our_words(sdk.BadRequest("bad. Config: host=h, token=***"), "doing", ""))
