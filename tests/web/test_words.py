"""Numbers, moments and values as people read them."""

import pytest

from daybook.web.words import (
    bytes_for_people,
    duration_for_people,
    name_for_people,
    paragraphs_for_people,
    value_for_people,
    when_for_people,
)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("", ""),
        ("origin", "origin"),
        ("worst_carrier_delayed_share", "worst_<wbr>carrier_<wbr>delayed_<wbr>share"),
        ("plots/by_hour.png", "plots/<wbr>by_<wbr>hour.<wbr>png"),
        ("__x__", "__<wbr>x__"),
        ("<b>_&", "&lt;b&gt;_<wbr>&amp;"),
        ("a/<script>", "a/<wbr>&lt;script&gt;"),
    ],
)
def test_names_break_between_their_words_and_are_escaped(name, text):
    assert name_for_people(name) == text


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (1_234_567, "1.2 MB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (5_000_000_000, "5.0 GB"),
        (7_000_000_000_000_000, "7000.0 TB"),
    ],
)
def test_sizes(size, words):
    assert bytes_for_people(size) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, ""),
        (0.0, "0.0 s"),
        (12.34, "12.3 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 0 s"),
        (75.3, "1 min 15 s"),
        (3599.7, "1 h 0 min"),
        (90000, "25 h 0 min"),
    ],
)
def test_durations(seconds, words):
    assert duration_for_people(seconds) == words


@pytest.mark.parametrize(
    ("moment", "words"),
    [
        (None, ""),
        ("2026-11-23T01:02:03.456789+00:00", "2026-11-23 01:02:03 UTC"),
        ("2026-11-23T02:02:03+01:00", "2026-11-23 01:02:03 UTC"),
        ("2026-11-23T01:02:03Z", "2026-11-23 01:02:03 UTC"),
        ("2026-11-23T01:02:03", "2026-11-23 01:02:03 UTC"),
        ("yesterday", "yesterday"),
    ],
)
def test_moments(moment, words):
    assert when_for_people(moment) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [("a\nb", "a\nb"), ("", ""), (True, "true"), (None, "null"), (1.0, "1.0"), ([], "[]"), ({"é": "<"}, '{"é": "<"}')],
)
def test_values(value, words):
    assert value_for_people(value) == words


@pytest.mark.parametrize(
    ("markdown", "paragraphs"),
    [
        ("", []),
        ("one line\nthat goes on\n\nanother\n", ["one line that goes on", "another"]),
        ("the package\r\n`x` carries\r\n \r\nmore", ["the package `x` carries", "more"]),
        ("these:\n- one\n- two\n1. three", ["these:\n- one\n- two\n1. three"]),
        ("# Title\n| a | b |\n| - | - |", ["# Title\n| a | b |\n| - | - |"]),
        ("ends here  \nand begins", ["ends here  \nand begins"]),
        ("    code\n    more", ["    code\n    more"]),
        ("in\n2013 it was", ["in 2013 it was"]),
    ],
)
def test_lines_of_markdown_break_where_they_mean_it(markdown, paragraphs):
    assert paragraphs_for_people(markdown) == paragraphs
