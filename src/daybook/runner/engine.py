"""Papermill's engine interface, under which our own engine owns saving and the life of cells.

The runner calls the engine with a `Hosting` of its own. Papermill itself (`papermill --engine daybook IN OUT`, or
`execute_notebook(…, engine_name="daybook")`) passes none and gets one that saves to its output path. The runner does
not load papermill to be called back by it: see docs/decisions/0010-papermill-is-not-loaded.md.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daybook.contract import variables
from daybook.contract.request import Limits
from daybook.runner.ending import Ending
from daybook.runner.executing import Execution, Hosting
from daybook.runner.interruption import Interruption
from daybook.runner.kernel import KernelPlace, KernelProcess
from daybook.runner.kernels import choose, installed
from daybook.runner.redaction import Redactor, secrets_of
from daybook.runner.side_files import SideFiles

_UNLIMITED = 2**63
"""Papermill has no place beside its notebook for what is too large for it."""


class DaybookEngine:
    """Papermill's interface; see `daybook.runner.executing` for what it does.

    It does not inherit from papermill's `Engine`: papermill loads its engines while it is itself being imported.
    """

    @classmethod
    def execute_notebook(
        cls, nb: Any, kernel_name: str, output_path: str | None = None, hosting: Hosting | None = None, **options: Any
    ) -> Any:
        """Executes a notebook and returns it; cells that never ran say so, whatever ended the run.

        Args:
            nb: the notebook, changed in place.
            kernel_name: which kernel; used only without `hosting`, which has one.
            output_path: where papermill keeps the notebook; used only without `hosting`, which saves by itself.
            hosting: what surrounds the execution; its `ending` tells afterwards how it ended.
            options: papermill's; `execution_timeout` is the limit of one cell in seconds, the rest needs no care here.

        Raises:
            KernelUnavailable: the kernel did not come up.
        """
        if hosting is not None:
            hosting.ending = asyncio.run(Execution(nb, hosting).run())
            return nb
        with tempfile.TemporaryDirectory(prefix="daybook-engine-") as folder, Interruption() as interruption:
            place = KernelPlace(Path.cwd(), _environment(Path(folder)), Path(folder) / "kernel.log")
            with KernelProcess(choose(nb, kernel_name, installed()), place) as kernel:
                saving = _PapermillFile(nb, output_path)
                limits = Limits(
                    timeout_seconds=None,
                    cell_timeout_seconds=options.get("execution_timeout") or None,
                    cell_output_bytes=_UNLIMITED,
                    output_bytes=_UNLIMITED,
                )
                alone = Hosting(
                    kernel=kernel,
                    saving=saving,
                    side_files=SideFiles(Path(folder), lambda _: None),
                    redactor=Redactor(secrets_of(os.environ)),
                    limits=limits,
                    interruption=interruption,
                )
                cls.execute_notebook(nb, kernel_name, hosting=alone)
                saving.copy(0)
                return nb

    @classmethod
    def nb_kernel_name(cls, nb: Any, name: str | None = None) -> str:
        """The kernel that papermill names in the notebook's record."""
        return choose(nb, name, installed()).name

    @classmethod
    def nb_language(cls, nb: Any, language: str | None = None) -> str:
        """The language that papermill writes parameters in."""
        return language or choose(nb, None, installed()).language


def host(notebook: Any, hosting: Hosting) -> Ending:
    """Executes a notebook by the engine, and says how it ended.

    Raises:
        KernelUnavailable: the kernel did not come up.
    """
    DaybookEngine.execute_notebook(notebook, hosting.kernel.spec.name, hosting=hosting)
    if hosting.ending is None:
        raise RuntimeError("the engine came back without an ending")
    return hosting.ending


@dataclass(frozen=True)
class _PapermillFile:
    """The file that papermill itself writes to, as a place for copies on the way."""

    notebook: Any
    path: str | None

    def copy(self, _: int, /) -> int:
        from papermill.iorw import write_ipynb

        if self.path is None:
            return 1
        write_ipynb(self.notebook, self.path)
        return Path(self.path).stat().st_size if Path(self.path).is_file() else 1

    def size(self) -> int:
        """Nobody asks where there is no journal."""
        return 0

    def follow(self, _: int, /) -> None:
        """There is no journal."""


def _environment(folder: Path) -> dict[str, str]:
    return {**os.environ, variables.RESULTS_VARIABLE: str(folder / "events.jsonl")}
