"""The SDK's errors, and those of the line, in our words: the one edge where they are mapped."""

from __future__ import annotations

import requests
from databricks.sdk import errors as sdk
from databricks.sdk.core import DatabricksError

from daybook.databricks.errors import DatabricksFailed, DatabricksRefused

FOREIGN = (DatabricksError, requests.RequestException, OSError, ValueError, LookupError, TypeError)
"""Everything that a call of the SDK raises: its errors are OSErrors, as is its TimeoutError; a ValueError is an answer
that is no JSON, or credentials that cannot be had; the last two are an answer that is another document."""
_FIRST_CHARACTERS = 300


def passing(error: BaseException) -> bool:
    """Whether it may well go away by itself: the line, the server's own trouble, too many requests."""
    if isinstance(error, TimeoutError):
        return error.__cause__ is None or passing(error.__cause__)
    if isinstance(error, DatabricksError):
        return isinstance(
            error, (sdk.InternalError, sdk.TemporarilyUnavailable, sdk.DeadlineExceeded, sdk.TooManyRequests)
        )
    # The third: an answer that broke off.
    return isinstance(error, (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError))


def in_our_words(error: BaseException, doing: str, host: str) -> DatabricksFailed:
    """What a call of the SDK raised.

    Args:
        error: one of `FOREIGN`.
        doing: what was tried, in a few words: "starting cluster 123".
        host: the workspace asked.
    """
    if isinstance(error, TimeoutError) and error.__cause__ is not None:
        error = error.__cause__
    said = _said(error)
    if isinstance(error, sdk.Unauthenticated):
        return DatabricksRefused(
            f"{doing}: Databricks does not take the credentials (401): {said}. The token is wrong or has expired: make "
            "a new one and set DATABRICKS_TOKEN, or run 'databricks auth login'"
        )
    if isinstance(error, sdk.PermissionDenied):
        return DatabricksRefused(
            f"{doing}: not allowed (403): {said}. The caller needs 'Can Attach To' on the cluster, 'Can Restart' to "
            "start it, and a token that is still valid"
        )
    if isinstance(error, (sdk.NotFound, sdk.BadRequest)):
        return DatabricksRefused(f"{doing}: {said}")
    if isinstance(error, sdk.TooManyRequests):
        return DatabricksFailed(f"{doing}: Databricks is asked too often (429) and stays so; try again later")
    if isinstance(error, DatabricksError):
        return DatabricksFailed(f"{doing}: Databricks failed: {said}; try again later")
    return DatabricksFailed(
        f"{doing}: {host or 'Databricks'} cannot be reached: {said}. Check DATABRICKS_HOST and the network"
    )


def _said(error: BaseException) -> str:
    """Its message without the SDK's list of settings, on one line."""
    text = " ".join(str(error).split(" Config:")[0].split()) or type(error).__name__
    return text[:_FIRST_CHARACTERS].rstrip(". ")
