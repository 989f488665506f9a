"""A context's real process, and a run that wants what a notebook makes in it."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from databricks.standin.cutting import LIMIT, cut
from databricks.standin.interpreter import Interpreter
from daybook.contract import variables
from daybook.databricks.errors import RemoteFailed
from daybook.databricks.in_run.companion import Companion
from daybook.databricks.in_run.telling import Telling


class Process:
    """The process of a context, asked directly: a `Remote` without a line in between.

    Attributes:
        asked: the code of every command.
        text_limit: characters of a result, before it is cut as Databricks does.
    """

    def __init__(self, home):
        self.home = home
        self.asked = []
        self.text_limit = LIMIT
        self.begin()

    def begin(self):
        self._interpreter = Interpreter(self.home, "python")

    def end(self):
        self._interpreter.close()

    def run_python(self, code, *, limit_seconds=None):
        self.asked.append(code)
        assert limit_seconds is None or limit_seconds > 0
        result = self._interpreter.run(code, lambda _: None)
        if result["resultType"] == "error":
            raise RemoteFailed(result["summary"])
        return cut(result["data"], self.text_limit)


@dataclass
class Run:
    """Where a runner wants outputs and results, and what it was told."""

    folder: Path

    def __post_init__(self):
        self.outputs.mkdir(parents=True)

    @property
    def outputs(self):
        return self.folder / "work" / "outputs"

    @property
    def events(self):
        return self.folder / "events.jsonl"

    @property
    def environment(self):
        return {
            variables.OUTPUTS_VARIABLE: str(self.outputs),
            variables.RESULTS_VARIABLE: str(self.events),
            variables.WORKSPACE_VARIABLE: "research",
            variables.RUN_VARIABLE: "run-1",
            variables.NOTEBOOK_VARIABLE: "nb",
            variables.USER_VARIABLE: "ada",
            "DATABRICKS_TOKEN": "hush-token",
            f"{variables.SECRET_VARIABLE_PREFIX}key": "hush-input",
        }

    @property
    def fetched(self):
        """What is in the outputs folder, by path."""
        return {
            path.relative_to(self.outputs).as_posix(): path.read_bytes()
            for path in sorted(self.outputs.rglob("*"))
            if path.is_file()
        }


@pytest.fixture
def process(tmp_path):
    process = Process(tmp_path / "cluster")
    yield process
    process.end()


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path / "run")


@pytest.fixture
def companion(run):
    return Companion(run.environment, Telling(run.environment))
