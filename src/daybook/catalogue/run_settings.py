"""How a notebook runs: what its catalogue entry says, and what may be chosen anew for one run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, JsonValue, StrictBool, StrictInt, ValidationError, WithJsonSchema

from daybook.catalogue.model import Strict, matching, told
from daybook.catalogue.suggest import did_you_mean
from daybook.catalogue.values import unlike
from daybook.contract.databricks import CLUSTER_ID, is_databricks
from daybook.contract.errors import Fault, InvalidRequest
from daybook.contract.quantities import quantity, whole
from daybook.contract.request import DEFAULT_CELL_OUTPUT_BYTES, DEFAULT_OUTPUT_BYTES, Limits

WORKSPACE = "workspace"
"""Where a run's conf says where it is to run; it stands beside the inputs, which cannot be called so."""

RUN_SETTINGS = "run_settings"
"""Where a run's conf says which settings were chosen for it; inputs cannot be called so."""

CHOOSABLE = ("image", "kernel", "memory", "cpu", "timeout_seconds")
"""The settings that whoever runs a notebook may choose, within what the workspace allows. The others decide what a run
means (retries, early ends) or what it costs others (GPUs, disk), and stay with the catalogue."""

DEFAULT_TIMEOUT_SECONDS = 3600
"""A run's time unless its notebook says otherwise: an hour ends a forgotten endless loop the same day."""

MAX_TIMEOUT_SECONDS = 7 * 24 * 3600
"""The longest a run may take; a week holds every batch computation we know of, and still ends what hangs."""

MAX_GPUS = 64
"""More than any node has; what a workspace really gives is its `maximum.gpu`."""

MAX_RETRIES = 10
"""Attempts after the first; each is a whole new pod."""

_QUANTITY_SCHEMA = WithJsonSchema({"type": ["string", "number"]})


def _quantity(value: object) -> object:
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


_CPU = matching(
    r"(?!0+(\.0*)?m?$)([0-9]{1,9}(\.[0-9]{1,3})?|[0-9]{1,12}m)", "an amount of processors such as 2, 0.5 or 500m"
)
_BYTES = r"[1-9][0-9]{0,18}(\.[0-9]{1,9})?(k|M|G|T|Ki|Mi|Gi|Ti)?"
"""No longer than what `contract.quantities` reads."""
_MEMORY = matching(_BYTES, "an amount of memory such as 512Mi or 4Gi")
_STORAGE = matching(_BYTES, "an amount of disk such as 500Mi or 20Gi")
_OUTPUT = matching(_BYTES, "an amount of bytes such as 500k or 10Mi")
_IMAGE = matching(r"[A-Za-z0-9][A-Za-z0-9_.:/@-]{0,254}", "an image such as daybook/notebook:1.2")
_KERNEL = matching(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}", "a kernel's name such as python3")
_CLUSTER = matching(CLUSTER_ID, "a cluster's id such as 1126-081234-abcd1234")


class RunSettings(Strict):
    """How a notebook runs; what is not given is the workspace's or the deployment's to say."""

    image: Annotated[str, _IMAGE] | None = Field(None, description="The container image; the default one has Spark.")
    kernel: Annotated[str, _KERNEL] | None = Field(None, description="The kernel; by default the notebook's own.")
    databricks_cluster: Annotated[str, _CLUSTER] | None = Field(
        None, description="The cluster of a run with the kernel `databricks`; by default the workspace's."
    )
    cpu: Annotated[str, BeforeValidator(_quantity), _CPU, _QUANTITY_SCHEMA] | None = Field(
        None, description="Processors, as Kubernetes writes them: 2, 0.5 or 500m."
    )
    memory: Annotated[str, BeforeValidator(_quantity), _MEMORY, _QUANTITY_SCHEMA] | None = Field(
        None, description="Memory, as Kubernetes writes it: 512Mi or 4Gi."
    )
    ephemeral_storage: Annotated[str, BeforeValidator(_quantity), _STORAGE, _QUANTITY_SCHEMA] | None = Field(
        None, description="Disk for the run's working folder and all that it writes, as memory is written."
    )
    gpu: Annotated[StrictInt, Field(ge=0, le=MAX_GPUS)] = Field(0, description="GPUs, of those the cluster has.")
    timeout_seconds: Annotated[StrictInt, Field(ge=1, le=MAX_TIMEOUT_SECONDS)] = Field(
        DEFAULT_TIMEOUT_SECONDS,
        description="Seconds one attempt may take; by default less where the workspace's maximum is.",
    )
    cell_timeout_seconds: Annotated[StrictInt, Field(ge=1, le=MAX_TIMEOUT_SECONDS)] | None = Field(
        None, description="Seconds one cell may take; by default as long as the attempt."
    )
    cell_output: Annotated[str, BeforeValidator(_quantity), _OUTPUT, _QUANTITY_SCHEMA] = Field(
        f"{DEFAULT_CELL_OUTPUT_BYTES // 2**20}Mi",
        description="How much text of one cell, and how much of its images and HTML, the notebook itself holds; "
        "the rest goes to files that it links to.",
    )
    output: Annotated[str, BeforeValidator(_quantity), _OUTPUT, _QUANTITY_SCHEMA] = Field(
        f"{DEFAULT_OUTPUT_BYTES // 2**20}Mi", description="The same for all cells together."
    )
    may_end_early: StrictBool = Field(
        False, description="Whether a cell may end the notebook, as a success, by exit(), quit() or sys.exit(0)."
    )
    retries: Annotated[StrictInt, Field(ge=0, le=MAX_RETRIES)] = Field(
        0, description="Further attempts when the infrastructure failed. A failing notebook is not tried again."
    )
    retry_notebook_errors: StrictBool = Field(
        False, description="Whether further attempts are also made when the notebook itself failed or took too long."
    )
    retry_with_more_memory: StrictBool = Field(
        False,
        description="Whether further attempts are also made when the memory did not suffice, each with twice as much, "
        "up to the workspace's maximum.",
    )
    spark: StrictBool = Field(True, description="Whether the run may use its workspace's Spark Connect server.")

    @property
    def is_on_databricks(self) -> bool:
        """Whether the cells are executed on a Databricks cluster."""
        return is_databricks(self.kernel)

    @property
    def asked_timeout_seconds(self) -> int | None:
        """The attempt's time where the notebook says something about it; None leaves it to the workspace."""
        return self.timeout_seconds if "timeout_seconds" in self.model_fields_set else None

    def limits(self, memory_bytes: int | None = None, timeout_seconds: float | None = None) -> Limits:
        """Return what holds for an attempt.

        Args:
            memory_bytes: what its processes may hold together; None where nothing is known of that.
            timeout_seconds: the attempt's time as its workspace decided; without one the notebook's own word stands.
        """
        return Limits(
            timeout_seconds=self.timeout_seconds if timeout_seconds is None else timeout_seconds,
            cell_timeout_seconds=self.cell_timeout_seconds,
            cell_output_bytes=whole(quantity(self.cell_output)),
            output_bytes=whole(quantity(self.output)),
            memory_bytes=memory_bytes,
        )


def with_chosen(settings: RunSettings, chosen: object) -> RunSettings:
    """Return the settings of one run; the same object where nothing is chosen.

    Args:
        settings: the catalogue's.
        chosen: a mapping of some of `CHOOSABLE` to values; None, for all or for one of them, chooses nothing.

    Raises:
        InvalidRequest: they are not as the catalogue wants them; every fault is named.
    """
    if chosen is None:
        return settings
    if not isinstance(chosen, Mapping):
        raise _refused([Fault(RUN_SETTINGS, str(unlike("an object of settings by name", chosen)))])
    given = {name: value for name, value in chosen.items() if value is not None}
    faults = [Fault(f"{RUN_SETTINGS}.{name}", _unknown(name)) for name in given if name not in CHOOSABLE]
    known = {name: value for name, value in given.items() if name in CHOOSABLE}
    if not given:
        return settings
    try:
        # The catalogue's own have passed before: whatever is wrong now was chosen.
        found = RunSettings.model_validate({**settings.model_dump(exclude_unset=True), **known})
    except ValidationError as error:
        for path, message in told(error, lambda _: None):
            faults.append(Fault(".".join((RUN_SETTINGS, *map(str, path))), message))
    if faults:
        raise _refused(faults)
    return found


def conf_of(parameters: Mapping[str, JsonValue], workspace: str, chosen: Mapping[str, Any]) -> dict[str, JsonValue]:
    """Return what a DAG run of a notebook is asked for with; a setting that is None was not chosen."""
    settings = {name: value for name, value in chosen.items() if value is not None}
    return {**parameters, WORKSPACE: workspace, **({RUN_SETTINGS: settings} if settings else {})}


def settings_of_texts(texts: Mapping[str, str]) -> dict[str, Any]:
    """Return settings that a link, a form or a command line spells, for `with_chosen`; an empty text chooses nothing.

    Nothing is refused here: what is no number stays a text, of which `with_chosen` then says what is wrong with it.
    """
    return {name: _of_text(name, text.strip()) for name, text in texts.items() if text.strip()}


def _of_text(name: str, text: str) -> int | str:
    return int(text) if name == "timeout_seconds" and text.isascii() and text.isdigit() and len(text) < 10 else text


def _unknown(name: object) -> str:
    if name in RunSettings.model_fields:
        return f"cannot be chosen for a run, only in the catalogue; {', '.join(CHOOSABLE)} can"
    return f"is no setting of a run{did_you_mean(str(name), CHOOSABLE, otherwise='there are')}"


def _refused(faults: list[Fault]) -> InvalidRequest:
    return InvalidRequest("the run's settings cannot be like this", faults)
