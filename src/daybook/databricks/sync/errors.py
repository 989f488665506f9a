"""What is wrong with the files at home; a branch of `contract.errors`.

InvalidRequest
├── FileSizeError       user      no retry   more than the limits allow; nothing was sent
└── FilesUnreadable     user      no retry   files that belong to the project cannot be read; nothing was sent
RemoteFailed
└── SyncFailed          operator  retry      the files could not be brought there whole
"""

from __future__ import annotations

from daybook.contract.errors import InvalidRequest
from daybook.databricks.errors import RemoteFailed


class FileSizeError(InvalidRequest):
    """A file, or all of them together, is larger than the settings allow. Nothing was sent."""


class FilesUnreadable(InvalidRequest):
    """Files that belong to the project cannot be read. Nothing was sent."""


class SyncFailed(RemoteFailed):
    """The files could not be brought to the cluster whole; what lies there is not to be used."""
