"""Brings the project's files to the cluster's driver before cells run there; sends only what has changed.

scanning, ignoring, patterns, repository    what belongs to the project, how large it is
state, tree                                 what the files hold; what makes one state another one
packing, sending, uploading                 how blocks travel
calling, driver/                            what runs on the driver
synchronising                               the story
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from daybook.databricks.settings import SyncSettings
from daybook.databricks.sync.calling import Driver
from daybook.databricks.sync.naming import folder_name
from daybook.databricks.sync.repository import excludes_file
from daybook.databricks.sync.state import Memory
from daybook.databricks.sync.synchronising import FileSynchroniser
from daybook.databricks.sync.uploading import Uploads

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

__all__ = ["FileSynchroniser", "synchroniser"]


def synchroniser(
    settings: SyncSettings,
    client: WorkspaceClient,
    run_id: str | None = None,
    environment: Mapping[str, str] = os.environ,
) -> FileSynchroniser:
    """What keeps a new, private folder on a cluster's driver the same as the project's.

    Args:
        settings: which files.
        client: the user's, who uploads.
        run_id: the run's, if cells belong to one.
        environment: where the user's caches and git's configuration are found by.
    """
    driver = Driver(folder_name(settings.source.name, run_id))
    excludes = excludes_file(settings.source, environment) if settings.use_gitignore else None
    return FileSynchroniser(
        settings, driver, Uploads(driver, client), Memory.of(settings.source, environment), excludes
    )
