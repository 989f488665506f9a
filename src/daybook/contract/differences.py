"""What differs between two runs, by their manifests: pure functions."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from daybook.contract.manifest import Manifest

_VALUE_CHARACTERS = 60


class _Absent(Enum):
    ABSENT = "absent"


ABSENT: Final = _Absent.ABSENT
"""In place of a value that one of the runs does not have; null is a value."""


@dataclass(frozen=True)
class Difference:
    """One thing that differs.

    Attributes:
        what: the kind of thing: `notebook` (the digest of its file), `image` (as it was asked for), `image_digest`,
            `kernel`, `package`, `parameter`, `secret`, `state`, `result`, `output` (the digest of its file).
        name: which of its kind; empty where a run has but one.
        then: the older run's.
        now: the newer run's.
    """

    what: str
    name: str
    then: Any
    now: Any

    def document(self) -> dict[str, Any]:
        """The difference as JSON; what a run does not have is left out."""
        sides = {side: value for side, value in (("then", self.then), ("now", self.now)) if value is not ABSENT}
        return {"what": self.what, "name": self.name, **sides}

    def __str__(self) -> str:
        what = " ".join(filter(None, (self.what.replace("_", " "), self.name)))
        return f"{what}: {_short(self.then)} → {_short(self.now)}"


@dataclass(frozen=True)
class Comparison:
    """What differs, and of what that cannot be said.

    Attributes:
        differences: in the order of a run: what went in, what ran it, what came out.
        unknown: kinds of things that one of the manifests does not tell of.
    """

    differences: tuple[Difference, ...] = ()
    unknown: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """The comparison as JSON."""
        return {"differences": [each.document() for each in self.differences], "not_known": list(self.unknown)}


def differences(old: Manifest, new: Manifest) -> Comparison:
    """What differs between two runs: what went in, what ran it and what came out.

    Neither their times nor where they ran are compared, for these always differ.
    """
    return _compared(
        [
            _one("notebook", old.notebook.sha256, new.notebook.sha256),
            _many("parameter", old.parameters, new.parameters),
            _many("secret", old.secrets, new.secrets),
            _many("image", _image(old.image), _image(new.image)),
            _many("image_digest", _image_digest(old), _image_digest(new)),
            _one("kernel", _kernel(old), _kernel(new)),
            # A kernel that Daybook cannot look into has no list of packages, which is not an empty one.
            _many("package", old.packages or None, new.packages or None),
            _one("state", _state(old), _state(new)),
            _many("result", old.results, new.results),
            _many("output", _outputs(old), _outputs(new)),
        ]
    )


def beforehand(old: Manifest, sha256: str | None, image: str | None) -> Comparison:
    """What differs already before a run is made again.

    Args:
        old: the run that is made again.
        sha256: of the notebook as it is now; None where nobody knows before it is fetched.
        image: as it would be asked for now; None where none is.
    """
    return _compared([_one("notebook", old.notebook.sha256, sha256), _many("image", _image(old.image), _image(image))])


@dataclass(frozen=True)
class _Kind:
    what: str
    then: Mapping[str, Any] | None
    now: Mapping[str, Any] | None


def _one(what: str, then: str | None, now: str | None) -> _Kind:
    return _Kind(what, None if then is None else {"": then}, None if now is None else {"": now})


def _many(what: str, then: Mapping[str, Any] | None, now: Mapping[str, Any] | None) -> _Kind:
    return _Kind(what, then, now)


def _compared(kinds: list[_Kind]) -> Comparison:
    found = tuple(difference for kind in kinds for difference in _between(kind))
    return Comparison(found, tuple(kind.what for kind in kinds if (kind.then is None) or (kind.now is None)))


def _between(kind: _Kind) -> Iterator[Difference]:
    if kind.then is None or kind.now is None:
        return
    for name in sorted({*kind.then, *kind.now}):
        then, now = kind.then.get(name, ABSENT), kind.now.get(name, ABSENT)
        if _spelled(then) != _spelled(now):
            yield Difference(kind.what, name, then, now)


def _spelled(value: Any) -> str | None:
    """A value's JSON: to Python true equals 1, to the reader of a result it does not."""
    return None if value is ABSENT else json.dumps(value, sort_keys=True)


def _image(asked: str | None) -> dict[str, str]:
    """The image that was asked for; a run outside of any pod has none."""
    return {} if asked is None else {"": asked}


def _image_digest(manifest: Manifest) -> dict[str, str] | None:
    if manifest.image_digest is None:
        return None if manifest.image else {}
    return {"": manifest.image_digest}


def _kernel(manifest: Manifest) -> str | None:
    kernel = manifest.kernel
    if kernel is None:
        return None
    language = f" ({kernel.language} {kernel.language_version})" if kernel.language_version else ""
    return kernel.name + language


def _state(manifest: Manifest) -> str | None:
    """How a run ended; None for one that has not."""
    if not manifest.sealed:
        return None
    return f"{manifest.state} ({manifest.reason})" if manifest.reason else str(manifest.state)


def _outputs(manifest: Manifest) -> dict[str, str]:
    return {each.path: each.sha256 for each in manifest.outputs}


def _short(value: Any) -> str:
    if value is ABSENT:
        return "none"
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= _VALUE_CHARACTERS else text[: _VALUE_CHARACTERS - 1] + "…"
