"""Papermill's engine interface, under which our own engine owns saving and the life of cells.

The runner passes a `Hosting` of its own. Papermill's command line (`papermill --engine daybook IN OUT`) passes none and
gets one that saves to its output path.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from daybook.contract import variables
from daybook.contract.errors import KernelUnavailable
from daybook.contract.request import Limits
from daybook.runner.cells import lay_out
from daybook.runner.ending import Ending
from daybook.runner.executing import Execution, Hosting
from daybook.runner.interruption import Interruption
from daybook.runner.kernel import KernelPlace, KernelProcess
from daybook.runner.kernels import choose, installed

_ELSEWHERE = ("adlfs", "azure", "boto3", "botocore", "gcsfs", "github", "pyarrow", "pyarrow.fs")
"""What papermill imports only to read and write notebooks, which the runner does itself: up to seconds of start-up."""


@contextmanager
def _without_storage_libraries() -> Iterator[None]:
    """Lets papermill be imported as if no storage library were installed; those loaded already stay."""
    hidden = [name for name in _ELSEWHERE if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None means: cannot be imported
    try:
        yield
    finally:
        for name in hidden:
            if sys.modules.get(name, sys) is None:
                del sys.modules[name]


ENGINE = "daybook"


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
                alone = _alone(kernel, output_path, options.get("execution_timeout"), interruption)
                cls.execute_notebook(nb, kernel_name, hosting=alone)
                alone.save(nb)
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
    """Executes a notebook under papermill's engine interface, and says how it ended.

    Raises:
        KernelUnavailable: the kernel did not come up.
    """
    with _without_storage_libraries():
        from papermill.engines import papermill_engines

    papermill_engines.register(ENGINE, DaybookEngine)
    try:
        papermill_engines.execute_notebook_with_engine(
            ENGINE, notebook, kernel_name=hosting.kernel.spec.name, hosting=hosting
        )
    except KernelUnavailable:
        lay_out(notebook)
        raise
    if hosting.ending is None:
        raise RuntimeError("the engine came back without an ending")
    return hosting.ending


def _alone(kernel: KernelProcess, output_path: str | None, cell_seconds: float | None, asked: Interruption) -> Hosting:
    from papermill.iorw import write_ipynb

    def save(notebook: Any) -> int:
        if output_path is None:
            return 0
        write_ipynb(notebook, output_path)
        return Path(output_path).stat().st_size if Path(output_path).is_file() else 0

    return Hosting(
        kernel=kernel,
        say=lambda _: None,
        printed=lambda _: None,
        progressed=lambda _: None,
        save=save,
        limits=Limits(timeout_seconds=None, cell_timeout_seconds=cell_seconds or None),
        interruption=asked,
    )


def _environment(folder: Path) -> dict[str, str]:
    return {**os.environ, variables.RESULTS_VARIABLE: str(folder / "events.jsonl")}
