"""When a notebook runs by itself, and with which parameters."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, Field, StrictBool, StrictInt, model_validator

from daybook.catalogue.cron import PRESETS, cron_fault
from daybook.catalogue.ids import NAME, id_fault
from daybook.catalogue.inputs import Input, name_fault, resolve
from daybook.catalogue.kinds.dates import parse_date
from daybook.catalogue.model import AnyJson, FoundFault, Strict, Texts, several
from daybook.catalogue.suggest import did_you_mean
from daybook.catalogue.values import Refused, shown
from daybook.contract.errors import InvalidRequest

_WHOLE_TEMPLATE = re.compile(r"\{\{.+?\}\}", re.DOTALL)


def is_template(value: object) -> bool:
    """Tell whether a schedule's value is a template that is rendered for each run."""
    return isinstance(value, str) and "{{" in value


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
    owner: Annotated[str, NAME] | None = Field(None, description="The user the runs are on behalf of.")
    workspace: Annotated[str, NAME] | None = Field(None, description="The workspace the runs are in.")
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


def parameter_faults(schedule: Schedule, inputs: Sequence[Input], open_inputs: bool) -> Iterator[FoundFault]:
    """Tell what is wrong with a schedule's parameters, by their place in the entry.

    Args:
        schedule: with parameters and templates.
        inputs: of its notebook.
        open_inputs: whether the notebook takes parameters beyond them.
    """
    known = {item.name: item for item in inputs}
    place = ("schedule", "parameters")
    for name, value in schedule.parameters.items():
        fault = _template_fault(value)
        if fault:
            yield (*place, name), fault
        elif name not in known:
            hint = did_you_mean(name, known, otherwise="its inputs are")
            if is_template(value) or not open_inputs:
                yield (*place, name), f"is not an input of this notebook{hint}"
            elif unfit := name_fault(name):
                yield (*place, name), unfit
        elif not is_template(value):
            yield from (((*place, name), message) for message in _value_faults(known[name], value))
    missing = [item.name for item in inputs if item.is_required and item.name not in schedule.parameters]
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
