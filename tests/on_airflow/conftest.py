"""Airflow reads its configuration when it is first imported: it gets a home of its own, before any test module."""

import os
import tempfile
from types import SimpleNamespace

import pytest

os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="daybook-airflow-")
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"


@pytest.fixture
def airflow_says(monkeypatch):
    """Sets the state that Airflow tells of the task in this process, or what it answers instead; gives the task."""

    def says(answer, map_index=-1):
        ti = SimpleNamespace(dag_id="nb", run_id="manual__1", task_id="run", map_index=map_index)

        def states(dag_id, *, map_index, task_ids, run_ids):
            asked = (dag_id, map_index, task_ids, run_ids)
            assert asked == (ti.dag_id, ti.map_index, [ti.task_id], [ti.run_id])
            if callable(answer):
                return answer()
            return {ti.run_id: {ti.task_id if map_index < 0 else f"{ti.task_id}_{map_index}": answer}}

        where = "airflow.sdk.execution_time.task_runner.RuntimeTaskInstance.get_task_states"
        monkeypatch.setattr(where, staticmethod(states))
        monkeypatch.setattr("daybook.on_airflow.cancelling.get_current_context", lambda: {"ti": ti})
        return ti

    return says


@pytest.fixture
def record_in(tmp_path, monkeypatch):
    """Makes the record of a run that goes on, in the workspace that the triggerer's environment leads to."""
    from builders import RUN_ID, a_manifest  # Airflow's home, above, comes before all that may load it
    from daybook.storage import open_store, record_of

    def made(state):
        workspaces = tmp_path / "workspaces.yaml"
        workspaces.write_text(f"workspaces:\n  - {{name: local, members: ['*'], bucket: {tmp_path / 'bucket'}}}\n")
        monkeypatch.setenv("DAYBOOK_CATALOGUE", str(tmp_path))
        monkeypatch.setenv("DAYBOOK_WORKSPACES", str(workspaces))
        record = record_of(open_store(str(tmp_path / "bucket")), RUN_ID)
        record.write(a_manifest(state=state, sealed=False, sealed_by=None))
        return record

    return made
