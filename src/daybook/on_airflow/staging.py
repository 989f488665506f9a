"""Puts a notebook of the local catalogue next to its run's record, where the pod reads it and the record keeps it."""

from __future__ import annotations

from pathlib import Path

from daybook.catalogue import Notebook, digest_of
from daybook.contract import keys
from daybook.contract.errors import Fault, InvalidRequest
from daybook.contract.request import RunRequest
from daybook.on_airflow.plan import DIGEST_PREFIX
from daybook.storage import Store


def source_key(notebook: Notebook) -> str | None:
    """Where the staged notebook lies in the run's prefix; None for one that the pod fetches from elsewhere."""
    return None if "://" in notebook.source else keys.SOURCE_FILE


def staged(request: RunRequest, notebook: Notebook, store: Store) -> RunRequest:
    """Copies the notebook and returns the request that names the copy and its digest.

    Args:
        store: rooted at the run's prefix.

    Raises:
        InvalidRequest: the notebook cannot be read, or is not the one that the catalogue names.
        StoreFailed: the bucket does not take it.
    """
    key = source_key(notebook)
    if key is None:
        return request
    try:
        content = Path(notebook.source).read_bytes()
    except OSError as error:
        raise InvalidRequest("the notebook cannot be read", [Fault(notebook.source, str(error.strerror))]) from error
    found = digest_of(content)
    if notebook.digest and found != notebook.digest:
        message = f"has digest {found}, and the catalogue says {notebook.digest}"
        raise InvalidRequest("the notebook is not the one of the catalogue", [Fault(notebook.source, message)])
    store.write(key, content, "application/x-ipynb+json")
    source = request.notebook.model_copy(
        update={"source": store.url_of(key), "sha256": found.removeprefix(DIGEST_PREFIX)}
    )
    return request.model_copy(update={"notebook": source})
