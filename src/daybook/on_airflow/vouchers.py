"""Vouchers: what the API server saw of a user's groups and claims, signed, for the task that runs on their behalf.

Airflow tells a task the name of the user who asked for its run (`dag_run.triggering_user_name`) and nothing else. So
the middleware in the API server, where the user's token is, states what it saw in a short signed document that
travels in the DAG run's conf. A voucher is no permission: the task decides anew, with the workspaces of its own time.
It is worth nothing to anybody else, for another DAG or another workspace, or once it is too old.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt

from daybook.contract.errors import Fault, InvalidSettings
from daybook.workspaces import Identity, Members, Workspace

MAX_AGE = timedelta(hours=24)
"""How long groups and claims count after they were seen: a run may wait in a queue, and a failed one be cleared the
next morning; somebody who left the group loses their runs within a day."""

MIN_KEY_BYTES = 32
"""A key of HMAC-SHA256 should not be shorter than its digest (RFC 7518, 3.2)."""

_ALGORITHM = "HS256"
_AUDIENCE = "daybook-operator"
_ISSUER = "daybook-admission"


class NotVouched(Exception):
    """A voucher proves nothing; the text says why, for the user."""


@dataclass(frozen=True)
class Errand:
    """What a voucher is for.

    Attributes:
        user: the name that Airflow knows the user by.
        dag_id: the DAG that is triggered.
        workspace: where the run is to be.
    """

    user: str
    dag_id: str
    workspace: str


def now() -> datetime:
    """The time, as vouchers tell it."""
    return datetime.now(UTC)


def issue(
    errand: Errand, identity: Identity, workspaces: Iterable[Workspace], key: str, at: Callable[[], datetime] = now
) -> str | None:
    """A voucher for those of a user's groups and claims that some workspace names; None where there are none.

    Args:
        errand: what it is for.
        identity: what the API server sees of the user.
        workspaces: all there are.
        key: signs it.
        at: the time.
    """
    members = [workspace.members for workspace in workspaces]
    groups = sorted(identity.groups & {name for each in members for name in each.groups})
    claims = {name: sorted(found) for name, found in _named(identity, members)}
    if not groups and not claims:
        return None
    issued = at()
    content = {
        "iss": _ISSUER,
        "aud": _AUDIENCE,
        "sub": errand.user,
        "dag": errand.dag_id,
        "workspace": errand.workspace,
        "groups": groups,
        "claims": claims,
        "iat": issued,
        "exp": issued + MAX_AGE,
    }
    return jwt.encode(content, key, _ALGORITHM)


def redeem(voucher: object, errand: Errand, key: str) -> Identity:
    """The user with the groups and claims that a voucher states.

    Raises:
        NotVouched: it is none of ours, too old, or for something else.
    """
    try:
        content = jwt.decode(
            str(voucher),
            key,
            algorithms=[_ALGORITHM],
            audience=_AUDIENCE,
            issuer=_ISSUER,
            options={"require": ["exp", "iat", "sub", "aud", "iss"]},
        )
    except jwt.ExpiredSignatureError as error:
        hours = MAX_AGE.total_seconds() / 3600
        raise NotVouched(f"what Airflow saw of the user's groups is older than {hours:.0f} hours") from error
    except (jwt.InvalidTokenError, UnicodeEncodeError) as error:
        raise NotVouched("the voucher for the user's groups is not genuine") from error
    if (content["sub"], content.get("dag"), content.get("workspace")) != (errand.user, errand.dag_id, errand.workspace):
        raise NotVouched("the voucher for the user's groups was given to somebody else or for something else")
    return Identity(errand.user, frozenset(content["groups"]), _sets(content["claims"]))


def read_key(path: Path) -> str:
    """The key in a file.

    Raises:
        InvalidSettings: it cannot be read, or is too short.
    """
    try:
        key = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is not text"
        raise InvalidSettings("cannot read the key of vouchers", [Fault(str(path), str(reason))]) from error
    if len(key.encode()) < MIN_KEY_BYTES:
        fault = Fault(str(path), f"must hold {MIN_KEY_BYTES} bytes or more of randomness")
        raise InvalidSettings("the key of vouchers is too short", [fault])
    return key


def _named(identity: Identity, members: Iterable[Members]) -> Iterator[tuple[str, frozenset[str]]]:
    """The claims of which some workspace names a value that the user has, and those values."""
    for name, has in identity.claims.items():
        found = has & {value for each in members for value in each.claims.get(name, ())}
        if found:
            yield name, found


def _sets(claims: Mapping[str, Any]) -> dict[str, frozenset[str]]:
    return {name: frozenset(values) for name, values in claims.items()}
