"""What the runner knows to be secret, from the environment it was given: secret inputs and credentials."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from daybook.contract.variables import REQUEST_VARIABLE, SECRET_VARIABLE_PREFIX

SHORTEST_INPUT = 4
"""Fewest characters of a secret input that is kept out of the record; shorter ones are in every other sentence."""
SHORTEST_CREDENTIAL = 8
"""The same for a variable that only looks like a credential by its name: `test` and `true` are words first."""
MAX_FILE_BYTES = 64 * 1024
"""Largest file that is taken for a token or key; service account documents have about 2 KB."""

_CREDENTIAL = re.compile(
    r"(?:TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|_PASS|_PWD|SIGNATURE|CREDENTIALS?(?:_JSON)?|CLIENT_?CERTIFICATE"
    r"|(?:API|PRIVATE|ACCOUNT|SECRET|SECRET_?ACCESS|SHARED_?ACCESS|STORAGE|STORAGE_ACCESS|SAS|SIGNING|ENCRYPTION|FERNET)"
    r"_?KEY|(?:^|_)(?:PAT|JWT|AUTH|AUTHORIZATION|COOKIE|WEBHOOK_URL|SSH_KEY))(?:_?\d+)?$"
)
"""The ends of names under which credentials are kept, after `_plain`."""
_SHORT_NAMES = frozenset({"SIG", "PWD", "PASS"})
"""Names that mean a credential within a URL or connection string, but not as a variable's whole name."""
_FILE_SUFFIX = re.compile(r"_(?:FILE|PATH)$")
_PASSWORD_IN_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s/:@]*:([^\s/@]+)@")
_TOKEN_AS_USER = re.compile(r"(?:[A-Za-z0-9]+\+)?https?://([^\s/:@?#]{16,})@", re.IGNORECASE)
"""The user alone before a host; elsewhere than in web addresses that is a container or a person."""
_AUTHORIZATION = re.compile(
    r"(?:\bauthorization[\"']?\s*[=:]\s*[\"']?(?:(?:bearer|basic|token)(?:\s|%20|\+)+)?([^\s;,&\"']+)"
    r"|\b(?:bearer|basic)(?:\s|%20|\+)+([A-Za-z0-9._~+/=-]{16,}))",
    re.IGNORECASE,
)
"""The header in which programs send credentials, and what follows its scheme."""
_SCHEMES = frozenset({"bearer", "basic", "token"})
"""Words before a credential, which are none."""
_ASSIGNED = re.compile(r"(?:^|[\s?&;,])-?-?(?:D(?=spark))?([A-Za-z][\w.-]*)\s*=\s*([^\s;&\"']+)")
"""`name=value` as in URLs, Spark remotes, connection strings, INI files and command lines."""


@dataclass(frozen=True)
class Secret:
    """A value that must not be in any record.

    Attributes:
        name: the environment variable it comes from, for messages.
        value: never in a message; not part of this object's `repr` either.
        shortest: from how many characters on such a value can be told from innocent text.
    """

    name: str
    value: str = field(repr=False)
    shortest: int = SHORTEST_CREDENTIAL

    @property
    def can_be_kept_out(self) -> bool:
        """Whether it is long enough; a shorter one would take the record's ordinary words with it."""
        return len(self.value) >= self.shortest


def secrets_of(environment: Mapping[str, str]) -> tuple[Secret, ...]:
    """What is secret of an environment: each value once, without space around it; short ones too (see `Secret`).

    Secret inputs (`DAYBOOK_SECRET_…`) count whatever they look like. Beyond those: every variable whose name ends like
    a credential's (`…TOKEN`, `…SECRET`, `…PASSWORD`, `…API_KEY`, `…_AUTH`, …; the keys of S3, Google, Azure, Databricks
    and Spark Connect do), the file that such a variable points to, and passwords and tokens within URLs, Spark remotes,
    connection strings, headers and JSON documents in any variable. The request is not searched: its parameters are no
    secrets.
    """
    found: dict[str, Secret] = {}
    for name, value in environment.items():
        if name.startswith(SECRET_VARIABLE_PREFIX):
            for part in _with_parts(value):
                found[part] = Secret(name, part, SHORTEST_INPUT)
    for name, value in environment.items():
        if name != REQUEST_VARIABLE and not name.startswith(SECRET_VARIABLE_PREFIX):
            for part in _credentials(name, value):
                found.setdefault(part, Secret(name, part))
    return tuple(found.values())


class RenewedSecrets:
    """The files that an environment's variables point to, whose secrets may be others later.

    Args:
        environment: the pod's; the files' content now counts as known.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        named = {name: value for name, value in environment.items() if _FILE_SUFFIX.search(name)}
        self._files = {name: value for name, value in named.items() if _names_credential(_FILE_SUFFIX.sub("", name))}
        self._seen = {name: _state_of(value) for name, value in self._files.items()}

    def __call__(self) -> tuple[Secret, ...]:
        """What is secret in the files that have changed since they were last asked about; cheap where none has."""
        found: dict[str, str] = {}
        for name, value in self._files.items():
            state = _state_of(value)
            if state != self._seen[name]:
                self._seen[name] = state
                found[name] = value
        return secrets_of(found) if found else ()


def _state_of(path: str) -> tuple[int, int, int] | None:
    """What changes with a file's content; through the links that the kubelet turns to new content."""
    with suppress(OSError, ValueError):
        found = os.stat(path)  # noqa: PTH116 - asked at every message; a Path would take longer than the look
        return found.st_ino, found.st_mtime_ns, found.st_size
    return None


def _credentials(name: str, value: str) -> Iterable[str]:
    if not _names_credential(_FILE_SUFFIX.sub("", name)):
        return _embedded(value)
    content = _content_of(value)
    if content is not None:
        return _with_parts(content)
    return () if _FILE_SUFFIX.search(name) or _is_path(value) else _with_parts(value)


def _names_credential(name: str) -> bool:
    return _CREDENTIAL.search(_plain(name)) is not None


def _plain(name: str) -> str:
    return re.sub(r"[^A-Z0-9]+", "_", name.upper())


def _with_parts(value: str) -> Iterator[str]:
    """A secret, and what of it may turn up alone."""
    value = value.strip()
    if not value:
        return
    yield value
    yield from _embedded(value)


def _embedded(value: str) -> Iterator[str]:
    """Credentials within a value that is none as a whole."""
    for match in _PASSWORD_IN_URL.finditer(value):
        yield from {match[1], unquote(match[1])}
    for match in _TOKEN_AS_USER.finditer(value):
        yield from {match[1], unquote(match[1])}
    for match in _AUTHORIZATION.finditer(value):
        found = match[1] or match[2]
        yield from {found, unquote(found)}
    for match in _ASSIGNED.finditer(value):
        named = _names_credential(match[1]) or _plain(match[1]) in _SHORT_NAMES
        if named and match[2].lower() not in _SCHEMES:
            yield from {match[2], unquote(match[2])}
    if value.lstrip().startswith("{"):
        with suppress(ValueError, RecursionError):
            yield from _fields(json.loads(value))


def _fields(document: Any) -> Iterator[str]:
    if isinstance(document, list):
        for each in document:
            yield from _fields(each)
    elif isinstance(document, dict):
        for name, each in document.items():
            if isinstance(each, str) and _names_credential(name):
                yield from _with_parts(each)
            elif isinstance(each, dict | list):
                yield from _fields(each)


def _is_path(value: str) -> bool:
    with suppress(OSError, ValueError):  # too long for a path, or a null character in it
        return "/" in value and Path(value).exists()
    return False


def _content_of(value: str) -> str | None:
    """The text of the file that a value points to; None where it points to none that can be a credential."""
    with suppress(OSError, ValueError):
        file = Path(value)
        if file.is_absolute() and file.is_file() and file.stat().st_size <= MAX_FILE_BYTES:
            return file.read_bytes().decode("utf-8", "ignore")
    return None
