"""Keeps secrets out of the record: finds them in whatever form they turn up, and puts a mark in their place.

    redactor = Redactor(secrets_of(environment))
    redactor.text(message)          # one text that is there as a whole
    redactor.json(notebook)         # every text of a notebook or other JSON value
    stream = redactor.stream()      # one stream of a cell, which comes in pieces
    shown = stream.feed(piece)
    ...
    shown = stream.flush()

What covers a secret is found wherever it begins and however much of it overlaps with another: all places are covered
that are part of any form of any secret, so the result depends neither on an order nor on how a stream was cut.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from daybook.contract.repeating import MARKS
from daybook.runner.disguises import disguises_of
from daybook.runner.known_secrets import SHORTEST_INPUT, Secret, secrets_of

__all__ = ["Redactor", "Secret", "StreamRedactor", "secrets_of"]

_MARKS = (*MARKS, "[]")
"""What stands in place of a secret: nothing that JSON, HTML or a URL's path would escape. The first that is not itself
(part of) a secret is taken."""
_HEAD = 8
"""Beginnings of forms are looked for by so many characters; shorter ones can only be at a text's very end."""
_SPACES = " \n"
_SPACE = re.compile(f"[{_SPACES}]")
_LINE = 60
"""Fewest characters of a line of base64 that was broken because it was full: 64 and 76 are usual."""
_BASE64 = "[A-Za-z0-9+/_-]"
_FULL_LINE = re.compile(f"{_BASE64}{{{_LINE}}}")
_ENDS_FULL_LINE = re.compile(rf"\n(?<={_BASE64}{{{_LINE - 1}}}[A-Za-z0-9+/_\r-]\n)")
_ENDS_FULL_LINE_ESCAPED = re.compile(rf"\\[nr\\](?<={_BASE64}{{{_LINE}}}\\[nr\\])")
_OPEN_BREAK = re.compile(r"\r\Z|\\{1,4}(?:r\\{0,4})?\Z")
_BREAK = re.compile(rf"\r?\n|(?:\\{{1,4}}r)?\\{{1,4}}n|{_OPEN_BREAK.pattern}")
"""A line's end, plain or escaped; at the text's end also what can become one."""
_LONGEST_BREAK = 10

Span = tuple[int, int]


class Redactor:
    """Replaces secrets in texts. Threads may share it.

    Attributes:
        mark: what stands in a secret's place.
        too_short: names of the variables whose secrets are too short to be kept out; a person should be told.
    """

    def __init__(
        self, secrets: Iterable[Secret | str] = (), renewed: Callable[[], Iterable[Secret]] = lambda: ()
    ) -> None:
        """Takes secrets as `secrets_of` finds them, or bare values, which are treated like secret inputs.

        Args:
            secrets: what is known from the start.
            renewed: what has become secret since it was last asked; asked before each look, so it must be quick.
        """
        self._known = tuple(secrets)
        self._renewed = renewed
        self._learn(self._known)

    def _learn(self, secrets: Iterable[Secret | str]) -> None:
        # Nothing is ever unlearnt; so another thread that looks meanwhile misses at most what is new.
        known = [each if isinstance(each, Secret) else Secret("", each.strip(), SHORTEST_INPUT) for each in secrets]
        values = sorted({each.value for each in known if each.can_be_kept_out})
        disguises = [each for value in values for each in disguises_of(value)]
        self.too_short = tuple(sorted({each.name for each in known if each.name and not each.can_be_kept_out}))
        self._looked_for = [(anchor, each) for each in disguises for anchor in each.anchors]
        self._wrapping = [(anchor, each) for anchor, each in self._looked_for if each.wraps]
        self._forms = frozenset(form for each in disguises for form in each.forms)
        self._shortest = min(map(len, self._forms), default=0)
        self._in_numbers = any(re.fullmatch(r"[0-9.e+-]+", value) for value in values)
        self.mark = next(mark for mark in _MARKS if not any(form in mark for form in self._forms))
        self._beginnings = _Beginnings(self._forms)

    def _ask(self) -> None:
        new = tuple(self._renewed())
        if new:
            self._known += new
            self._learn(self._known)

    def __bool__(self) -> bool:
        """Whether there is anything to look for."""
        return bool(self._forms)

    def text(self, text: str) -> str:
        """The text with a mark in place of every secret; the very same object where there is none."""
        spans = self.find(text)
        return "".join(_marked(text, spans, self.mark)) if spans else text

    def json(self, value: Any) -> Any:
        """A JSON value (or notebook) with every text and key of it redacted, and numbers that are secrets.

        Nothing is changed in place: what holds a secret is copied, what holds none is returned as it is. For a
        document that was serialised already use this before, not `text` after: a secret that is also a JSON word
        would break the document.
        """
        if not self:
            return value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return self._object(value)
        if isinstance(value, list | tuple):
            parts = [self.json(each) for each in value]
            return type(value)(parts) if any(a is not b for a, b in zip(parts, value, strict=True)) else value
        if self._in_numbers and isinstance(value, int | float) and not isinstance(value, bool):
            return self.mark if self.find(repr(value)) else value
        return value

    def _object(self, value: dict[Any, Any]) -> dict[Any, Any]:
        parts: dict[Any, Any] = {}
        changed = False
        for key, each in value.items():
            shown, part = self.json(key), self.json(each)
            changed = changed or shown is not key or part is not each
            parts[_unused(shown, parts)] = part
        return type(value)(parts) if changed else value

    def stream(self) -> StreamRedactor:
        """A redactor for one stream of text that comes in pieces."""
        return StreamRedactor(self)

    def find(self, text: str) -> list[Span]:
        """Where secrets are: in order; those that overlap are one."""
        return _merged(self.occurrences(text))

    def occurrences(self, text: str) -> list[Span]:
        """Where forms of secrets are, in no order, each as it is."""
        self._ask()
        spans: list[Span] = []
        if len(text) < self._shortest:
            return spans
        for anchor, disguise in self._looked_for:
            if anchor in text:
                spans.extend(_occurrences(text, disguise.forms))
        if self._wrapping and _has_full_line(text):
            spans.extend(self._wrapped(text))
        return spans

    def _wrapped(self, text: str) -> Iterator[Span]:
        """Where secrets are in base64 that was broken into lines."""
        unwrapped = _Unwrapped(text)
        for anchor, disguise in self._wrapping:
            if anchor in unwrapped.text:
                for begin, end in _occurrences(unwrapped.text, disguise.forms):
                    yield unwrapped.place(begin), unwrapped.place(end - 1) + 1

    def undecided(self, text: str) -> int:
        """Where the longest end of the text begins that may be the beginning of a secret; its length if none."""
        self._ask()
        tail = text[-self._beginnings.reach :]
        found = self._beginnings.last(tail)
        if self._wrapping and (_has_full_line(tail) or _OPEN_BREAK.search(tail)):
            unwrapped = _Unwrapped(tail)
            open_at = self._beginnings.last(unwrapped.text)
            found = min(found, unwrapped.place(open_at) if open_at < len(unwrapped.text) else len(tail))
        return len(text) - len(tail) + found


class StreamRedactor:
    """Redacts a text that comes in pieces. What it gives is, put together, what `Redactor.text` gives for the whole.

    Only what may be the beginning of a secret is held back; that is seldom anything at a line's end. Not for use by
    several threads at once.
    """

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._begin()

    def _begin(self) -> None:
        self._before = ""  # the end of what was dealt with, as it came: lines are judged by it
        self._held = ""
        self._covered = 0  # how much of what is held belongs to a secret whose mark was given already

    def feed(self, text: str) -> str:
        """Takes the next piece; gives what can be shown by now."""
        if not self._redactor or not text:
            return text
        whole = self._before + self._held + text
        return self._give(whole, max(len(self._before), self._redactor.undecided(whole)))

    def flush(self) -> str:
        """The rest, at the stream's end. The next piece begins a new stream."""
        whole = self._before + self._held
        shown = self._give(whole, len(whole))
        self._begin()
        return shown

    def _give(self, whole: str, end: int) -> str:
        """Deals with the text up to `end`."""
        begin = len(self._before)
        if end == begin:
            self._held = whole[end:]
            return ""
        found = [span for span in self._redactor.occurrences(whole) if span[0] >= begin]
        if self._covered:
            found.append((begin, begin + self._covered))
        found = _merged(found)
        spans = [(start, min(stop, end)) for start, stop in found if start < end]
        marks = list(_marked(whole[begin:end], [(a - begin, b - begin) for a, b in spans], self._redactor.mark))
        if self._covered:
            marks[1] = ""  # given with the piece before
        reached = max((stop for start, stop in found if start < end), default=end)
        self._covered = max(0, reached - end)
        self._before, self._held = whole[max(0, end - _LINE) : end], whole[end:]
        return "".join(marks)


class _Beginnings:
    """Tells where a text ends with the beginning of one of many forms."""

    def __init__(self, forms: frozenset[str]) -> None:
        # Forms without space in them can only have begun in a text's last word: few heads are to be looked for far.
        self._in_words = _heads(form for form in forms if not _SPACE.search(form))
        self._across_words = _heads(form for form in forms if _SPACE.search(form))
        self._short = {form[:size] for form in forms for size in range(1, min(_HEAD, len(form)))}
        longest = max(map(len, forms), default=0)
        self.reach = longest + (longest // _LINE + 1) * _LONGEST_BREAK + _LINE
        """How many of the last characters of a text matter."""

    def last(self, text: str) -> int:
        """Where the longest end of the text begins that a form begins with; the text's length if there is none."""
        word = max(map(text.rfind, _SPACES)) + 1
        found = min(_earliest(text, self._across_words, 0), _earliest(text, self._in_words, word))
        if found < len(text):
            return found
        ends = (text[-size:] for size in range(min(_HEAD - 1, len(text)), 0, -1))
        return len(text) - next((len(end) for end in ends if end in self._short), 0)


def _heads(forms: Iterable[str]) -> dict[str, list[str]]:
    heads: dict[str, list[str]] = {}
    for form in forms:
        if len(form) > _HEAD:
            heads.setdefault(form[:_HEAD], []).append(form)
    return heads


def _earliest(text: str, heads: dict[str, list[str]], begin: int) -> int:
    """Where the text, from a place on, first ends with the beginning of a form; its length if nowhere."""
    found = len(text)
    if found - begin < _HEAD:
        return found
    for head, forms in heads.items():
        at = text.find(head, begin)
        while 0 <= at < found:
            if any(len(form) > len(text) - at and form.startswith(text[at:]) for form in forms):
                found = at
            at = text.find(head, at + 1)
    return found


class _Unwrapped:
    """A text without the breaks after full lines of base64, and how its places translate."""

    def __init__(self, text: str) -> None:
        parts: list[str] = []
        self._begins = [0]
        self._skipped = [0]
        at = length = 0
        for match in _BREAK.finditer(text):
            begin, end = match.span()
            if _FULL_LINE.fullmatch(text, begin - _LINE, begin):
                parts.append(text[at:begin])
                length += begin - at
                self._begins.append(length)
                self._skipped.append(end - length)
                at = end
        self.text = "".join([*parts, text[at:]]) if parts else text

    def place(self, index: int) -> int:
        """Where a character of `text` is in the text as it was."""
        return index + self._skipped[bisect_right(self._begins, index) - 1]


def _has_full_line(text: str) -> bool:
    return bool(_ENDS_FULL_LINE.search(text) or ("\\" in text and _ENDS_FULL_LINE_ESCAPED.search(text)))


def _occurrences(text: str, forms: Iterable[str]) -> Iterator[Span]:
    for form in forms:
        at = text.find(form)
        while at >= 0:
            yield at, at + len(form)
            at = text.find(form, at + 1)


def _merged(spans: Iterable[Span]) -> list[Span]:
    merged: list[Span] = []
    for begin, end in sorted(spans):
        if merged and begin < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((begin, end))
    return merged


def _marked(text: str, spans: Iterable[Span], mark: str) -> Iterator[str]:
    at = 0
    for begin, end in spans:
        yield text[at:begin]
        yield mark
        at = end
    yield text[at:]


def _unused(key: Any, taken: dict[Any, Any]) -> Any:
    """The key, numbered where another key became the same text."""
    number, unused = 1, key
    while unused in taken:
        number += 1
        unused = f"{key} {number}"
    return unused
