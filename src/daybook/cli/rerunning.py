"""From a run's record to the request that makes it again."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from daybook.catalogue import Notebook, digest_of
from daybook.cli.asking import Request, check
from daybook.cli.settings import Settings
from daybook.cli.waiting import Waiting, look_up
from daybook.contract import keys
from daybook.contract.errors import Fault, InvalidRequest
from daybook.contract.manifest import Manifest
from daybook.contract.repeating import given_values
from daybook.storage import RunRecord, open_store


@dataclass(frozen=True)
class Original:
    """The run that is to be made again.

    Attributes:
        manifest: what its record says.
        record: where that lies.
        environment: the process's own variables, with those of the run's workspace.
    """

    manifest: Manifest
    record: RunRecord
    environment: Mapping[str, str] = field(repr=False)


def find_original(text: str, project: Path | None) -> Original:
    """The run that a text means: by a place, the folder or URL of its record, else as `daybook show` finds it.

    Raises:
        InvalidRequest: there is no such run, or it has no record yet.
        InvalidSettings: it is none of a place, and there is no project to find it in.
        StoreFailed: the bucket does not answer.
    """
    if "/" in text or Path(text, keys.MANIFEST).is_file():
        record = _record_at(text)
        manifest = record.read() if record is not None else None
        if record is None or manifest is None:
            raise InvalidRequest("no such run", [Fault(text, f"holds no record of a run ({keys.MANIFEST})")])
        return Original(manifest, record, os.environ)
    found = look_up(Settings.find(project), text)
    if isinstance(found, Waiting):
        raise InvalidRequest("cannot run it again", [Fault(found.run_id, "has no record yet; wait until it has begun")])
    return Original(found.manifest, found.record, {**os.environ, **found.workspace.environment})


def ask_again(settings: Settings, old: Manifest, workspace_name: str | None) -> Request:
    """The request that makes a run again through Airflow; it passes the checks that any request does.

    Args:
        settings: where catalogue and workspaces are.
        old: the run.
        workspace_name: another workspace than the run's own.

    Raises:
        InvalidRequest: the catalogue has the notebook no more or it takes other values now, the workspace is gone, or
            the record lacks a value; every fault is named.
    """
    values = given_values(old)
    return check(settings, old.notebook.id, {}, values, workspace_name or old.workspace, old.settings)


def sha256_now(notebook: Notebook) -> str | None:
    """The digest of a notebook's file as it is now; None for one elsewhere that the catalogue does not pin."""
    digest = notebook.digest
    if digest is None and "://" not in notebook.source:
        try:
            digest = digest_of(Path(notebook.source).read_bytes())
        except OSError:
            return None  # asking for the run tells what is wrong with it
    return digest.removeprefix("sha256:") if digest is not None else None


def image_now(request: Request) -> str:
    """The image that a request asks for."""
    return request.notebook.run.image or request.workspace.image


def _record_at(place: str) -> RunRecord | None:
    """The record at a folder or URL; None for a folder that is not there, which opening it would make."""
    folder = unquote(urlsplit(place).path) if place.startswith("file:") else place
    remote = "://" in folder
    return RunRecord(open_store(place, os.environ)) if remote or Path(folder).is_dir() else None
