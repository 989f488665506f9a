from __future__ import annotations

import base64
import html
import json
from collections.abc import Callable, Sequence
from urllib.parse import quote, quote_plus

import nbformat
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from daybook.runner.disguises import disguises_of
from daybook.runner.known_secrets import Secret
from daybook.runner.redaction import Redactor

TOKEN = "dapi-7f3A9c/Qx+81ZkLm=="
AWKWARD = "pa\"ss'w\\ör&d <1>%\t✓\U0001f511"
KEY = (
    "-----BEGIN KEY-----\n"
    + "\n".join(f"MIIEvQ{i}BADANBgkqhkiG9w0BAQEFAASC+/Kg" for i in range(4))
    + "\n-----END KEY-----"
)
SECRETS = {"token": TOKEN, "awkward": AWKWARD, "key": KEY, "plain": "correcthorsebattery", "short": "Zq7%"}


def lower_escapes(text: str) -> str:
    first, *others = text.split("%")
    return first + "".join(f"%{each[:2].lower()}{each[2:]}" for each in others)


WAYS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "JSON": lambda secret: json.dumps(secret)[1:-1],
    "JSON, not only ASCII": lambda secret: json.dumps(secret, ensure_ascii=False)[1:-1],
    "JSON in JSON": lambda secret: json.dumps(json.dumps(secret))[3:-3],
    "JSON, not only ASCII, in JSON": lambda secret: json.dumps(json.dumps(secret, ensure_ascii=False))[3:-3],
    "JSON with escaped slashes": lambda secret: json.dumps(secret)[1:-1].replace("/", "\\/"),
    "repr": lambda secret: repr(secret)[1:-1],
    "repr within a text of both quotes": lambda secret: repr("'\"" + secret)[4:-1],
    "ascii": lambda secret: ascii(secret)[1:-1],
    "repr of bytes": lambda secret: repr(secret.encode())[2:-1],
    "URL": lambda secret: quote(secret, safe=""),
    "URL's path": quote,
    "form": quote_plus,
    "URL, lower case": lambda secret: lower_escapes(quote(secret, safe="")),
    "HTML": html.escape,
    "HTML text": lambda secret: html.escape(secret, quote=False),
    "HTML of JSON": lambda secret: html.escape(json.dumps(secret)[1:-1]),
    "HTML with numbered quotes": lambda secret: (
        html.escape(secret).replace("&quot;", "&#34;").replace("&#x27;", "&#39;")
    ),
    "hexadecimal": lambda secret: secret.encode().hex(),
    "hexadecimal, upper case": lambda secret: secret.encode().hex().upper(),
    "base64": lambda secret: base64.b64encode(secret.encode()).decode(),
    "base64 without padding": lambda secret: base64.b64encode(secret.encode()).decode().rstrip("="),
    "base64 for URLs": lambda secret: base64.urlsafe_b64encode(secret.encode()).decode(),
    "base64 in a URL": lambda secret: quote(base64.b64encode(secret.encode()).decode(), safe=""),
    "base64 of JSON": lambda secret: base64.b64encode(json.dumps(secret)[1:-1].encode()).decode(),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_is_found_however_it_is_written(name: str, way: str) -> None:
    shown = Redactor([SECRETS[name]]).text(f"before ({WAYS[way](SECRETS[name])}) after")

    assert shown == "before ([redacted]) after"


@pytest.mark.parametrize("before", ["", "u:", "user:", "admin:"])
@pytest.mark.parametrize("after", ["", "@", ":h", "/db"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_is_found_within_a_longer_text_in_base64(
    name: str, encode: Callable[[bytes], bytes], after: str, before: str
) -> None:
    encoded = encode(f"{before}{SECRETS[name]}{after}".encode()).decode()

    start, _, rest = Redactor([SECRETS[name]]).text(f"Basic {encoded}").partition("[redacted]")

    # A character that it shares with its neighbours may stay.
    assert len(start) <= len("Basic ") + -(-len(before) * 4 // 3)
    assert len(rest) <= -(-len(after) * 4 // 3) + 3


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\\n", "\\r\\n", "\\\\n"])
@pytest.mark.parametrize("width", [64, 76])
@pytest.mark.parametrize("before", range(0, 80, 7))
@pytest.mark.parametrize("name", ["token", "key"])
def test_a_secret_is_found_in_base64_that_was_broken_into_lines(
    name: str, before: int, width: int, ending: str
) -> None:
    encoded = base64.b64encode(b"x" * (50 + before) + SECRETS[name].encode() + b"y" * 30).decode()
    broken = ending.join(encoded[i : i + width] for i in range(0, len(encoded), width))

    shown = Redactor([SECRETS[name]]).text(f"'{broken}{ending}'")

    assert shown.count("[redacted]") == 1
    left = "".join(shown.replace("[redacted]", "").replace(ending, "").strip("'"))
    # All that is left is what base64 makes of the text around it, and at most one character at each end.
    assert len(left) <= -(-(50 + before + 30) * 4 // 3) + 4


def test_every_line_of_a_key_is_secret_on_its_own() -> None:
    line = KEY.splitlines()[2]

    assert Redactor([KEY]).text(f"  | {line}\n") == "  | [redacted]\n"
    assert Redactor([KEY]).text("-----BEGIN KEY-----") == "-----BEGIN KEY-----"


def test_secrets_that_overlap_are_covered_together() -> None:
    redactor = Redactor(["abcdef", "defghi", "cde_"])

    assert redactor.text("1abcdefghi2") == "1[redacted]2"


def test_a_secret_within_a_secret_hides_nothing_of_the_longer_one() -> None:
    redactor = Redactor(["horse", "correct horse battery"])

    assert redactor.text("my correct horse battery and a horse") == "my [redacted] and a [redacted]"


def test_a_secret_that_overlaps_itself_leaves_no_rest() -> None:
    assert Redactor(["abab"]).text("xababab") == "x[redacted]"


@pytest.mark.parametrize("secret", ["redacted", "[redacted]", "acted]"])
def test_the_mark_is_never_part_of_a_secret(secret: str) -> None:
    assert secret not in Redactor([secret]).text(f"it is {secret}!")


def test_short_secrets_are_named_and_left_alone() -> None:
    redactor = Redactor([Secret("DAYBOOK_SECRET_pin", "123", shortest=4), Secret("API_TOKEN", "true")])

    assert redactor.too_short == ("API_TOKEN", "DAYBOOK_SECRET_pin")
    assert not redactor
    assert redactor.text("true is 123") == "true is 123"


def test_without_secrets_everything_is_handed_through() -> None:
    redactor = Redactor()
    value = {"a": ["b", 1]}
    stream = redactor.stream()

    assert not redactor
    assert redactor.json(value) is value
    assert stream.feed("a text") + stream.flush() == "a text"


def test_a_text_without_secrets_is_handed_through_as_it_is() -> None:
    redactor = Redactor(SECRETS.values())
    text = "nothing to see, dapi-7f3A9c/Qx+81ZkL is too little of it\n" * 3

    assert redactor.text(text) is text


def test_a_notebook_is_redacted_in_all_its_parts_and_not_in_place() -> None:
    notebook = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_code_cell(
                f"connect('{TOKEN}')",
                outputs=[
                    nbformat.v4.new_output("stream", text=f"token: {TOKEN}\n"),
                    nbformat.v4.new_output("display_data", {"application/json": {TOKEN: [f"a {TOKEN}", 1]}}),
                    nbformat.v4.new_output("error", ename="E", evalue=TOKEN, traceback=["", TOKEN]),
                ],
            ),
            nbformat.v4.new_markdown_cell("innocent"),
        ]
    )

    redacted = Redactor([TOKEN]).json(notebook)

    assert TOKEN not in json.dumps(redacted)
    assert json.dumps(redacted).count("[redacted]") == 6
    assert isinstance(redacted, nbformat.NotebookNode)
    assert isinstance(redacted.cells[0].outputs[0], nbformat.NotebookNode)
    assert redacted.cells[1] is notebook.cells[1]
    assert notebook.cells[0].outputs[0].text == f"token: {TOKEN}\n"
    nbformat.validate(redacted)


def test_no_entry_of_an_object_is_lost_when_keys_become_the_same() -> None:
    redactor = Redactor(["secret-one", "secret-two"])

    assert redactor.json({"secret-one": 1, "secret-two": 2, "x": 3}) == {"[redacted]": 1, "[redacted] 2": 2, "x": 3}


def test_numbers_that_are_secrets_are_redacted() -> None:
    value = {"pin": 73519, "pins": (73519.5, True), "count": 7351}

    assert Redactor(["73519"]).json(value) == {"pin": "[redacted]", "pins": ("[redacted]", True), "count": 7351}


@pytest.mark.parametrize("text", ["a line\n", "two\nlines\n", "progress 10%\r", "the end.", "a ✓\n"])
def test_a_stream_passes_whole_what_cannot_be_the_beginning_of_a_secret(text: str) -> None:
    assert Redactor([TOKEN, "hunter22", KEY]).stream().feed(text) == text


def test_a_stream_holds_back_only_the_beginning_of_a_secret() -> None:
    stream = Redactor(["hunter22"]).stream()

    assert stream.feed("the password is hun") == "the password is "
    assert stream.feed("ger") == "hunger"
    assert stream.feed(" hunter") == " "
    assert stream.feed("22") == "[redacted]"
    assert stream.feed(" hunt") == " "
    assert stream.flush() == "hunt"


def test_a_stream_gives_a_mark_once_for_a_secret_that_goes_on() -> None:
    stream = Redactor(["aaaa"]).stream()

    assert [stream.feed("a") for _ in range(8)] == ["", "", "", "[redacted]", "", "", "", ""]
    assert stream.feed("b") + stream.flush() == "b"


def test_a_stream_begins_anew_after_it_was_flushed() -> None:
    stream = Redactor(["hunter22"]).stream()
    stream.feed("hunt")
    stream.flush()

    assert stream.feed("er22") == "er22"


def test_lines_of_one_stream_are_not_taken_for_lines_of_the_next() -> None:
    redactor = Redactor([TOKEN])
    encoded = base64.b64encode(TOKEN.encode()).decode()
    innocent = f"{encoded[:10]}\n{encoded[10:]}"
    stream = redactor.stream()
    stream.feed("z" * 50)
    stream.flush()

    assert redactor.text(innocent) == innocent
    assert stream.feed(innocent) + stream.flush() == innocent


def test_a_stream_holds_back_the_words_that_a_secret_may_begin_with() -> None:
    stream = Redactor(["correct horse battery"]).stream()

    assert stream.feed("it is correct horse\n") == "it is correct horse\n"
    assert stream.feed("it is correct horse b") == "it is "
    assert stream.feed("attery") == "[redacted]"


untimed = settings(deadline=None, max_examples=80)

SMALL = ["abab", "aaaa", "abcab", "bca\nb", "cc cc", "ca bb ac bc cb"]
LONG = base64.b64encode(b"z" * 47 + TOKEN.encode() + b"z" * 40).decode()


def pieces_of(secrets: Sequence[str]) -> st.SearchStrategy[str]:
    """Texts with much in them that is, or nearly is, a secret."""
    forms = sorted({form for secret in secrets for each in disguises_of(secret) for form in each.forms})
    cut = st.sampled_from(forms).flatmap(lambda form: st.integers(0, len(form)).map(lambda size: form[:size]))
    wrapped = st.sampled_from([base64.encodebytes(b"z" * i + TOKEN.encode() * 3).decode() for i in range(57)])
    return st.lists(
        st.one_of(
            st.sampled_from(forms),
            cut,
            wrapped,
            wrapped.map(lambda text: repr(text)[1:-1]),
            st.text("abc \n\\r", max_size=6),
        ),
        max_size=8,
    ).map("".join)


def expected(secrets: Sequence[str], text: str) -> str:
    """What is to come out, found by looking at every place for every form; only for texts without broken lines."""
    covered = [0] * len(
        text
    )  # for each character 1 where an occurrence covers it, 2 where it also covers the one before
    for form in {form for secret in secrets for each in disguises_of(secret) for form in each.forms}:
        for at in range(len(text)):
            if text.startswith(form, at):
                for place in range(at, at + len(form)):
                    covered[place] = max(covered[place], 1 + (place > at))
    return "".join(
        character if not cover else "[redacted]" if cover == 1 else ""
        for character, cover in zip(text, covered, strict=True)
    )


@untimed
@given(st.text("abc \n", max_size=30))
def test_exactly_the_places_that_belong_to_secrets_are_replaced(text: str) -> None:
    assert Redactor(SMALL).text(text) == expected(SMALL, text)


@untimed
@given(pieces_of([*SMALL, TOKEN, AWKWARD]), st.lists(st.integers(0, 400)))
@example("aaa" * 5, [1, 2, 3, 4, 5])
@example("z" * 60 + "\n" + TOKEN, [60, 61, 63])
def test_a_stream_gives_what_the_whole_text_gives_however_it_is_cut(text: str, cuts: list[int]) -> None:
    redactor = Redactor([*SMALL, TOKEN, AWKWARD])
    whole = redactor.text(text)
    stream = redactor.stream()
    shown = ""
    for begin, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(text)], strict=True):
        shown += stream.feed(text[begin:end])
        assert whole.startswith(shown)

    assert shown + stream.flush() == whole


@untimed
@given(pieces_of(SMALL), st.integers(0, 60))
def test_a_stream_holds_back_no_more_than_the_beginning_of_a_form(text: str, cut: int) -> None:
    forms = {form for secret in SMALL for each in disguises_of(secret) for form in each.forms}
    stream = Redactor(SMALL).stream()
    stream.feed(text[:cut])

    rest = stream.flush()

    held = text[:cut][len(text[:cut]) - len(rest) :] if "[redacted]" not in rest else None
    assert rest == "" or held is None or any(form.startswith(held) for form in forms)


@untimed
@given(pieces_of([*SMALL, TOKEN]))
def test_redacting_again_changes_nothing(text: str) -> None:
    redactor = Redactor([*SMALL, TOKEN])
    once = redactor.text(text)

    assert redactor.text(once) is once


@untimed
@given(st.text(min_size=4, max_size=40), st.text(max_size=10), st.text(max_size=10), st.sampled_from(sorted(WAYS)))
def test_any_secret_is_found_however_it_is_written(secret: str, before: str, after: str, way: str) -> None:
    redactor = Redactor([secret])
    try:
        written = WAYS[way](secret.strip())
    except UnicodeEncodeError:  # half a surrogate pair: there is no such form of it
        return

    if redactor and len(written) > 3:
        assert written not in redactor.text(f"{before}{written}{after}").replace(redactor.mark, "\0")


@untimed
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_a_value_without_secrets_is_handed_through_as_it_is(value: object) -> None:
    assert Redactor([TOKEN, "0123456789012345678901234567890"]).json(value) is value
