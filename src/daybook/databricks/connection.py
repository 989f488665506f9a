"""The SDK's client for a workspace: its unified authentication, our patience. Importing it loads the SDK: 3 s."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import requests
from databricks.sdk import WorkspaceClient
from databricks.sdk._base_client import _BaseClient
from databricks.sdk.clock import Clock
from databricks.sdk.core import Config, DatabricksError
from databricks.sdk.credentials_provider import CredentialsProvider, CredentialsStrategy, DefaultCredentials
from databricks.sdk.errors import DeadlineExceeded, InternalError
from databricks.sdk.errors.platform import STATUS_CODE_MAPPING
from urllib3.exceptions import NewConnectionError

from daybook.contract.errors import Fault, InvalidSettings
from daybook.databricks.interruption import Interruption
from daybook.databricks.patience import Patience
from daybook.databricks.refusals import FOREIGN, in_our_words, passing
from daybook.databricks.settings import Settings

HTTP_SECONDS = 30
"""One request, after which it counts as lost on the way."""
LOOK_SECONDS = 0.1
"""How soon it is seen that somebody interrupts, while the SDK looks for credentials."""
RETRY_SECONDS = 20
"""How long the SDK itself asks again; beyond that the kernel decides."""


class PatientClock(Clock):
    """The SDK's clock: what it waits for between two attempts can be interrupted."""

    def __init__(self, interruption: Interruption) -> None:
        self._interruption = interruption
        self._once = threading.local()

    def time(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Waits before another attempt, unless there must not be one.

        Raises:
            Interrupted: somebody asked.
            Exception: the error that the last attempt met, where the request may have arrived nevertheless.
        """
        error = sys.exc_info()[1]
        if getattr(self._once, "wanted", False) and error is not None and may_have_arrived(error):
            raise error
        self._interruption.wait(seconds)

    @contextmanager
    def once(self) -> Iterator[None]:
        """What is asked for within is not asked for again once it may have arrived."""
        self._once.wanted = True
        try:
            yield
        finally:
            self._once.wanted = False


def may_have_arrived(error: BaseException) -> bool:
    """Whether a request that failed so may have been done. One that was refused, or never sent, was not."""
    if isinstance(error, TimeoutError) and error.__cause__ is not None:
        error = error.__cause__  # the SDK has given up
    if isinstance(error, DatabricksError):
        return isinstance(error, (InternalError, DeadlineExceeded))
    if isinstance(error, requests.ConnectTimeout):
        return False
    if isinstance(error, requests.ConnectionError):
        reason = getattr(error.args[0], "reason", None) if error.args else None
        return not isinstance(reason, NewConnectionError)
    return True


@dataclass(frozen=True)
class Connection:
    """A client, and the cluster it is for."""

    client: WorkspaceClient
    cluster_id: str
    clock: PatientClock

    @property
    def host(self) -> str:
        """The workspace's address."""
        return str(self.client.config.host or "").rstrip("/")


class Credentials(CredentialsStrategy):
    """The SDK's own; of those that are there and cannot be used it remembers why, and where it is asked about them.

    Attributes:
        met: why.
        asked: an address that tells whether the workspace can be reached at all; empty where there are no credentials.
    """

    def __init__(self) -> None:
        self._found = DefaultCredentials()
        self.met: BaseException | None = None
        self.asked = ""

    def auth_type(self) -> str:
        """See the SDK."""
        return self._found.auth_type()

    def __call__(self, cfg: Config) -> CredentialsProvider:
        """See the SDK.

        Raises:
            ValueError: none can be used.
        """
        self.met, self.asked = None, ""
        try:
            return self._found(cfg)
        except ValueError as error:
            self.met = error.__cause__
            if self.met is not None and cfg.host:
                self.asked = cfg.discovery_url or f"{cfg.host}/.well-known/databricks-config"
            raise


def connect(settings: Settings, interruption: Interruption) -> Connection:
    """Finds host, credentials and cluster.

    Raises:
        InvalidSettings: one of them is missing; every one is named.
        DatabricksFailed: the workspace does not answer, which some credentials need.
        Interrupted: somebody asked.
    """
    clock, credentials = PatientClock(interruption), Credentials()
    given: dict[str, Any] = {"host": settings.host, "profile": settings.profile, "cluster_id": settings.cluster_id}
    make = partial(
        Config,
        **{name: value for name, value in given.items() if value},
        credentials_strategy=credentials,
        clock=clock,
        product="daybook",
        product_version=_version(),
        http_timeout_seconds=HTTP_SECONDS,
        retry_timeout_seconds=RETRY_SECONDS,
    )
    try:
        config = Patience(settings.limits, interruption).answer(partial(_config, make, credentials, interruption))
    except FOREIGN as error:
        if passing(error):
            raise in_our_words(error, "signing in", _host_of(credentials.asked)) from error
        if not isinstance(error, ValueError):
            raise
        faults = [Fault("host, token", _way_out(str(error)))]
        if not settings.cluster_id:
            faults.append(_no_cluster())
        raise InvalidSettings("there is no way to Databricks", faults) from error
    if not config.host or not config.cluster_id:
        faults = [] if config.host else [Fault("DATABRICKS_HOST", "no Databricks workspace is named")]
        raise InvalidSettings(
            "there is no way to Databricks", [*faults, *([] if config.cluster_id else [_no_cluster()])]
        )
    client = WorkspaceClient(config=config)
    # The SDK's errors do not keep the status, and its sessions are not given from outside.
    client.api_client._api_client._session.hooks["response"].append(_name)
    return Connection(client, str(config.cluster_id), clock)


def _config(make: Callable[[], Config], credentials: Credentials, interruption: Interruption) -> Config:
    """The SDK's configuration. It swallows most of what it meets on its way there: so that is asked for once more.

    Raises:
        ValueError: something is missing, or wrong.
        Exception: another one of `FOREIGN`: the workspace does not answer.
        Interrupted: somebody asked.
    """
    try:
        return _made(make, credentials, interruption)
    except ValueError:
        if not credentials.asked:
            raise
    client = _BaseClient(
        retry_timeout_seconds=RETRY_SECONDS, http_timeout_seconds=HTTP_SECONDS, clock=PatientClock(interruption)
    )
    client._session.hooks["response"].append(_name)
    try:
        client.do("GET", credentials.asked)
    except FOREIGN as error:
        if passing(error):
            raise
    return _made(make, credentials, interruption)  # it answers, or does so again


def _made(make: Callable[[], Config], credentials: Credentials, interruption: Interruption) -> Config:
    """Makes it in a thread of its own: nothing else interrupts the SDK in it."""
    made: Future[Config] = Future()

    def run() -> None:
        try:
            made.set_result(make())
        except BaseException as error:  # noqa: BLE001 - the thread's edge: it is raised where it is waited for
            made.set_exception(error)

    threading.Thread(target=run, name="daybook-connect", daemon=True).start()
    while not wait([made], LOOK_SECONDS).done:
        interruption.wait(0)
    try:
        return made.result()
    except ValueError as error:
        if credentials.met is not None and passing(credentials.met):
            raise credentials.met from error
        raise


def _host_of(url: str) -> str:
    return urlunsplit((*urlsplit(url)[:2], "", "", ""))


def _name(response: requests.Response, *_: Any, **__: Any) -> None:
    """Tells what the SDK has no name for, a proxy's 502 and the like, or a 408, as 504: so `DeadlineExceeded`.

    All of them say the same: the request went out, and nobody knows what became of it. So does a 503 that is not
    Databricks' own: it may be that of a proxy whose line broke. What stays nameless was refused.
    """
    status = response.status_code
    ours = "json" in response.headers.get("Content-Type", "")
    if (
        status == HTTPStatus.REQUEST_TIMEOUT
        or (status == HTTPStatus.SERVICE_UNAVAILABLE and not ours)
        or (status >= 500 and status not in STATUS_CODE_MAPPING)
    ):
        response.status_code = HTTPStatus.GATEWAY_TIMEOUT


def _no_cluster() -> Fault:
    return Fault(
        "DATABRICKS_CLUSTER_ID",
        "no cluster is named; set it to the id of an all-purpose cluster (in the address of the cluster's page), in "
        "the environment, in a profile or in pyproject.toml [tool.daybook.databricks]",
    )


def _way_out(message: str) -> str:
    first = message.split(" Config:")[0].splitlines()[0].rstrip(". ")
    return (
        f"{first}; set DATABRICKS_HOST and DATABRICKS_TOKEN (or DATABRICKS_CLIENT_ID and DATABRICKS_CLIENT_SECRET), or "
        "run 'databricks auth login'; 'daybook databricks check' shows what is found where"
    )


def _version() -> str:
    from importlib.metadata import version

    return version("daybook")
