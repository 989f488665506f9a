"""Foreign errors of buckets become Daybook's, here and nowhere else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from obstore import exceptions

from daybook.contract.errors import StoreFailed
from daybook.storage.credentials import CredentialsRefused
from daybook.storage.region import region_of

FOREIGN = (exceptions.BaseError, OSError, ValueError, NotImplementedError)
"""Everything that obstore raises: its own tree, and Python's errors for what is missing, misnamed or not supported."""

_MISSING = (exceptions.NotFoundError, FileNotFoundError)
_DENIED = (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError, PermissionError)
_CHANGED = (exceptions.PreconditionError, exceptions.AlreadyExistsError)
_MISNAMED = (exceptions.InvalidPathError, ValueError)

_READING = ("read", "look at", "delete")
_NO_BUCKET = ("NoSuchBucket", "ContainerNotFound")
"""How S3 and Azure say that the whole bucket is missing; a `HEAD` has no body to say it in."""
_EXPIRED = ("ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestExpired")
"""How S3 says that credentials have expired, with a status of 400 or 403."""
_UNKNOWN = ("InvalidAccessKeyId", "InvalidToken", "InvalidClientTokenId", "SignatureDoesNotMatch")
"""How S3 says that it does not know the credentials."""
_ELSEWHERE = ("PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException")
"""How S3 says that the bucket is in another region; AWS puts the right one into the answer."""
_BARE_REDIRECT = "Received redirect without LOCATION"
"""How obstore says it where the answer is a redirect, of which it keeps nothing."""
_PROVIDER = re.compile(r"path External \w+ credential provider: (?:\w+\.)*(?P<kind>\w+): (?P<message>.*)")
"""How obstore hands on what a credential provider raised."""
_ROOT = re.compile(r'\b(?:message|error): "([^"\n]+)"|\bsource: TimedOut\b')
"""Where the debug output names what the operating system said, or that it did not say anything in time."""


class ObjectMissing(StoreFailed):
    """There is no object of that key, or there can be none."""

    retry_helps = False


class StoreRefused(StoreFailed):
    """What was asked for cannot be done, today or tomorrow: no such bucket, a key no object can have, no such file."""

    retry_helps = False


class ObjectTooLarge(StoreFailed):
    """What lies there is larger than anything that belongs there, and is not read."""

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
        StoreRefused: it cannot be done at all.
        StoreFailed: anything else; the message is one line. Another try may help, also where access is denied: new
            credentials and rights take a while until they count everywhere.
    """
    try:
        yield
    except FOREIGN as error:
        raise _translated(error, verb, url) from error


def _translated(error: Exception, verb: str, url: str) -> StoreFailed:
    intro, said, why = f"cannot {verb} {url}", code(error), reason(error)
    provider = _PROVIDER.search(str(error))
    if provider is not None:
        refused = provider["kind"] == CredentialsRefused.__name__
        return (StoreRefused if refused else StoreFailed)(f"{intro}: no credentials: {provider['message']}")
    if said in _ELSEWHERE or _BARE_REDIRECT in str(error):
        return StoreRefused(f"{intro}: {_elsewhere(str(error))}")
    if said in _NO_BUCKET:
        return StoreRefused(f"{intro}: there is no such bucket; make it, or correct the workspace's bucket")
    if said in _EXPIRED:
        return StoreFailed(f"{intro}: the workspace's credentials have expired ({why}); renew them")
    if said in _UNKNOWN:
        return StoreFailed(f"{intro}: the bucket does not know the workspace's credentials ({why}); correct them")
    if isinstance(error, _DENIED):
        return StoreFailed(f"{intro}: the bucket denies it ({why}); give the workspace's credentials this right")
    if isinstance(error, _CHANGED):
        return ObjectChanged(f"{intro}: somebody else has written it")
    if isinstance(error, _MISSING) and verb in _READING:
        return ObjectMissing(f"{intro}: there is no such object")
    if isinstance(error, _MISNAMED):
        kind = ObjectMissing if verb in _READING else StoreRefused
        return kind(f"{intro}: no object can have this key ({why})")
    return StoreFailed(f"{intro}: {why}")


def _elsewhere(text: str) -> str:
    region = region_of(text)
    if region is None:
        return "the bucket is in another region; correct the workspace's store.region, or its endpoint"
    return f"the bucket is in region {region}; set the workspace's store.region to it"


def code(error: BaseException) -> str | None:
    """The error code in an answer of S3 or Azure."""
    found = re.search(r"<Code>(\w+)</Code>", str(error))
    return found[1] if found else None


def reason(error: BaseException) -> str:
    """Why, in one line: what the server said, else the library's first line, and what lies at its root."""
    text = str(error).strip()
    said = re.search(r"<Message>([^<]*)</Message>", text)
    if said:
        return f"{code(error) or 'error'}: {' '.join(said[1].split())}"
    first, *debug = (text or type(error).__name__).splitlines()
    first = re.sub(r"^Generic \w+ error: ", "", first)
    first = re.sub(r" in [\d.]+\w+(, after .*?)? +- ", ": ", first)
    root = _ROOT.search("\n".join(debug))
    return f"{first} ({root[1] or 'it took too long'})" if root else first
