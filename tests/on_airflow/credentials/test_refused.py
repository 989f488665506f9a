"""A task whose workspace's role or connection is not to be had: told in one message, and nothing starts."""

import json
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import AirflowFailException

from builders import a_notebook_json
from daybook.catalogue import Notebook
from daybook.contract.manifest import Reason, State
from daybook.on_airflow.operator import NotebookOperator
from daybook.on_airflow.pod_api import refusal
from daybook.storage.credentials import CredentialsRefused, CredentialsUnavailable

CONTEXT = {
    "ti": SimpleNamespace(dag_id="nb", task_id="run", map_index=-1, try_number=1),
    "dag_run": SimpleNamespace(
        run_id="manual__1",
        run_type="manual",
        run_after=datetime(2026, 11, 23, 1, 2, 3, tzinfo=UTC),
        logical_date=None,
        data_interval_start=None,
        data_interval_end=None,
        triggering_user_name="ada",
    ),
}


@pytest.mark.parametrize(
    ("team", "changes", "told"),
    [
        ("c", {}, "STS does not let Airflow be arn:aws:iam::123456789012:role/team-c"),
        ("a", {"store": {"connection": "nowhere"}}, "Airflow has no connection 'nowhere'"),
        ("a", {"bucket": "s3://nowhere/a"}, "there is no such bucket; make it, or correct the workspace's bucket"),
    ],
)
def test_nothing_starts_where_the_bucket_cannot_be_had(cloud, tmp_path, monkeypatch, team, changes, told):
    if "bucket" in changes:
        cloud.enforce(False)  # moto denies before it looks whether there is such a bucket; AWS looks first
    (tmp_path / "nb.ipynb").write_text(a_notebook_json())
    workspace = json.loads(cloud.workspace(team, **changes).model_dump_json(exclude_defaults=True))
    (tmp_path / "workspaces.yaml").write_text(json.dumps({"workspaces": [workspace]}))
    monkeypatch.setenv("DAYBOOK_CATALOGUE", str(tmp_path))
    monkeypatch.setenv("DAYBOOK_WORKSPACES", str(tmp_path / "workspaces.yaml"))
    operator = NotebookOperator(task_id="run", notebook=Notebook(id="nb", source=str(tmp_path / "nb.ipynb")))
    asked = []
    monkeypatch.setattr(NotebookOperator, "client", property(lambda _: asked.append("Kubernetes")))
    with pytest.raises(AirflowFailException) as failed:
        operator.execute(CONTEXT)
    assert told in str(failed.value)
    assert asked == []


@pytest.mark.parametrize(
    ("kind", "reason"),
    [(CredentialsRefused, Reason.CREDENTIALS_REFUSED), (CredentialsUnavailable, Reason.POD_FAILED)],
)
def test_a_run_whose_pod_can_have_no_credentials_is_sealed_with_the_reason(kind, reason):
    ending = refusal(kind("STS says no"))
    assert ending is not None
    assert (ending.state, ending.reason) == (State.FAILED, reason)
    assert ending.message == "the pod can have no credentials: STS says no"
