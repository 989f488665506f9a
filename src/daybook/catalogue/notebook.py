"""One catalogue entry: what a notebook is, what it takes, how and when it runs."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Self

from pydantic import (
    AfterValidator,
    Field,
    JsonValue,
    StrictBool,
    StrictInt,
    model_validator,
)

from daybook.catalogue.cron import PRESETS, cron_fault
from daybook.catalogue.inputs import Input, Source, name_fault, resolve
from daybook.catalogue.kinds.dates import parse_date
from daybook.catalogue.model import AnyJson, FoundFault, Strict, Texts, matching, several
from daybook.catalogue.run_settings import RunSettings, with_chosen
from daybook.catalogue.suggest import did_you_mean
from daybook.catalogue.values import Refused, shown
from daybook.contract.errors import InvalidRequest

DEFAULT_MAX_ACTIVE_RUNS = 16
"""Runs of one notebook at once, Airflow's own default for a DAG."""

RESERVED_IDS = frozenset({"run_notebook", "clean_up"})
"""DAGs that Daybook itself makes."""

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
_URL = re.compile(r"(https?|s3)://[^\s\\@]+")
_WHOLE_TEMPLATE = re.compile(r"\{\{.+?\}\}", re.DOTALL)


def id_fault(notebook_id: str) -> str | None:
    """Return why a text cannot name a notebook, or None.

    An id becomes an Airflow DAG id, a folder and part of page addresses.
    """
    if notebook_id in RESERVED_IDS:
        return "is the name of one of Daybook's own DAGs; choose another"
    if not _ID.fullmatch(notebook_id):
        return "must be at most 128 letters, digits, '_', '-' and '.', beginning with a letter or digit"
    if ".." in notebook_id or notebook_id.endswith("."):
        return "must neither hold '..' nor end with '.'"
    return None


def digest_of(content: bytes) -> str:
    """Return the digest of a notebook file as the catalogue and the manifest write it: `sha256:` and 64 hex digits."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def is_url(source: str) -> bool:
    """Tell whether a source is a URL that the runner fetches."""
    return _URL.fullmatch(source) is not None


def is_template(value: object) -> bool:
    """Tell whether a schedule's value is a template that is rendered for each run."""
    return isinstance(value, str) and "{{" in value


_DIGEST = matching(r"sha256:[0-9a-f]{64}", "sha256: and 64 hex digits")
_NAME = matching(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,127}", "a name of letters, digits, '_', '-', '.' and '@'")


def _timezone(name: str) -> str:
    from zoneinfo import ZoneInfo

    if name != "UTC":  # known even where the machine has no time zone data
        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError):
            raise ValueError(f"'{name}' is no time zone such as Europe/London") from None
    return name


def _start(text: str) -> str:
    try:
        return parse_date(text).isoformat()
    except Refused as error:
        raise ValueError(str(error)) from None


def _cron(expression: str) -> str:
    fault = cron_fault(expression)
    if fault:
        raise ValueError(fault)
    return expression


class Schedule(Strict):
    """When a notebook runs by itself, and with which parameters."""

    cron: Annotated[str, AfterValidator(_cron)] | None = Field(
        None, description=f"Five cron fields, or one of {', '.join(PRESETS)}."
    )
    assets: Texts | None = Field(
        None, description="Ids of notebooks, or asset URIs; a run starts when all of them were updated."
    )
    parameters: dict[str, AnyJson] = Field(
        default_factory=dict,
        description="Values of inputs. A text may hold a template such as {{ data_interval_start | ds }}.",
    )
    catch_up: StrictBool = Field(False, description="Whether missed intervals since start_date are run too.")
    max_active_runs: Annotated[StrictInt, Field(ge=1)] = Field(1, description="Scheduled runs at once.")
    start_date: Annotated[str, AfterValidator(_start)] | None = Field(None, description="The first day, as 2013-01-31.")
    timezone: Annotated[str, AfterValidator(_timezone)] = Field("UTC", description="The time zone of the cron fields.")
    owner: Annotated[str, _NAME] | None = Field(None, description="The user the runs are on behalf of.")
    workspace: Annotated[str, _NAME] | None = Field(None, description="The workspace the runs are in.")
    short_form: ClassVar[dict[str, Any] | None] = {"type": "string"}

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, data: Any) -> Any:
        return {"cron": data} if isinstance(data, str) else data

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        faults = list(self._faults())
        if faults:
            raise several(faults)
        return self

    def _faults(self) -> Iterator[FoundFault]:
        if (self.cron is None) == (not self.assets):
            yield (), "must have either cron or assets"
        for position, asset in enumerate(self.assets or ()):
            if "://" not in asset and id_fault(asset):
                yield ("assets", position), f"'{asset}' is neither a notebook's id nor an asset URI"
        if self.catch_up and (self.cron is None or self.start_date is None):
            yield ("catch_up",), "needs cron and a start_date to catch up from"


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
    owner: Annotated[str, _NAME] | None = Field(None, description="Who answers for the notebook.")
    workspaces: tuple[Annotated[str, _NAME], ...] = Field((), description="Workspaces that may run it; all when empty.")


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
        if self.schedule is not None:
            faults += _schedule_faults(self, self.schedule)
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


def _schedule_faults(notebook: Notebook, schedule: Schedule) -> Iterator[FoundFault]:
    known = {item.name: item for item in notebook.inputs}
    place = ("schedule", "parameters")
    for name, value in schedule.parameters.items():
        fault = _template_fault(value)
        if fault:
            yield (*place, name), fault
        elif name not in known:
            hint = did_you_mean(name, known, otherwise="its inputs are")
            if is_template(value) or not notebook.open_inputs:
                yield (*place, name), f"is not an input of this notebook{hint}"
            elif unfit := name_fault(name):
                yield (*place, name), unfit
        elif not is_template(value):
            yield from (((*place, name), message) for message in _value_faults(known[name], value))
    missing = [item.name for item in notebook.inputs if item.is_required and item.name not in schedule.parameters]
    if missing:
        yield place, f"must give {', '.join(missing)}: a scheduled run has nobody to ask, and there is no default"


def _template_fault(value: object) -> str | None:
    if not isinstance(value, str):
        inner = value if isinstance(value, list) else list(value.values()) if isinstance(value, dict) else []
        within = any(is_template(item) or _template_fault(item) for item in inner)
        return "holds a template within a list or object; only a whole text may be one" if within else None
    rest = _WHOLE_TEMPLATE.sub("", value)
    return f"has a template without its end: {shown(value)}" if "{{" in rest else None


def _value_faults(item: Input, value: object) -> list[str]:
    try:
        resolve([item], {item.name: value})
    except InvalidRequest as error:
        return [fault.message for fault in error.faults]
    return []
