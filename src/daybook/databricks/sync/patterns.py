"""Patterns of `.gitignore`, as git itself reads them (gitignore(5), git's `wildmatch`).

Bytes throughout, as in git: `?` is one byte, and names need not be text. Own code, because `pathspec` differs from
git where it matters here; `docs/decisions/0027-databricks-sync.md` says how.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_NAMED_SETS = {
    b"alnum": rb"0-9A-Za-z",
    b"alpha": rb"A-Za-z",
    b"blank": rb" \t",
    b"cntrl": rb"\x00-\x1f\x7f",
    b"digit": rb"0-9",
    b"graph": rb"!-~",
    b"lower": rb"a-z",
    b"print": rb" -~",
    b"punct": rb"!-/:-@\[-`{-~",
    b"space": rb"\t-\r ",
    b"upper": rb"A-Z",
    b"xdigit": rb"0-9A-Fa-f",
}


class _MatchesNothing(Exception):
    """The pattern is malformed: git lets it match nothing."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """One line.

    Attributes:
        expression: what a name, or a path relative to the patterns' folder, must match whole.
        by_name: whether it holds for names at any depth; else for paths.
        folders_only: whether it holds for folders alone.
        negated: whether it takes back what an earlier one said.
    """

    expression: re.Pattern[bytes]
    by_name: bool
    folders_only: bool
    negated: bool


class Patterns:
    """The lines of one file, or of one setting: the last one that matches decides."""

    def __init__(self, content: bytes) -> None:
        lines = content.removeprefix(b"\xef\xbb\xbf").split(b"\n")
        found = [pattern for line in lines if (pattern := _parsed(line)) is not None]
        self._last_first = found[::-1]
        # Most paths match no pattern at all: two expressions tell so at once.
        self._any_name = _any_of([each for each in found if each.by_name])
        self._any_path = _any_of([each for each in found if not each.by_name])

    def __bool__(self) -> bool:
        return bool(self._last_first)

    def verdict(self, path: bytes, name: bytes, is_folder: bool) -> bool | None:
        """Whether it is ignored; None if no line speaks of it.

        Args:
            path: relative to the folder of the patterns.
            name: the last part of the path.
            is_folder: whether it is one itself; a link to a folder is none.
        """
        by_name = self._any_name is not None and self._any_name.fullmatch(name)
        by_path = self._any_path is not None and self._any_path.fullmatch(path)
        if not (by_name or by_path):
            return None
        for pattern in self._last_first:
            if pattern.folders_only and not is_folder:
                continue
            if pattern.expression.fullmatch(name if pattern.by_name else path):
                return not pattern.negated
        return None


def _any_of(patterns: list[Pattern]) -> re.Pattern[bytes] | None:
    sources = [b"(?:" + each.expression.pattern + b")" for each in patterns]
    return re.compile(b"|".join(sources), re.DOTALL) if sources else None


def _parsed(line: bytes) -> Pattern | None:
    if line.startswith(b"#"):
        return None
    text = _without_trailing_spaces(line.removesuffix(b"\r").split(b"\0")[0])
    negated = text.startswith(b"!")
    text = text.removeprefix(b"!")
    folders_only = text.endswith(b"/")
    text = text.removesuffix(b"/")
    by_name = b"/" not in text
    try:
        expression = re.compile(_translated(text.removeprefix(b"/")), re.DOTALL)
    except _MatchesNothing:
        return None
    return Pattern(expression, by_name, folders_only, negated)


def _without_trailing_spaces(line: bytes) -> bytes:
    """A space at the end counts only behind a backslash."""
    end = position = 0
    while position < len(line):
        if line[position : position + 1] == b"\\":
            position += 1
            if position == len(line):
                return line
            end = position + 1
        elif line[position : position + 1] != b" ":
            end = position + 1
        position += 1
    return line[:end]


def _translated(glob: bytes) -> bytes:
    parts: list[bytes] = []
    position = 0
    while position < len(glob):
        sign = glob[position : position + 1]
        if sign == b"*":
            part, position = _stars(glob, position)
        elif sign == b"?":
            part, position = b"[^/]", position + 1
        elif sign == b"[":
            part, position = _set(glob, position + 1)
        else:
            byte, position = _literal(glob, position)
            part = re.escape(byte)
        parts.append(part)
    return b"".join(parts)


def _literal(glob: bytes, position: int) -> tuple[bytes, int]:
    """A byte, or what stands behind a backslash, and where to go on."""
    if glob[position : position + 1] == b"\\":
        position += 1
    if position >= len(glob):
        raise _MatchesNothing
    return glob[position : position + 1], position + 1


def _stars(glob: bytes, begin: int) -> tuple[bytes, int]:
    end = begin
    while glob[end : end + 1] == b"*":
        end += 1
    opens = begin == 0 or glob[begin - 1 : begin] == b"/"
    closes = end == len(glob) or glob[end : end + 1] == b"/" or glob[end : end + 2] == b"\\/"
    if end - begin < 2 or not (opens and closes):
        return b"[^/]*", end
    if glob[end : end + 1] == b"/":
        return b"(?:.*/)?", end + 1
    return b".*", end


def _set(glob: bytes, position: int) -> tuple[bytes, int]:
    """What stands between brackets, as a set that never takes a slash, and where to go on."""
    negated = glob[position : position + 1] in (b"!", b"^")
    if negated:
        position += 1
    members: list[bytes] = []
    first = True
    while first or glob[position : position + 1] != b"]":
        first = False
        member, position = _member(glob, position)
        members.append(member)
    inside = b"".join(members)
    if negated:
        return b"[^/" + inside + b"]", position + 1
    return (b"(?!/)[" + inside + b"]" if inside else b"(?!)"), position + 1


def _member(glob: bytes, position: int) -> tuple[bytes, int]:
    """One byte, range or named set."""
    if position >= len(glob):
        raise _MatchesNothing
    if glob[position : position + 2] == b"[:":
        return _named_set(glob, position)
    low, position = _literal(glob, position)
    following = glob[position : position + 2]
    if following[:1] != b"-" or following[1:] in (b"]", b""):
        return _in_set(low), position
    high, position = _literal(glob, position + 1)
    # The lower end counts by itself: git takes `[b-a]` for `[b]`.
    return (_in_set(low) + b"-" + _in_set(high) if low <= high else _in_set(low)), position


def _named_set(glob: bytes, position: int) -> tuple[bytes, int]:
    end = glob.find(b"]", position + 2)
    if end < 0:
        raise _MatchesNothing
    if end == position + 2 or glob[end - 1 : end] != b":":
        return _in_set(b"["), position + 1
    name = glob[position + 2 : end - 1]
    if name not in _NAMED_SETS:
        raise _MatchesNothing
    return _NAMED_SETS[name], end + 1


def _in_set(byte: bytes) -> bytes:
    return b"\\x%02x" % byte[0]
