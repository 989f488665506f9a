"""How a bucket is reached over the network: with which credentials, how long one request may take, how often again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from daybook.storage.credentials import provider_of

if TYPE_CHECKING:
    from daybook.storage.credentials import Provider

CONNECT_SECONDS = 5.0
"""Within this time a server accepts a connection, or it is taken for one that is away."""
SILENCE_SECONDS = 30.0
"""A request with a small body is sent and answered within this time, and an answer never pauses for longer."""
BRIEF_BYTES = 1024 * 1024
"""A body up to this size is a small one: it takes 10 s at 100 kB/s."""
BULK_SILENCE_SECONDS = 120.0
"""The same for larger bodies: a part of 5 MiB takes 52 s at 100 kB/s, and twelve of them share the line."""
REQUEST_SECONDS = 300.0
"""How long one request may take in all, its answer's body included."""
BULK_REQUEST_SECONDS = 24 * 3600.0
"""The same for a large download, which may be as slow as whoever it is handed on to."""

RETRY_SECONDS = 5.0
"""From its start on, a call is tried again for so long where that may help. It bridges one reset or a lost packet; a
longer outage is for the caller, who knows how much time there is."""
RETRIES = 10
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 1.0

VIRTUAL_HOST_VARIABLE = "AWS_VIRTUAL_HOSTED_STYLE_REQUEST"
"""Says `true` where the bucket stands in the host's name, `false` where it stands in the path; the store's own name."""
_S3 = ("s3", "s3a")
_S3_FROM_ENVIRONMENT = {
    # Of two names for one thing the later one counts, as in the AWS SDKs.
    "AWS_DEFAULT_REGION": "region",
    "AWS_REGION": "region",
    "AWS_ENDPOINT_URL": "endpoint",
    "AWS_ENDPOINT_URL_S3": "endpoint",
}


_S3_KEYS = {
    "AWS_ACCESS_KEY_ID": "access_key_id",
    "AWS_SECRET_ACCESS_KEY": "secret_access_key",
    "AWS_SESSION_TOKEN": "session_token",
}


def options(url: str, environment: Mapping[str, str], credentials: Provider | None = None) -> dict[str, Any]:
    """What obstore is told about a bucket, for requests with small bodies.

    Args:
        url: the bucket's.
        environment: `AWS_*` variables, for S3.
        credentials: gives them, instead of what the variables say.
    """
    found: dict[str, Any] = {
        "retry_config": {
            "max_retries": RETRIES,
            "retry_timeout": timedelta(seconds=RETRY_SECONDS),
            "backoff": {
                "init_backoff": timedelta(seconds=FIRST_PAUSE_SECONDS),
                "max_backoff": timedelta(seconds=LONGEST_PAUSE_SECONDS),
                "base": 2,
            },
        },
        "client_options": {
            "connect_timeout": timedelta(seconds=CONNECT_SECONDS),
            "read_timeout": timedelta(seconds=SILENCE_SECONDS),
            "timeout": timedelta(seconds=REQUEST_SECONDS),
        },
    }
    if urlsplit(url).scheme not in _S3:
        return found
    provider = credentials or provider_of(environment)
    if provider is not None:
        found["credential_provider"] = provider
    names = _S3_FROM_ENVIRONMENT if provider is not None else {**_S3_KEYS, **_S3_FROM_ENVIRONMENT}
    for name, option in names.items():
        if environment.get(name):
            found[option] = environment[name]
    _style(found, urlsplit(url).netloc, environment.get(VIRTUAL_HOST_VARIABLE, ""))
    if found.get("endpoint", "").startswith("http://"):
        found["client_options"]["allow_http"] = True
    # The server computes it anew and refuses a body that was changed on its way. It costs nothing more: requests are
    # signed with the same digest.
    found["checksum_algorithm"] = "sha256"
    return found


def _style(found: dict[str, Any], bucket: str, virtual_host: str) -> None:
    """Whether the bucket stands in the host's name or in the path; obstore wants it in a given endpoint's name too."""
    if virtual_host.lower() not in ("true", "false"):
        return
    found["virtual_hosted_style_request"] = virtual_host.lower()
    if virtual_host.lower() == "true" and "endpoint" in found:
        scheme, _, host = found["endpoint"].partition("://")
        found["endpoint"] = f"{scheme}://{bucket}.{host}"


def bulk(client_options: Mapping[str, Any]) -> dict[str, Any]:
    """The same for requests and answers with large bodies, which take longer."""
    return {
        **client_options,
        "read_timeout": timedelta(seconds=BULK_SILENCE_SECONDS),
        "timeout": timedelta(seconds=BULK_REQUEST_SECONDS),
    }
