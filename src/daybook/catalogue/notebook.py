"""One catalogue entry: what a notebook is, what it takes, how and when it runs."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Self

from pydantic import Field, JsonValue, StrictInt, model_validator

from daybook.catalogue.ids import NAME, id_fault
from daybook.catalogue.inputs import Input, Source, resolve
from daybook.catalogue.model import FoundFault, Strict, Texts, matching, several
from daybook.catalogue.run_settings import RunSettings, with_chosen
from daybook.catalogue.schedule import Schedule, is_template, parameter_faults
from daybook.contract.errors import Fault, InvalidRequest

DEFAULT_MAX_ACTIVE_RUNS = 16
"""Runs of one notebook at once, Airflow's own default for a DAG."""

NO_SECRETS_THERE = (
    "executes cells on a Databricks cluster, where secret inputs do not reach; keep the values in a secret scope of "
    "Databricks, and let the notebook ask for them: dbutils.secrets.get(scope, key)"
)
"""A value would travel in the text of a command, which the cluster's owners can read in its history and audit log."""

_URL = re.compile(r"(https?|s3)://[^\s\\@]+")
_DIGEST = matching(r"sha256:[0-9a-f]{64}", "sha256: and 64 hex digits")


def digest_of(content: bytes) -> str:
    """Return the digest of a notebook file as the catalogue and the manifest write it: `sha256:` and 64 hex digits."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def is_url(source: str) -> bool:
    """Tell whether a source is a URL that the runner fetches."""
    return _URL.fullmatch(source) is not None


class NotebookSettings(Strict):
    """What catalogue files of every form say about a notebook."""

    title: str = Field("", description="What people read in place of the id.")
    description: str = Field("", description="One or two sentences: what the notebook does.")
    markdown: str = Field("", description="A longer text, in Markdown.")
    collections: Texts = Field((), description="Data collections that it works on.")
    tags: Texts = Field((), description="Words to find it by.")
    digest: Annotated[str, _DIGEST] | None = Field(
        None, description="sha256: and 64 hex digits; a notebook file with another digest is refused."
    )
    run: RunSettings = Field(default_factory=RunSettings, description="How it runs.")
    schedule: Schedule | None = Field(None, description="When it runs by itself.")
    max_active_runs: Annotated[StrictInt, Field(ge=1)] = Field(
        DEFAULT_MAX_ACTIVE_RUNS, description="Runs at once, scheduled or not."
    )
    owner: Annotated[str, NAME] | None = Field(None, description="Who answers for the notebook.")
    workspaces: tuple[Annotated[str, NAME], ...] = Field((), description="Workspaces that may run it; all when empty.")


class Notebook(NotebookSettings):
    """A notebook that can be run.

    Attributes:
        source: absolute path, or URL (http, https, s3), of the notebook file.
        inputs_inferred: whether the inputs were read off the notebook's parameters cell.
        open_inputs: whether it takes parameters beyond `inputs`, with any JSON value: so where nothing declares its
            inputs and they cannot be inferred (a source elsewhere, a language other than Python).
        defined_in: the catalogue file or notebook file that the entry comes from.
    """

    id: str
    source: str
    inputs: tuple[Input, ...] = ()
    inputs_inferred: bool = False
    open_inputs: bool = False
    defined_in: str = ""

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        fault = id_fault(self.id)
        faults: list[FoundFault] = [(("id",), f"'{self.id}' {fault}")] if fault else []
        if self.run.is_on_databricks and self.secret_inputs:
            faults.append((("run", "kernel"), NO_SECRETS_THERE))
        if self.schedule is not None:
            faults += parameter_faults(self.schedule, self.inputs, self.open_inputs)
        if faults:
            raise several(faults)
        if not self.title:
            title = re.sub(r"[_.-]+", " ", self.id).strip()
            object.__setattr__(self, "title", title[:1].upper() + title[1:])
        return self

    @property
    def secret_inputs(self) -> frozenset[str]:
        """Names of the inputs whose values are references to secrets, which never stand among the parameters."""
        return frozenset(item.name for item in self.inputs if item.type == "secret")

    @property
    def default_workspace(self) -> str | None:
        """The workspace of a run that names none; None leaves it to the installation, whose first one it is then."""
        scheduled = self.schedule.workspace if self.schedule else None
        return scheduled or next(iter(self.workspaces), None)

    def resolve(self, given: Mapping[str, Any], source: Source = "json") -> dict[str, JsonValue]:
        """Return the parameters of a run; see `daybook.catalogue.inputs.resolve`."""
        return resolve(self.inputs, given, source, open_names=self.open_inputs, what=f"Notebook '{self.id}'")

    def with_settings(self, chosen: object) -> Self:
        """Return the notebook as it runs with the settings that somebody chose for one run.

        Args:
            chosen: a mapping of some of `CHOOSABLE` to values; None, for all or for one of them, chooses nothing.

        Raises:
            InvalidRequest: they are not as the catalogue wants them; every fault is named, as in `run_settings.memory`.
        """
        run = with_chosen(self.run, chosen)
        if run.is_on_databricks and self.secret_inputs:
            raise InvalidRequest(
                "the run's settings cannot be like this", [Fault("run_settings.kernel", NO_SECRETS_THERE)]
            )
        return self if run is self.run else self.model_copy(update={"run": run})

    def scheduled_parameters(self, render: Callable[[str], str]) -> dict[str, JsonValue]:
        """Return the parameters of a scheduled run.

        Args:
            render: turns a template into its text for this run; the text is read as in a link.

        Raises:
            InvalidRequest: what a template gave does not fit its input.
        """
        known = {item.name: item for item in self.inputs}
        values: dict[str, JsonValue] = {}
        texts: dict[str, str] = {}
        for name, value in (self.schedule.parameters if self.schedule else {}).items():
            if is_template(value):
                texts[name] = render(value)
            else:
                values[name] = value
        rendered = [item for name, item in known.items() if name in texts]
        values |= resolve(rendered, texts, "query", what=f"The schedule of notebook '{self.id}'")
        return self.resolve(values)


@dataclass(frozen=True)
class NotRunnable:
    """An entry that the catalogue lists but Daybook does not run, such as a workflow."""

    id: str
    title: str
    reason: str
    description: str = ""
