"""All that the form's page shows."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from daybook.catalogue import RUN_SETTINGS, WORKSPACE, Notebook, to_query
from daybook.contract.errors import Fault, InvalidRequest
from daybook.web.asking import Checked, runnable_in
from daybook.web.forms.checking import check_given
from daybook.web.forms.fields import Field, faults_at, fields_of, said
from daybook.web.forms.given import PARAMETERS, Given, Texts
from daybook.web.forms.settings import SettingField, setting_fields, setting_of
from daybook.web.site import Site
from daybook.workspaces import Identity


@dataclass(frozen=True)
class Problem:
    """A line of the summary of what is wrong.

    Attributes:
        label: what it is about, as the form calls it.
        message: what is wrong.
        target: the id of the field; empty where none is at fault.
    """

    label: str
    message: str
    target: str


@dataclass(frozen=True)
class FormView:
    """The form as it is shown.

    Attributes:
        notebook: what it runs.
        fields: of the inputs that everybody fills in.
        advanced: of the inputs that are hidden at first.
        settings: of the run.
        workspaces: the names to choose from.
        workspace: the one that is chosen already; None leaves the choice to the person.
        workspace_faults: what is wrong with it.
        further: values beyond the inputs as JSON; None where the notebook takes none.
        further_faults: what is wrong with them.
        problems: everything that is wrong.
        link: leads to this form, filled in like this.
        token: against forgery.
        once: of this page alone, so that it makes one run even if it is sent twice.
    """

    notebook: Notebook
    fields: Sequence[Field]
    advanced: Sequence[Field]
    settings: Sequence[SettingField]
    workspaces: Sequence[str]
    workspace: str | None
    workspace_faults: Sequence[str]
    further: str | None
    further_faults: Sequence[str]
    problems: Sequence[Problem]
    link: str
    token: str
    once: str

    @property
    def settings_open(self) -> bool:
        """Whether some settings were chosen or are at fault, so that they must be seen."""
        return any(each.text or each.messages for each in self.settings)

    @property
    def advanced_open(self) -> bool:
        """Whether an advanced input is at fault, or has another value than its default: nobody runs that unseen."""
        return any(each.faults or each.changed for each in self.advanced)


def view_of(
    site: Site, user: Identity, notebook: Notebook, given: Given, faults: Sequence[Fault], here: str
) -> FormView:
    """The form of a notebook, with what was given and what is wrong with it.

    Args:
        site: of the page.
        user: who looks at it.
        notebook: what is to run.
        given: by a link, or by this form.
        faults: all that is wrong.
        here: the form's own address without a query, as people can pass it on.
    """
    places = runnable_in(site, user, notebook)
    names = [each.name for each in places]
    posted = given.source == "form"
    fields = fields_of(notebook.inputs, given.values, faults, posted=posted)
    problems = [_problem(fault, fields, notebook) for fault in faults]
    settings = setting_fields(notebook, places, given.settings, faults)
    return FormView(
        notebook,
        [each for each in fields if not each.advanced],
        [each for each in fields if each.advanced],
        settings,
        names,
        _preselected(names, notebook, given),
        [fault.message for fault in faults if fault.where == WORKSPACE],
        _further(notebook, given) if notebook.open_inputs else None,
        [each.message for each in problems if each.target == f"f-{PARAMETERS}"],
        problems,
        f"{here}?{_encoded(_link(site, user, notebook, given))}".rstrip("?"),
        site.csrf.token(user),
        secrets.token_hex(16),
    )


def _preselected(names: Sequence[str], notebook: Notebook, given: Given) -> str | None:
    """Never silently the first of several: whose bucket and money it is, is the person's choice."""
    wanted = [given.workspace] if given.source == "form" or given.workspace else [notebook.default_workspace]
    return next((name for name in wanted if name in names), names[0] if len(names) == 1 else None)


def _further(notebook: Notebook, given: Given) -> str:
    """Values beyond the inputs, as they were typed or as a link gave them."""
    raw = given.raw.get(PARAMETERS)
    if raw and given.source == "form":
        return "".join(raw)
    known = {item.name for item in notebook.inputs}
    found = {}
    for name, texts in given.values.items():
        if name not in known:
            try:
                found[name] = json.loads("".join(texts))
            except (ValueError, RecursionError):
                found[name] = "".join(texts)
    return json.dumps(found, indent=2, ensure_ascii=False) if found else ""


def _problem(fault: Fault, fields: Sequence[Field], notebook: Notebook) -> Problem:
    """A fault with the field that it is about."""
    setting = setting_of(fault.where)
    if setting is not None:
        return Problem(setting.replace("_", " "), fault.message, f"f-{RUN_SETTINGS}.{setting}")
    if fault.where == WORKSPACE:
        return Problem("Workspace", fault.message, f"f-{WORKSPACE}")
    for each in fields:
        for part, message in faults_at(each.name, [fault]):
            own = part and each.widget in ("bbox", "lines")
            return Problem(each.label, f"{said(part)}{message}", f"f-{each.name}-{part}" if own else f"f-{each.name}")
    return Problem(fault.where, fault.message, f"f-{PARAMETERS}" if notebook.open_inputs and fault.where else "")


def _link(site: Site, user: Identity, notebook: Notebook, given: Given) -> Texts:
    """The query that fills the form in like this; what cannot be run is repeated as it came."""
    try:
        checked = check_given(site, user, notebook, given)
    except InvalidRequest:
        return given.raw if given.source == "query" else _as_typed(given)
    return query_of(checked)


def _encoded(fields: Texts) -> str:
    """A query in which boxes and URLs stay readable."""
    return urlencode(fields, doseq=True, safe=",:/", quote_via=quote)


def query_of(checked: Checked) -> dict[str, list[str]]:
    """The query of a link to the form of a run."""
    chosen = {f"{RUN_SETTINGS}.{name}": [str(value)] for name, value in checked.settings.items()}
    return {**to_query(checked.notebook.inputs, checked.parameters), WORKSPACE: [checked.workspace.name], **chosen}


def _as_typed(given: Given) -> Mapping[str, Sequence[str]]:
    where = {WORKSPACE: [given.workspace]} if given.workspace else {}
    chosen = {f"{RUN_SETTINGS}.{name}": [text] for name, text in given.settings.items()}
    values = {name: [text for text in texts if text] for name, texts in given.values.items()}
    return {**values, **where, **chosen}
