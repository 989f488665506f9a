import pytest
from databricks.sdk.service.compute import Results

from daybook.databricks.cell_errors import cell_error

FATAL = "Fatal error: The Python kernel is unresponsive."


@pytest.mark.parametrize(
    ("summary", "cause", "name", "value"),
    [
        ("<span class=\"ansi-red-fg\">KeyError</span>: 'a&lt;b'", "trace\nKeyError: 'a<b'", "KeyError", "'a<b'"),
        ("<span>pyspark.sql.utils.AnalysisException</span>: no table", None, "AnalysisException", "no table"),
        (None, "Traceback\n\x1b[31mValueError\x1b[0m: bad: worse", "ValueError", "bad: worse"),
        ('<span class="ansi-red-fg">AssertionError</span>', "Traceback\nAssertionError", "AssertionError", ""),
        (
            "Fatal error: The Python kernel is unresponsive.",
            "it went",
            "DatabricksError",
            "Fatal error: The Python kernel is unresponsive.",
        ),
        (None, None, "DatabricksError", "the command failed"),
        ("", "just words of several lines\nand no name", "DatabricksError", "and no name"),
    ],
)
def test_an_error_has_a_name_a_value_and_a_traceback(summary, cause, name, value):
    error = cell_error(Results(summary=summary, cause=cause))
    assert (error.name, error.value) == (name, value)
    assert error.traceback == (cause or "").splitlines() or cause is None


def test_a_traceback_keeps_its_colours():
    assert cell_error(Results(cause="\x1b[31mE\x1b[0m\nKeyError: 1")).traceback[0] == "\x1b[31mE\x1b[0m"
