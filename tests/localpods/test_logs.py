"""The log file: what is written comes back exactly, whole or in part."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daybook.localpods.clock import nano_time, nanoseconds_of
from daybook.localpods.handle import Pulse
from daybook.localpods.limits import MAX_LOG_LINE_BYTES
from daybook.localpods.logs import LogQuery, LogReader, LogWriter
from daybook.localpods.reading import _follow


def read(path: Path, query: LogQuery) -> bytes:
    with LogReader(path, query) as reader:
        parts = []
        while part := reader.read():
            parts.append(part)
    return b"".join(parts)


def write(path: Path, *chunks: bytes) -> Path:
    writer = LogWriter(path)
    for chunk in chunks:
        writer.feed(chunk)
    writer.close()
    return path


def stamped(path: Path) -> list[tuple[int, bytes]]:
    lines = read(path, LogQuery(timestamps=True)).splitlines(keepends=True)
    return [(nanoseconds_of(line[:30].decode()), line[31:]) for line in lines]


OUTPUT = st.lists(st.binary(max_size=40) | st.sampled_from([b"\n", b"\n\n", b"a\n", b"x" * 20_000]), max_size=12)


@settings(max_examples=60, deadline=None)
@given(chunks=OUTPUT)
def test_what_was_written_comes_back_byte_for_byte(
    chunks: list[bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = write(tmp_path_factory.mktemp("log") / "log", *chunks)
    assert read(path, LogQuery()) == b"".join(chunks)


@settings(max_examples=60, deadline=None)
@given(lines=st.lists(st.sampled_from([b"", b"a", b"some text"]), min_size=1, max_size=30), data=st.data())
def test_every_time_is_a_place_to_go_on_from(
    lines: list[bytes], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = write(tmp_path_factory.mktemp("log") / "log", *(line + b"\n" for line in lines))
    entries = stamped(path)
    assert [text for _, text in entries] == [line + b"\n" for line in lines]
    times = [when for when, _ in entries]
    assert times == sorted(set(times))
    at = data.draw(st.integers(0, len(entries) - 1))
    shift = data.draw(st.sampled_from([-1, 0, 1]))
    expected = b"".join(text for when, text in entries if when >= times[at] + shift)
    assert read(path, LogQuery(since_ns=times[at] + shift)) == expected
    tail = data.draw(st.integers(0, len(lines) + 1))
    assert read(path, LogQuery(tail_lines=tail)) == b"".join(text for _, text in entries[max(0, len(entries) - tail) :])
    limit = data.draw(st.integers(1, 60))
    assert read(path, LogQuery(limit_bytes=limit)) == b"".join(text for _, text in entries)[:limit]


def test_tail_and_since_together_give_what_both_allow(tmp_path: Path) -> None:
    path = write(tmp_path / "log", b"a\nb\nc\nd\n")
    times = [when for when, _ in stamped(path)]
    assert read(path, LogQuery(tail_lines=3, since_ns=times[2])) == b"c\nd\n"
    assert read(path, LogQuery(tail_lines=1, since_ns=times[2])) == b"d\n"


def test_a_long_line_is_one_line_with_one_time(tmp_path: Path) -> None:
    long = b"y" * (3 * MAX_LOG_LINE_BYTES + 5)
    path = write(tmp_path / "log", long[:100], long[100:] + b"\nnext\n")
    assert [text for _, text in stamped(path)] == [long + b"\n", b"next\n"]


def test_a_reader_sees_what_comes_later_and_never_half_an_entry(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path / "log")
    writer.feed(b"one\ntw")
    with LogReader(tmp_path / "log", LogQuery()) as reader:
        assert reader.read() == b"one\n"
        assert reader.read() == b""
        writer.feed(b"o\n")
        assert reader.read() == b"two\n"
        torn = f"{nano_time(1)} F half".encode()
        with (tmp_path / "log").open("ab") as file:
            file.write(torn)
        assert reader.read() == b""
        with (tmp_path / "log").open("ab") as file:
            file.write(b" and half\n")
        assert reader.read() == b"half and half\n"
    writer.close()
    writer.close()


@pytest.mark.anyio
async def test_a_follower_misses_nothing_that_is_written_between_its_look_and_its_wait() -> None:
    pulse = Pulse()
    answers = [b"first", b"", b"second", b""]

    class Growing:
        """A log that grows just after it was found to have no more."""

        full = False

        def __enter__(self) -> Growing:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def read(self) -> bytes:
            answer = answers.pop(0)
            if not answer and answers:
                pulse.beat()
            return answer

    stream = _follow(Growing(), lambda: pulse if answers else None, asyncio.Event())  # type: ignore[arg-type]
    assert [await asyncio.wait_for(anext(stream), 2) for _ in range(2)] == [b"first", b"second"]
    await stream.aclose()


def test_a_log_that_reaches_its_limit_says_so_and_stops(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path / "log", max_bytes=200)
    for number in range(100):
        writer.feed(b"line %d\n" % number)
    writer.close()
    lines = read(tmp_path / "log", LogQuery()).decode().splitlines()
    assert lines[0] == "line 0"
    assert lines[-1].startswith("[localpods: the log has reached its limit")
    assert sum("limit" in line for line in lines) == 1
    assert writer.tail().endswith("line 99\n")


def test_the_tail_is_at_most_eighty_lines_of_two_kilobytes() -> None:
    writer = LogWriter(Path("/dev/null"))
    writer.feed(b"".join(b"%d\n" % number for number in range(1000)))
    assert writer.tail().splitlines() == [str(number) for number in range(920, 1000)]
    writer.feed(b"z" * 5000)
    assert writer.tail() == "z" * 2048
    writer.close()


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:01.5Z", 1_500_000_000),
        ("1970-01-01T01:00:00.000000001+01:00", 1),
        ("2026-11-23T00:00:00.123456789Z", 1_795_392_000_123_456_789),
    ],
)
def test_times_are_read_to_the_nanosecond(text: str, nanoseconds: int) -> None:
    assert nanoseconds_of(text) == nanoseconds
    assert nanoseconds_of(nano_time(nanoseconds)) == nanoseconds
    assert len(nano_time(nanoseconds)) == 30


@pytest.mark.parametrize(
    "text", ["", "now", "2026-11-23", "2026-11-23T00:00:00", "2026-13-23T00:00:00Z", "2026-11-23T00:00:00.Z"]
)
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        nanoseconds_of(text)
