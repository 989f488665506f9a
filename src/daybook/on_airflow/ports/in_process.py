"""Runs of people whom Airflow does not know: an OpenID provider vouches for them, and Daybook alone decides.

Does what the routes of Airflow's API do (`airflow.api_fastapi.core_api.routes.public.dag_run`), with their audit row.
"""

from __future__ import annotations

import json

from airflow._shared.timezones import timezone
from airflow.api_fastapi.core_api.datamodels.dag_run import DagRunMutableStates
from airflow.api_fastapi.core_api.services.public.dag_run import patch_dag_run_state
from airflow.exceptions import ParamValidationError
from airflow.models.dagbag import DBDagBag
from airflow.models.dagrun import DagRun
from airflow.models.log import Log
from airflow.utils.session import create_session
from airflow.utils.state import DagRunState
from airflow.utils.types import DagRunTriggeredByType, DagRunType
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import joinedload

from daybook.contract.errors import InvalidRequest
from daybook.on_airflow.admission import VOUCHER
from daybook.on_airflow.ports.dag_runs import DagRunRow
from daybook.on_airflow.ports.over_api import AlreadyThere
from daybook.web.world import Order


def trigger(
    dags: DBDagBag, issuer: str, user: str, order: Order, voucher: str | None, dag_run_id: str | None
) -> DagRunRow:
    """Makes a DAG run; blocks.

    Args:
        dags: Airflow's.
        issuer: who vouches for the user.
        user: on whose behalf.
        order: what was decided to be run.
        voucher: for the user's groups and claims.
        dag_run_id: None for one of Airflow's making.

    Raises:
        AlreadyThere: there is one of that id.
        InvalidRequest: Airflow does not take it.
    """
    vouched = dict(order.conf) if voucher is None else {**order.conf, VOUCHER: voucher}
    now = timezone.coerce_datetime(timezone.utcnow())
    try:
        with create_session(scoped=False) as session:
            dag = dags.get_latest_version_of_dag(order.notebook, session=session)
            if dag is None:
                raise InvalidRequest("Airflow does not know the notebook yet; a new one is known within half a minute")
            run = dag.create_dagrun(
                run_id=dag_run_id
                or dag.timetable.generate_run_id(run_type=DagRunType.MANUAL, run_after=now, data_interval=None),
                logical_date=None,
                data_interval=None,
                run_after=now,
                conf=vouched,
                run_type=DagRunType.MANUAL,
                triggered_by=DagRunTriggeredByType.REST_API,
                triggering_user_name=user,
                state=DagRunState.QUEUED,
                session=session,
            )
            session.add(_note("trigger_dag_run", issuer, user, run))
            session.flush()
            return DagRunRow.of(run.dag_id, run.run_id, run.run_after, run.state, run.triggering_user_name, run.conf)
    except IntegrityError as error:
        raise AlreadyThere(str(dag_run_id)) from error
    except (ParamValidationError, ValueError) as error:
        raise InvalidRequest(f"Airflow does not take it: {error}") from error


def cancel(dags: DBDagBag, issuer: str, user: str, dag_id: str, dag_run_id: str) -> None:
    """Ends a DAG run: its tasks are stopped, and it counts as failed; blocks.

    Raises:
        InvalidRequest: there is no such DAG run any more.
    """
    with create_session(scoped=False) as session:
        wanted = select(DagRun).filter_by(dag_id=dag_id, run_id=dag_run_id).options(joinedload(DagRun.dag_model))
        run = session.scalar(wanted)
        dag = None if run is None else dags.get_dag_for_run(run, session=session)
        if run is None or dag is None:
            raise InvalidRequest("Airflow has no such run any more")
        session.add(_note("patch_dag_run", issuer, user, run))
        patch_dag_run_state(dag=dag, dag_run=run, state=DagRunMutableStates.FAILED, session=session)


def _note(event: str, issuer: str, user: str, run: DagRun) -> Log:
    """The row in Airflow's audit log; what was asked for stands in the DAG run."""
    extra = json.dumps({"by": "Daybook", "issuer": issuer})
    return Log(event, owner=user, owner_display_name=user, extra=extra, dag_id=run.dag_id, run_id=run.run_id)
