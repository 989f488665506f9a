"""The request that executes here again what a record tells of."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from daybook.contract.errors import Fault, InvalidRequest
from daybook.contract.manifest import Manifest
from daybook.contract.request import NotebookSource, RunRequest
from daybook.runner.fetch import fetch
from daybook.runner.given import Given, identity, request_for
from daybook.storage import RunRecord, open_store


@dataclass(frozen=True)
class Again:
    """What is to be executed.

    Attributes:
        request: for the runner.
        sha256: of the notebook as it is now.
    """

    request: RunRequest
    sha256: str


def request_again(
    old: Manifest, record: RunRecord, values: Mapping[str, Any], output: str, environment: Mapping[str, str]
) -> Again:
    """The request that executes a run's notebook here with the same values, by the same kernel.

    The notebook is the one at the run's address as it is now, held to its spec; where there is none any more, the copy
    that the run itself kept, with the limits that a notebook has by default.

    Args:
        old: the run.
        record: where its record lies.
        values: its parameters, with references to secrets.
        output: path or URL of the new run's prefix.
        environment: credentials of the buckets.

    Raises:
        InvalidRequest: the notebook is gone and the run kept none, it takes other values now, or the output is the
            run itself.
        StoreFailed: a bucket does not answer.
    """
    if open_store(output, environment).url == record.store.url:
        raise InvalidRequest("cannot run it again", [Fault("--output", "is the run itself; name another place")])
    source, kernel = old.notebook.source, old.kernel.name if old.kernel else None
    kept = record.store.url_of(old.files.source) if old.files.source else None
    if source != kept:
        try:
            sha256 = _sha256(source, environment)
        except InvalidRequest as error:
            if kept is None:
                fault = Fault(source, "is gone, and the run's record holds no copy of the notebook")
                raise InvalidRequest("cannot run it again", [*error.faults, fault]) from error
        else:
            return Again(request_for(Given(source, output, values, kernel=kernel, user=old.user), environment), sha256)
    sha256 = _sha256(str(kept), environment)
    request = RunRequest(
        **identity(old.notebook.id, output, environment),
        notebook=NotebookSource(
            id=old.notebook.id, source=str(kept), sha256=sha256, title=old.notebook.title, kernel=kernel
        ),
        parameters=old.parameters,
        secrets=old.secrets,
        user=old.user,
    )
    return Again(request, sha256)


def _sha256(source: str, environment: Mapping[str, str]) -> str:
    return hashlib.sha256(fetch(NotebookSource(id="given", source=source), environment)).hexdigest()
