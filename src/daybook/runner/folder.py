"""The working folder of one attempt: the kernel's own place, and copies of all that goes to the bucket."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from daybook.contract import keys
from daybook.contract.errors import InfrastructureFailed


@dataclass(frozen=True)
class WorkingFolder:
    """Paths of one attempt's files on this machine.

    Attributes:
        root: holds all of them; removed once everything is in the bucket.
    """

    root: Path

    @classmethod
    def make(cls, within: Path) -> WorkingFolder:
        """A new folder with what a run needs in it.

        Raises:
            InfrastructureFailed: the disk does not take it.
        """
        try:
            within.mkdir(parents=True, exist_ok=True)
            made = cls(Path(tempfile.mkdtemp(prefix="daybook-run-", dir=within)).absolute())
            made.outputs.mkdir(parents=True)
        except OSError as error:
            raise InfrastructureFailed(
                f"cannot make a working folder in {within}: {error.strerror or error}"
            ) from error
        return made

    @property
    def kernel(self) -> Path:
        """The kernel's current folder, empty but for the outputs folder when the notebook starts."""
        return self.root / "work"

    @property
    def outputs(self) -> Path:
        """The outputs folder, so that a notebook that writes to `outputs/…` without our helper is right too."""
        return self.kernel / keys.OUTPUTS

    @property
    def events(self) -> Path:
        """What `daybook.notebook` tells the runner, one JSON object a line."""
        return self.root / "events.jsonl"

    @property
    def journal(self) -> Path:
        """What changes in the notebook while it runs, one delta a line."""
        return self.root / "journal.jsonl"

    @property
    def side_files(self) -> Path:
        """Output that is too large for the notebook."""
        return self.root / keys.SIDE_FILES

    @property
    def kernel_log(self) -> Path:
        """What the kernel's process itself prints, outside of any cell."""
        return self.root / "kernel.log"

    @property
    def aws_config(self) -> Path:
        """What the notebook's own AWS libraries are told."""
        return self.root / "aws-config"

    @property
    def notebook(self) -> Path:
        """The executed notebook."""
        return self.root / keys.NOTEBOOK_FILE

    @property
    def html(self) -> Path:
        """The executed notebook, rendered."""
        return self.root / keys.HTML_FILE

    @property
    def log(self) -> Path:
        """The run's log."""
        return self.root / keys.LOG_FILE

    @property
    def manifest(self) -> Path:
        """The manifest, kept here only when the bucket does not take it."""
        return self.root / keys.MANIFEST

    def remove(self) -> None:
        """Removes everything; what cannot be removed stays, for the run itself is safe by then."""
        shutil.rmtree(self.root, ignore_errors=True)
