"""What our code prints there, read here."""

import contextlib
import io

import pytest

from databricks.standin.cutting import cut
from daybook.databricks.remote_code import Kept, ask_code, read_answer


class Process:
    """A process that keeps so much."""

    def __init__(self, before, printed_before):
        self.token, self.before, self.printed_before = "the token", before, printed_before


@pytest.fixture
def said(monkeypatch):
    """What is answered where so much is kept."""
    import builtins

    def said(text, printed=None):
        kept = Process(text, len(text) if printed is None else printed)
        monkeypatch.setattr(builtins, "_daybook_kept", kept, raising=False)
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(ask_code(), {})
        return out.getvalue()

    return said


@pytest.mark.parametrize("text", ["", "a", "é\n" * 100_000, "x" * 1_000_000])
def test_what_fits_is_told_whole(said, text):
    assert read_answer(said(text)) == Kept("the token", text, 0)


def test_what_does_not_fit_is_told_from_its_end_within_what_every_runtime_lets_through(said):
    import secrets

    text = secrets.token_hex(100_000)
    answer = said(text, printed=300_000)
    assert cut(answer) == answer
    kept = read_answer(answer)
    assert text.endswith(kept.end)
    assert len(kept.end) > 40_000
    assert kept.left_out == 300_000 - len(kept.end)


def test_half_a_letter_is_no_stumbling_block(said):
    assert read_answer(said("\ud800")).end == "\\ud800"


def test_an_answer_that_is_cut_still_tells_which_process_it_is(said):
    import secrets

    assert read_answer(cut(said(secrets.token_hex(100_000)), 1000)) == Kept("the token")


def test_a_process_that_was_not_prepared_says_so():
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(ask_code(), {})
    assert read_answer(out.getvalue()) == Kept(None)


@pytest.mark.parametrize("text", ["", "no", "1", "[]", '{"end": ""}', "{" * 100_000])
def test_what_is_no_answer_is_none(text):
    assert read_answer(text) is None
