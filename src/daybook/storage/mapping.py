"""Foreign errors of buckets become Daybook's, here and nowhere else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from obstore import exceptions

from daybook.contract.errors import StoreFailed

FOREIGN = (exceptions.BaseError, OSError, ValueError, NotImplementedError)
"""Everything that obstore raises: its own tree, and Python's errors for what is missing, misnamed or not supported."""

_MISSING = (exceptions.NotFoundError, FileNotFoundError)
_DENIED = (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError, PermissionError)
_CHANGED = (exceptions.PreconditionError, exceptions.AlreadyExistsError)
_MISNAMED = (exceptions.InvalidPathError, ValueError)

_READING = ("read", "look at", "delete")
_NO_BUCKET = ("NoSuchBucket", "ContainerNotFound")
"""How S3 and Azure say that the whole bucket is missing; a `HEAD` has no body to say it in."""


class ObjectMissing(StoreFailed):
    """There is no object of that key, or there can be none."""

    retry_helps = False


class ObjectChanged(StoreFailed):
    """An object was to be replaced, but is no longer the one that was read."""


@contextmanager
def mapped(verb: str, url: str) -> Iterator[None]:
    """Maps what obstore raises within.

    Args:
        verb: what is done, for the message.
        url: to what.

    Raises:
        ObjectMissing: it is not there.
        ObjectChanged: it is not what it was.
        StoreFailed: anything else; the message is one line.
    """
    try:
        yield
    except _MISSING as error:
        if code(error) in _NO_BUCKET:
            raise StoreFailed(
                f"cannot {verb} {url}: there is no such bucket; make it, or correct the workspace's bucket"
            ) from error
        if verb in _READING:
            raise ObjectMissing(f"cannot {verb} {url}: there is no such object") from error
        raise StoreFailed(f"cannot {verb} {url}: {reason(error)}") from error
    except _DENIED as error:
        raise StoreFailed(
            f"cannot {verb} {url}: the bucket denies it ({reason(error)}); give the workspace's credentials this right"
        ) from error
    except _CHANGED as error:
        raise ObjectChanged(f"cannot {verb} {url}: somebody else has written it") from error
    except _MISNAMED as error:
        kind = ObjectMissing if verb in _READING else StoreFailed
        raise kind(f"cannot {verb} {url}: no object can have this key ({reason(error)})") from error
    except FOREIGN as error:
        raise StoreFailed(f"cannot {verb} {url}: {reason(error)}") from error


def code(error: BaseException) -> str | None:
    """The error code in an answer of S3 or Azure."""
    found = re.search(r"<Code>(\w+)</Code>", str(error))
    return found[1] if found else None


def reason(error: BaseException) -> str:
    """Why, in one line: what the server said, else the library's first line without the debug output after it."""
    text = str(error).strip()
    said = re.search(r"<Message>([^<]*)</Message>", text)
    if said:
        return f"{code(error) or 'error'}: {' '.join(said[1].split())}"
    first = (text or type(error).__name__).splitlines()[0]
    return re.sub(r"^Generic \w+ error: ", "", first)
