"""A run that the asking user may see, and its files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import quote

from fastapi import Depends, HTTPException
from fastapi.responses import RedirectResponse, Response, StreamingResponse

from daybook.contract import keys
from daybook.contract.errors import InvalidRequest
from daybook.contract.manifest import Manifest
from daybook.storage import ObjectMissing, RunRecord, journal, record_of
from daybook.web import headers
from daybook.web.history.reading import is_moment
from daybook.web.site import Here, Site, User
from daybook.web.world import Asked
from daybook.workspaces import Identity, Workspace, may_see

INLINE_IMAGES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})

INERT = frozenset(
    {
        "application/geo+json",
        "application/gzip",
        "application/json",
        "application/jsonl",
        "application/octet-stream",
        "application/vnd.apache.parquet",
        "application/x-hdf5",
        "application/x-ipynb+json",
        "application/x-netcdf",
        "application/x-tar",
        "application/zip",
        "binary/octet-stream",
        "image/tiff",
        "text/csv",
        "text/plain",
        "text/tab-separated-values",
    }
)
"""What no browser runs anything of. A list of what it does run would never be whole; and where a type is missing, or
is none that there is, a browser guesses one."""

MAX_WHOLE_BYTES = 32 * 1024 * 1024
"""A notebook that is put together from a copy and its journal is held in memory, several times over."""

NO_SUCH_RUN = "there is no such run, or you may not see it"
"""The one answer to whatever does not lead to a run of the asking user: nobody learns what there is."""


@dataclass(frozen=True)
class Run:
    """A run that the asking user may see."""

    workspace: Workspace
    record: RunRecord
    manifest: Manifest

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self.manifest.run_id

    def show(self, key: str | None, media_type: str, marks: Mapping[str, str], what: str) -> Response:
        """A file of the run, streamed, to be looked at in the browser."""
        return StreamingResponse(self._stream(key, what), media_type=media_type, headers=dict(marks))

    def download(self, key: str | None, media_type: str, name: str, signed: bool = False) -> Response:
        """A file of the run, streamed; images are shown, everything else is saved.

        Args:
            key: of the file, relative to the run's prefix.
            media_type: as the manifest has it.
            name: what it is saved as.
            signed: whether the browser may be sent to the bucket for it, where that signs URLs.
        """
        shown = media_type in INLINE_IMAGES
        link = self._link(key) if signed and key is not None and not shown and is_inert(media_type) else None
        if link is not None:
            return RedirectResponse(link, 302, headers={**headers.FILE, "Cache-Control": "no-store"})
        disposition = f"{'inline' if shown else 'attachment'}; filename*=UTF-8''{quote(name, safe='')}"
        return StreamingResponse(
            self._stream(key, name),
            media_type=media_type if shown else "application/octet-stream",
            headers={**headers.FILE, "Content-Disposition": disposition},
        )

    def download_notebook(self) -> Response:
        """The executed notebook; of a run that goes on, as of its last flush, or its last copy where it is large."""
        name = f"{self.manifest.notebook.id}.ipynb"
        if self.manifest.sealed or self.manifest.files.notebook is None:
            return self.download(self.manifest.files.notebook, "application/x-ipynb+json", name)
        store, places = self.record.store, keys.AttemptKeys(self.manifest.attempt)
        try:
            if sum(each.size for each in journal.pieces(store, places)) > MAX_WHOLE_BYTES:
                return self.download(places.notebook, "application/x-ipynb+json", name)
        except ObjectMissing as error:
            raise HTTPException(404, f"the run has no {name} yet") from error
        found = journal.current(store, places)
        if found is None:
            raise HTTPException(404, f"the run has no {name} yet")
        disposition = f"attachment; filename*=UTF-8''{quote(name, safe='')}"
        marks = {**headers.FILE, "Content-Disposition": disposition}
        return Response(json.dumps(found), media_type="application/octet-stream", headers=marks)

    def _link(self, key: str) -> str | None:
        """A link into the bucket; None where it signs none, or would call the file what a browser may run.

        The bucket's word is asked for, since the browser gets that one: notebooks can write there, as what they like.
        """
        url = self.record.store.signed(key, SIGNED_SECONDS)
        return url if url is not None and is_inert(self.record.store.media_type(key) or "") else None

    def _stream(self, key: str | None, what: str) -> Iterator[bytes]:
        if key is None:
            raise HTTPException(404, f"the run has no {what} yet")
        return self.record.store.stream(key)


def is_ended_with_its_dag_run(manifest: Manifest) -> bool:
    """Whether a DAG of ours runs it, alone. In a DAG of somebody's own other work may stand beside it."""
    return manifest.airflow is not None and manifest.airflow.dag_id in (manifest.notebook.id, keys.RUN_NOTEBOOK_DAG)


@dataclass(frozen=True)
class Waiting:
    """A run that Airflow has taken and that has no record yet; the asking user may see it."""

    workspace: Workspace
    asked: Asked

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self.asked.run_id


SIGNED_SECONDS = 60
"""How long a link into the bucket is good for: the browser follows it at once."""


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
    found = recorded(site, require_workspace(site, user, workspace), run_id)
    if found is None:
        raise HTTPException(404, NO_SUCH_RUN)
    return found


def open_attempt(run: OpenRun, attempt: int) -> Run:
    """An earlier attempt of a run, or its newest."""
    if attempt == run.manifest.attempt:
        return run
    manifest = run.record.earlier(attempt) if 1 <= attempt < run.manifest.attempt else None
    if manifest is None or (manifest.run_id, manifest.attempt) != (run.run_id, attempt):
        raise HTTPException(404, f"run {run.run_id} has no attempt {attempt}")
    return Run(run.workspace, run.record, manifest)


def open_seen(site: Here, user: User, workspace: str, run_id: str) -> Run | Waiting:
    """The run of a path, also one that only Airflow knows of yet."""
    place = require_workspace(site, user, workspace)
    found = recorded(site, place, run_id)
    if found is not None:
        return found
    asked = site.world.waiting_run(place, run_id)
    # It may have begun in between.
    began = recorded(site, place, run_id)
    if began is not None:
        return began
    if asked is None:
        raise HTTPException(404, NO_SUCH_RUN)
    return Waiting(place, asked)


def is_inert(media_type: str) -> bool:
    """Whether a browser that gets such a file from elsewhere, without our headers, runs nothing of it for sure."""
    kind = media_type.partition(";")[0].strip().lower()
    return kind in INERT or kind.startswith(("audio/", "video/"))


def recorded(site: Site, workspace: Workspace, run_id: str) -> Run | None:
    """A run that has a record; None where there is none. Who may see it was decided before."""
    if not is_moment(run_id):
        return None
    record = record_of(site.world.bucket(workspace), run_id)
    manifest = record.read()
    # A manifest that names another run is none of this one; its name would lead the page's links astray.
    return Run(workspace, record, manifest) if manifest is not None and manifest.run_id == run_id else None


OpenRun = Annotated[Run, Depends(open_run)]
OpenAttempt = Annotated[Run, Depends(open_attempt)]
SeenRun = Annotated[Run | Waiting, Depends(open_seen)]
