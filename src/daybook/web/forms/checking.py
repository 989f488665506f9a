"""What is wrong with what a link or a form gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from daybook.catalogue import WORKSPACE, Notebook
from daybook.contract.errors import Fault, InvalidRequest
from daybook.web.asking import Checked, check, choose_workspace
from daybook.web.forms.fields import faults_at
from daybook.web.forms.given import Given
from daybook.web.site import Site
from daybook.workspaces import Identity, require_within


def check_given(site: Site, user: Identity, notebook: Notebook, given: Given) -> Checked:
    """What somebody asks for, checked whole.

    Raises:
        InvalidRequest: it cannot be run as it is; every fault is named at once.
    """
    faults = list(given.faults)
    try:
        checked = check(site, user, given.wish(notebook))
    except InvalidRequest as error:
        raise InvalidRequest(error.summary, [*faults, *error.faults]) from error
    if faults:
        raise InvalidRequest(f"Notebook '{notebook.id}' cannot run like this", faults)
    return checked


def faults_of_link(site: Site, user: Identity, notebook: Notebook, given: Given) -> list[Fault]:
    """What is wrong with what a link gives; what it leaves out is nobody's fault yet, the form asks for it."""
    wish = given.wish(notebook)
    found = [fault for fault in _faults(lambda: notebook.resolve(wish.values, wish.source)) if _is_of(fault, given)]
    changed, unfit = notebook, _faults(lambda: notebook.with_settings(wish.settings))
    if not unfit:
        changed = notebook.with_settings(wish.settings)

    def place() -> None:
        require_within(choose_workspace(site, user, notebook, wish.workspace), changed.run)

    misplaced = _faults(place) if wish.workspace is not None else []
    return [*given.faults, *found, *unfit, *misplaced]


def _faults(work: Callable[[], Any]) -> list[Fault]:
    try:
        work()
    except InvalidRequest as error:
        return list(error.faults) or [Fault(WORKSPACE, error.summary)]
    return []


def _is_of(fault: Fault, given: Given) -> bool:
    return fault.where in given.values or any(faults_at(name, [fault]) for name in given.values)
