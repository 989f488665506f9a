"""The pages inside Airflow's API server: its users, its login, its links; and the check of triggers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from airflow.api_fastapi.app import API_ROOT_PATH, get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from fastapi import FastAPI, HTTPException
from starlette.requests import Request
from starlette.responses import Response

from daybook.catalogue import RUN_SETTINGS, WORKSPACE, Catalogue
from daybook.contract.errors import Fault, InvalidRequest, InvalidSettings, NotAllowed
from daybook.contract.keys import RUN_NOTEBOOK_DAG, SPARK_DAG
from daybook.contract.request import require_travels_with
from daybook.on_airflow.admission import MAX_BODY_BYTES, Decision, Passed, Refusal
from daybook.on_airflow.identity import identity_of
from daybook.on_airflow.params import unknown_keys
from daybook.on_airflow.plugin import URL_PREFIX
from daybook.on_airflow.ports.key import page_key
from daybook.on_airflow.ports.links import airflow_url
from daybook.on_airflow.ports.places import Places
from daybook.on_airflow.ports.runs import AWAY, Runs, busy
from daybook.on_airflow.ports.users import Users, airflow_user
from daybook.on_airflow.ports.waiting import Waiting
from daybook.on_airflow.settings import Settings
from daybook.on_airflow.spark_members import decide_on_spark, passed
from daybook.on_airflow.web_settings import web_settings
from daybook.web.app import create_app
from daybook.web.faults import answered
from daybook.web.tokens.oidc import OidcTokens
from daybook.web.tokens.provider_keys import ProviderKeys
from daybook.web.world import World
from daybook.workspaces import Identity, require_access, require_within

_LOG = logging.getLogger(__name__)


def create_pages(environment: Mapping[str, str]) -> FastAPI:
    """The app of the pages, for users whom Airflow or an OpenID provider vouches for.

    Raises:
        InvalidSettings: Daybook's environment is not set up.
    """
    settings = Settings.from_environment(environment)
    web = web_settings(environment, f"{API_ROOT_PATH.rstrip('/')}{URL_PREFIX}")
    users = Users(OidcTokens(web.oidc, ProviderKeys(web.oidc)) if web.oidc else None)

    def decide(dag_id: str, conf: dict[str, Any], identity: Identity) -> Passed:
        return _decided(settings.read_catalogue(), settings, dag_id, conf, identity)

    runs = Runs(users, decide, settings.read_catalogue, settings.load_workspaces)
    waiting = Waiting(settings.read_catalogue, settings.load_workspaces)
    world = World(
        user=users.identity,
        workspaces=settings.load_workspaces,
        bucket=settings.open_bucket,
        login_url=_login_url,
        airflow_url=lambda manifest: airflow_url(settings.public_url, manifest),
        catalogue=settings.read_catalogue,
        trigger=runs.trigger,
        cancel=runs.cancel,
        spark=runs.spark,
        waiting=waiting.waiting,
        waiting_run=waiting.waiting_run,
        next_runs=waiting.next_runs,
        runs_at=Places(settings.read_catalogue, settings.load_workspaces).runs_at,
        settings=web,
        key=page_key(settings.voucher_key()),
        state=settings.state / "web" if settings.state else None,
    )
    app = create_app(world)
    for each in AWAY:
        app.add_exception_handler(each, _busy)
    return app


def _login_url(place: str) -> str:
    """Airflow's own way to the login: it hands on where to come back to whatever auth manager is set.

    Not all of them do so themselves (FAB's `get_url_login` takes `next_url`, and leaves it out).
    """
    return f"{API_ROOT_PATH.rstrip('/')}/api/v2/auth/login?{urlencode({'next': place})}"


async def _busy(request: Request, error: Exception) -> Response:
    _LOG.warning("Airflow's database does not answer: %s", error)
    return answered(request, 503, busy().detail, more=busy().headers)


async def decide_on_trigger(
    dag_id: str, conf: dict[str, Any] | None, scope: Any, environment: Mapping[str, str]
) -> Decision:
    """Whether a conf may pass for a Daybook DAG, for a user who may trigger it; None leaves the answer to core."""
    try:
        settings = Settings.from_environment(environment)
    except InvalidSettings:
        return None  # an Airflow whose DAGs are not ours; our own could not be parsed either, and say so
    try:
        catalogue = await asyncio.to_thread(settings.read_catalogue)
        if dag_id not in (RUN_NOTEBOOK_DAG, SPARK_DAG) and not catalogue.names(dag_id):
            return None
        identity = await _authorised(Request(scope), dag_id)
        if identity is None:
            return None
        if conf is None:
            return Refusal(413, f"the request is larger than {MAX_BODY_BYTES // 1024 // 1024} MiB")
        return await asyncio.to_thread(_decided, catalogue, settings, dag_id, conf, identity)
    except NotAllowed as error:
        return Refusal(403, str(error))
    except InvalidRequest as error:
        return Refusal(400, str(error))
    except InvalidSettings as error:
        return Refusal(500, str(error))


def _decided(catalogue: Catalogue, settings: Settings, dag_id: str, conf: dict[str, Any], identity: Identity) -> Passed:
    if dag_id == SPARK_DAG:
        return decide_on_spark(settings.load_workspaces(), conf, identity, settings.voucher_key())
    given, notebook_id = dict(conf), dag_id
    workspace_name, settings_chosen = given.pop(WORKSPACE, None), given.pop(RUN_SETTINGS, None)
    if dag_id == RUN_NOTEBOOK_DAG:
        notebook_id, given = _request(given)
    notebook = catalogue.get(notebook_id)
    if workspace_name is not None and not isinstance(workspace_name, str):
        raise InvalidRequest("unknown workspace", [Fault(WORKSPACE, "must be a name")])
    workspaces = settings.load_workspaces()
    workspace = workspaces.get(workspace_name or notebook.default_workspace)
    require_access(identity, workspace, notebook)
    require_within(workspace, notebook.with_settings(settings_chosen).run)
    require_travels_with(notebook.resolve(given))
    return passed(identity, dag_id, workspace, workspaces, settings.voucher_key())


def _request(given: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    faults = unknown_keys(given)
    notebook, parameters = given.get("notebook"), given.get("parameters", {})
    if not isinstance(notebook, str) or not notebook:
        faults.append(Fault("notebook", "must be the id of a notebook"))
    if not isinstance(parameters, dict):
        faults.append(Fault("parameters", "must be an object of values by input name"))
    if faults:
        raise InvalidRequest("run_notebook cannot run this", faults)
    return str(notebook), parameters


async def _authorised(request: Request, dag_id: str) -> Identity | None:
    """A user who may trigger the DAG; anybody else gets core's own answer, and learns nothing of ours."""
    try:
        user = await airflow_user(request)
    except HTTPException:
        return None
    allowed = get_auth_manager().is_authorized_dag(
        method="POST", access_entity=DagAccessEntity.RUN, details=DagDetails(id=dag_id), user=user
    )
    return identity_of(user) if allowed else None
