"""A run that the asking user may see, and its files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import quote

from fastapi import Depends, HTTPException
from fastapi.responses import Response, StreamingResponse

from daybook.contract import keys
from daybook.contract.errors import InvalidRequest
from daybook.contract.manifest import Manifest
from daybook.storage import RunRecord, journal, record_of
from daybook.web import headers
from daybook.web.site import Here, Site, User
from daybook.workspaces import Identity, Workspace, may_see

INLINE_IMAGES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})

NO_SUCH_RUN = "there is no such run, or you may not see it"
"""The one answer to whatever does not lead to a run of the asking user: nobody learns what there is."""


@dataclass(frozen=True)
class Run:
    """A run that the asking user may see."""

    workspace: Workspace
    record: RunRecord
    manifest: Manifest

    def show(self, key: str | None, media_type: str, marks: Mapping[str, str], what: str) -> Response:
        """A file of the run, streamed, to be looked at in the browser."""
        return StreamingResponse(self._stream(key, what), media_type=media_type, headers=dict(marks))

    def download(self, key: str | None, media_type: str, name: str) -> Response:
        """A file of the run, streamed; images are shown, everything else is saved."""
        shown = media_type in INLINE_IMAGES
        disposition = f"{'inline' if shown else 'attachment'}; filename*=UTF-8''{quote(name, safe='')}"
        return StreamingResponse(
            self._stream(key, name),
            media_type=media_type if shown else "application/octet-stream",
            headers={**headers.FILE, "Content-Disposition": disposition},
        )

    def download_notebook(self) -> Response:
        """The executed notebook; of a run that goes on, as of its last flush."""
        name = f"{self.manifest.notebook.id}.ipynb"
        if self.manifest.sealed or self.manifest.files.notebook is None:
            return self.download(self.manifest.files.notebook, "application/x-ipynb+json", name)
        found = journal.current(self.record.store, keys.AttemptKeys(self.manifest.attempt))
        if found is None:
            raise HTTPException(404, f"the run has no {name} yet")
        disposition = f"attachment; filename*=UTF-8''{quote(name, safe='')}"
        marks = {**headers.FILE, "Content-Disposition": disposition}
        return Response(json.dumps(found), media_type="application/octet-stream", headers=marks)

    def _stream(self, key: str | None, what: str) -> Iterator[bytes]:
        if key is None:
            raise HTTPException(404, f"the run has no {what} yet")
        return self.record.store.stream(key)


def require_workspace(site: Site, user: Identity, name: str) -> Workspace:
    """A workspace that somebody may look at; the answer is the same whether it is another's or none."""
    try:
        workspace = site.world.workspaces().get(name)
    except InvalidRequest as error:
        raise HTTPException(404, NO_SUCH_RUN) from error
    if not may_see(user, workspace):
        raise HTTPException(404, NO_SUCH_RUN)
    return workspace


# Not `async`: it reads from the bucket, and must not hold up the event loop that all of Airflow's API runs on.
def open_run(site: Here, user: User, workspace: str, run_id: str) -> Run:
    """The run of a path, where the asking user may see it."""
    found = require_workspace(site, user, workspace)
    if not keys.is_run_id(run_id):
        raise HTTPException(404, NO_SUCH_RUN)
    record = record_of(site.world.bucket(found), run_id)
    manifest = record.read()
    # A manifest that names another run is none of this one; its name would lead the page's links astray.
    if manifest is None or manifest.run_id != run_id:
        raise HTTPException(404, NO_SUCH_RUN)
    return Run(found, record, manifest)


OpenRun = Annotated[Run, Depends(open_run)]
