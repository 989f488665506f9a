"""Where a workspace's bucket lies, and that no two workspaces lie within one another."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from itertools import combinations
from typing import Annotated
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator

from daybook.storage.opening import SCHEMES

_FOLDERS = ("", "file")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_AWS = re.compile(r"(.+\.)?amazonaws\.com(\.cn)?")
_GOOGLE = "storage.googleapis.com"
"""Speaks S3 too; what lies there is what `gs:` URLs name."""
_SAME = {"s3a": "s3", "abfs": "az", "abfss": "az"}
"""Schemes that are another name for the same kind of bucket."""
_BUCKET = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_CONTAINER = re.compile(r"[$A-Za-z0-9][A-Za-z0-9-]*")
_IN_ACCOUNT = re.compile(
    r"(?P<container>[$a-z0-9][a-z0-9-]*)@(?P<account>[a-z0-9-]+)\.(dfs|blob)\.(core\.windows\.net|fabric\.microsoft\.com)"
)
"""How an `abfs:` or `abfss:` URL names the account, too; the only hosts that obstore knows."""

BucketPlace = tuple[str, ...]
"""Kind, server or account, bucket and the parts of the path: one place lies in another where its beginning is that
other. An Azure place without an account may be in any: which one, credentials say."""


def checked_bucket(url: str) -> str:
    """The URL of a bucket, or of a prefix in one.

    Raises:
        ValueError: it is none that Daybook knows, or says what a place must not: credentials, a query, `..`.
    """
    if re.search(r"[\x00-\x20\x7f]", url.strip(" ")) and urlsplit(url).scheme not in _FOLDERS:
        raise ValueError("must not hold blanks or line breaks")
    parts = urlsplit(url)
    # As written, for not all who read it take `S3://` or ` s3://` as urlsplit does.
    if parts.scheme not in (*SCHEMES, "") or not url.startswith(parts.scheme):
        raise ValueError(f"the scheme must be one of {', '.join(SCHEMES)}, or it is the path of a folder")
    if parts.scheme not in _FOLDERS and (parts.query or parts.fragment):
        raise ValueError("must be a bucket and a prefix, without a query or fragment")
    if parts.password is not None or (parts.username is not None and not parts.scheme.startswith("abfs")):
        raise ValueError("must hold no credentials; `credentials` says where they come from")
    if ".." in unquote(url).replace("\\", "/").split("/"):
        raise ValueError("must not hold `..`")
    if parts.scheme not in (*_FOLDERS, "memory"):
        _check_name(parts.scheme, parts.netloc)
    return url


def _check_name(scheme: str, name: str) -> None:
    """Lets the names pass that are one bucket's alone: clients leave ports and more out, and so know one by many."""
    if not name:
        raise ValueError(f"names no bucket: {scheme}://bucket/prefix")
    azure = _SAME.get(scheme, scheme) == "az"
    if azure and "@" in name:
        if not _IN_ACCOUNT.fullmatch(name.lower()):
            raise ValueError(f"must be {scheme}://container@account.dfs.core.windows.net/prefix")
    elif not (_CONTAINER if azure else _BUCKET).fullmatch(name):
        raise ValueError(f"{name!r} is not the name of a bucket")


BucketUrl = Annotated[str, AfterValidator(checked_bucket)]


def bucket_place(url: str, endpoint: str | None = None) -> BucketPlace | None:
    """Where a checked URL leads; None for a bucket in memory, which nobody else sees.

    Args:
        url: of the bucket or prefix.
        endpoint: of its server, where it is not the one that the scheme stands for.
    """
    parts = urlsplit(url)
    if parts.scheme == "memory":
        return None
    if parts.scheme in _FOLDERS:
        folder = unquote(parts.path) if parts.scheme else url
        return ("file", "", *_names(os.path.abspath(folder)))  # noqa: PTH100 - of the text alone, links are not followed
    kind, server, bucket = _SAME.get(parts.scheme, parts.scheme), "", parts.netloc.lower()
    if kind == "s3":
        server = _server(endpoint) if endpoint else ""
    if server.partition(":")[0] == _GOOGLE:
        kind, server = "gs", ""
    if in_account := _IN_ACCOUNT.fullmatch(bucket):
        server, bucket = in_account["account"], in_account["container"]
    return (kind, server, bucket, *_names(unquote(parts.path)))


def shared_buckets(buckets: Iterable[tuple[str, BucketPlace | None]]) -> Iterator[tuple[int, str]]:
    """The position and fault of each workspace whose bucket is, holds, or lies in an earlier one's."""
    for (_, (first, one)), (position, (_, other)) in combinations(enumerate(buckets), 2):
        if one is None or other is None:
            continue
        if one[0] == other[0] == "az" and not (one[1] and other[1]):
            one, other = ("az", "", *one[2:]), ("az", "", *other[2:])  # as far as both are known
        if one == other:
            yield position, f"is that of workspace {first!r} too; give each a prefix of its own"
        elif other[: len(one)] == one:
            yield position, f"lies within that of workspace {first!r}; give each a prefix of its own"
        elif one[: len(other)] == other:
            yield position, f"holds that of workspace {first!r}; give each a prefix of its own"


def _server(endpoint: str) -> str:
    """The server of an endpoint, alike however it is written; empty for AWS's own, where a name is but one bucket's."""
    parts = urlsplit(endpoint)
    host = (parts.hostname or "").rstrip(".")
    return "" if _AWS.fullmatch(host) else f"{host}:{parts.port or _DEFAULT_PORTS.get(parts.scheme)}"


def _names(path: str) -> list[str]:
    return [name for name in path.split("/") if name not in ("", ".")]
