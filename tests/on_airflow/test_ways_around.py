"""Ways around the decision who may run what where: each is tried on the operator, and nothing may come of it.

The workspace `research` belongs to ada and to the group `geo`; `open` to everybody; `local` is the default, bob's.
"""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import jwt
import pytest
from airflow.sdk.exceptions import AirflowFailException

from builders import a_notebook_json, a_workspace
from daybook.catalogue import Notebook
from daybook.contract.request import SAVING_SECONDS
from daybook.on_airflow.operator import NotebookOperator
from daybook.on_airflow.vouchers import MAX_AGE, Errand, issue, now
from daybook.pods.timing import PULL_MARGIN_SECONDS, SEAL_MARGIN_SECONDS
from daybook.workspaces import Identity

KEY = "k" * 64
GEO = a_workspace(name="research", members={"groups": ["geo"]})
NOT_A_MEMBER, NOBODY, UNKNOWN = "is not a member of 'research'", "nobody is named", "there is no workspace"


def voucher(user="eve", dag="nb", workspace="research", key=KEY, age=timedelta(0), groups=("geo",)):
    """What Admission would have given to a member of the group."""
    return issue(Errand(user, dag, workspace), Identity(user, frozenset(groups)), [GEO], key, lambda: now() - age)


UNSIGNED = jwt.encode({"sub": "eve", "dag": "nb", "workspace": "research", "groups": ["geo"]}, "", "none")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "nb.ipynb").write_text(a_notebook_json())
    (tmp_path / "key").write_text(KEY)
    (tmp_path / "workspaces.yaml").write_text(
        f"""
        workspaces:
          - {{name: local, namespace: local, bucket: "{tmp_path}/buckets/local", members: [bob]}}
          - {{name: research, namespace: r, bucket: "{tmp_path}/buckets/research",
              members: {{users: [ada], groups: [geo]}}}}
          - {{name: open, bucket: "{tmp_path}/buckets/open", members: ["*"]}}
          - {{name: small, bucket: "{tmp_path}/buckets/small", members: ["*"], memory: 1Gi, maximum: {{memory: 2Gi}}}}
          - {{name: strict, bucket: "{tmp_path}/buckets/strict", members: ["*"], allowed: {{sources: [s3://x/*]}}}}
        """
    )
    given = {"CATALOGUE": tmp_path, "WORKSPACES": tmp_path / "workspaces.yaml", "VOUCHER_KEY_FILE": tmp_path / "key"}
    for name, value in {**given, "STATE": tmp_path / "state"}.items():
        monkeypatch.setenv(f"DAYBOOK_{name}", str(value))
    monkeypatch.setattr(NotebookOperator, "_take_up", lambda *_: None)
    return tmp_path


@pytest.fixture
def run(folder):
    """Tries a run as far as its pod; gives the user it runs as."""

    def run(user="eve", run_type="manual", conf=None, dag_id="nb", mode="form", entry=None, workspace=None, **more):
        notebook = Notebook.model_validate({"id": "nb", "source": str(folder / "nb.ipynb"), **(entry or {})})
        operator = NotebookOperator(
            task_id="run", notebook=notebook, parameters_from=mode, workspace=workspace, parameters=more.get("given")
        )
        context = {
            "ti": SimpleNamespace(dag_id=dag_id, task_id="run", map_index=-1, try_number=more.get("try_number", 1)),
            "dag_run": SimpleNamespace(
                run_id=f"{run_type}__1",
                run_type=run_type,
                run_after=datetime(2026, 11, 23, tzinfo=UTC),
                logical_date=None,
                data_interval_start=None,
                data_interval_end=None,
                triggering_user_name=user,
                conf=conf,
            ),
            "params": dict(conf or {}),
        }
        operator.execute(context)
        return operator

    return run


@pytest.fixture
def tried(run, folder, monkeypatch):
    """The same, stopped before Kubernetes is asked; a refused run must have left nothing at all."""

    class Begun(BaseException):
        pass

    def begin(self, *_):
        raise Begun

    monkeypatch.setattr(NotebookOperator, "_through", begin)

    def tried(**way):
        try:
            run(**way)
        except Begun:
            return None
        except AirflowFailException as error:
            assert not list(folder.glob("buckets/*/runs"))
            return str(error)
        raise AssertionError("neither begun nor refused")

    return tried


RESEARCH = {"workspace": "research"}
SCHEDULED = {"schedule": "@daily", "workspaces": ["research"]}

WAYS = {
    "form or REST, by a stranger": ({"conf": RESEARCH}, NOT_A_MEMBER),
    "another letter case": ({"user": "Ada", "conf": RESEARCH}, NOT_A_MEMBER),
    "a blank behind the name": ({"user": "ada ", "conf": RESEARCH}, NOT_A_MEMBER),
    "a look-alike name": ({"user": "аda", "conf": RESEARCH}, NOT_A_MEMBER),  # noqa: RUF001 - Cyrillic
    "a user who calls themselves *": ({"user": "*", "conf": RESEARCH}, NOT_A_MEMBER),
    "a user who is called as the group": ({"user": "geo", "conf": RESEARCH}, NOT_A_MEMBER),
    "an empty name": ({"user": "", "conf": RESEARCH}, NOBODY),
    "nobody's run": ({"user": None, "conf": RESEARCH}, NOBODY),
    "a conf that claims another user": (
        {"conf": {**RESEARCH, "user": "ada", "triggering_user_name": "ada"}},
        NOT_A_MEMBER,
    ),
    "the workspace in other letters": ({"conf": {"workspace": "Research"}}, UNKNOWN),
    "the workspace with a blank": ({"conf": {"workspace": "research "}}, UNKNOWN),
    "the workspace in full-width letters": ({"conf": {"workspace": "ｒesearch"}}, UNKNOWN),  # noqa: RUF001
    "the workspace as a path": ({"conf": {"workspace": "open/../research"}}, UNKNOWN),
    "the workspace as a list": ({"conf": {"workspace": ["open", "research"]}}, UNKNOWN),
    "the workspace as an object": ({"conf": {"workspace": {"name": "open"}}}, UNKNOWN),
    "an empty workspace is the default one": ({"conf": {"workspace": ""}}, "is not a member of 'local'"),
    "no workspace is the default one": ({"conf": {}}, "is not a member of 'local'"),
    "the request's way, by a stranger": (
        {"mode": "request", "conf": {"notebook": "nb", "parameters": {}, **RESEARCH}},
        NOT_A_MEMBER,
    ),
    "the request's parameters name the workspace": (
        {"mode": "request", "conf": {"notebook": "nb", "parameters": RESEARCH, "workspace": "open"}},
        "workspace",
    ),
    "a schedule whose owner is no member": (
        {"user": None, "run_type": "scheduled", "entry": {**SCHEDULED, "owner": "eve"}},
        NOT_A_MEMBER,
    ),
    "a schedule without an owner": ({"user": None, "run_type": "scheduled", "entry": SCHEDULED}, NOBODY),
    "an owner who is a member by group only": (
        {"user": None, "run_type": "scheduled", "entry": {**SCHEDULED, "owner": "eve"}, "conf": {}},
        "name its owner among the users",
    ),
    "a manual run does not borrow the owner": (
        {"user": None, "run_type": "manual", "entry": {**SCHEDULED, "owner": "ada"}, "conf": RESEARCH},
        NOBODY,
    ),
    "a backfill made by a stranger does not borrow the owner": (
        {"user": "eve", "run_type": "backfill", "entry": {**SCHEDULED, "owner": "ada"}},
        NOT_A_MEMBER,
    ),
    "a backfill made by nobody knows whom does not borrow the owner": (
        {"user": None, "run_type": "backfill", "entry": {**SCHEDULED, "owner": "ada"}, "conf": RESEARCH},
        NOBODY,
    ),
    "an empty name does not borrow the owner": (
        {"user": "", "run_type": "backfill", "entry": {**SCHEDULED, "owner": "ada"}},
        NOBODY,
    ),
    "a backfill whose conf leads to another workspace": (
        {"user": "bob", "run_type": "backfill", "entry": {"schedule": "@daily"}, "conf": RESEARCH},
        NOT_A_MEMBER,
    ),
    "an asset event for an owner who is no member": (
        {"user": None, "run_type": "asset_triggered", "entry": {**SCHEDULED, "owner": "eve"}},
        NOT_A_MEMBER,
    ),
    "an asset's materialisation by a stranger": (
        {"user": "eve", "run_type": "asset_materialization", "entry": {**SCHEDULED, "owner": "ada"}},
        NOT_A_MEMBER,
    ),
    "TriggerDagRunOperator in a scheduled DAG": (
        {"user": None, "run_type": "operator_triggered", "entry": {**SCHEDULED, "owner": "ada"}, "conf": RESEARCH},
        NOBODY,
    ),
    "TriggerDagRunOperator in a stranger's run": (
        {"user": "eve", "run_type": "operator_triggered", "conf": RESEARCH},
        NOT_A_MEMBER,
    ),
    "a DAG of one's own": (
        {"mode": "arguments", "dag_id": "mine", "workspace": "research", "given": {}},
        NOT_A_MEMBER,
    ),
    "a DAG of one's own, named as a notebook's owner": (
        {"user": None, "run_type": "scheduled", "mode": "arguments", "workspace": "research", "entry": SCHEDULED},
        NOBODY,
    ),
    "dag.test()": ({"user": "dag_test", "conf": RESEARCH}, NOT_A_MEMBER),
    "a cleared task of somebody who is no member now": ({"conf": RESEARCH, "try_number": 2}, NOT_A_MEMBER),
    "the catalogue binds the notebook": (
        {"user": "ada", "conf": RESEARCH, "entry": {"workspaces": ["open"]}},
        "only in: open",
    ),
    "the workspace takes no notebooks from there": ({"conf": {"workspace": "strict"}}, "runs no notebooks from"),
    "a voucher of one's own making": ({"conf": {**RESEARCH, "daybook_voucher": UNSIGNED}}, "not genuine"),
    "a voucher signed with another key": (
        {"conf": {**RESEARCH, "daybook_voucher": voucher(key="x" * 64)}},
        "not genuine",
    ),
    "somebody else's voucher": ({"conf": {**RESEARCH, "daybook_voucher": voucher("dan")}}, "somebody else"),
    "a voucher for another DAG": ({"conf": {**RESEARCH, "daybook_voucher": voucher(dag="x")}}, "something else"),
    "a voucher for another workspace": (
        {"conf": {**RESEARCH, "daybook_voucher": voucher(workspace="open")}},
        "something else",
    ),
    "a voucher of the day before": (
        {"conf": {**RESEARCH, "daybook_voucher": voucher(age=MAX_AGE + timedelta(minutes=1))}},
        "older than 24 hours",
    ),
    "a voucher in a run of nobody's": (
        {"user": None, "run_type": "operator_triggered", "conf": {**RESEARCH, "daybook_voucher": voucher()}},
        NOBODY,
    ),
    "a voucher that is no text": ({"conf": {**RESEARCH, "daybook_voucher": {"groups": ["geo"]}}}, "not genuine"),
    "groups in the conf": ({"conf": {**RESEARCH, "groups": ["geo"]}}, NOT_A_MEMBER),
    "more memory than the maximum by run_settings": (
        {"conf": {"workspace": "small", "run_settings": {"memory": "4Gi"}}},
        "4Gi is more than the workspace's maximum of 2Gi",
    ),
    "more memory by the request's way": (
        {
            "mode": "request",
            "conf": {"notebook": "nb", "parameters": {}, "workspace": "small", "run_settings": {"memory": "4Gi"}},
        },
        "4Gi is more than the workspace's maximum of 2Gi",
    ),
    "an image that is not allowed by run_settings": (
        {"conf": {"workspace": "open", "run_settings": {"image": "evil/image:1"}}},
        "'evil/image:1' is not allowed",
    ),
    "a GPU by run_settings": ({"conf": {"workspace": "open", "run_settings": {"gpu": 1}}}, "only in the catalogue"),
    "another notebook by run_settings": (
        {"conf": {"workspace": "open", "run_settings": {"source": "s3://evil/nb.ipynb"}}},
        "is no setting of a run",
    ),
    "a backfill with more memory than the maximum": (
        {
            "run_type": "backfill",
            "entry": {"schedule": "@daily"},
            "conf": {"workspace": "small", "run_settings": {"memory": "4Gi"}},
        },
        "4Gi is more than the workspace's maximum of 2Gi",
    ),
    "a member by group whom nobody vouched for": ({"conf": RESEARCH}, "triggered"),
}


@pytest.mark.parametrize(("way", "refusal"), WAYS.values(), ids=WAYS)
def test_no_way_leads_around(tried, way, refusal):
    told = tried(**way)
    assert told is not None
    assert refusal in told


MEMBERS = {
    "a member by name": {"user": "ada", "conf": RESEARCH},
    "a member by group with a voucher": {"conf": {**RESEARCH, "daybook_voucher": voucher()}},
    "the same by the request's way": {
        "mode": "request",
        "dag_id": "run_notebook",
        "conf": {"notebook": "nb", "parameters": {}, **RESEARCH, "daybook_voucher": voucher(dag="run_notebook")},
    },
    "a member by name whose voucher is worthless": {"user": "ada", "conf": {**RESEARCH, "daybook_voucher": "x"}},
    "the owner of a schedule": {"user": None, "run_type": "scheduled", "entry": {**SCHEDULED, "owner": "ada"}},
    "the owner after an asset's event": {
        "user": None,
        "run_type": "asset_triggered",
        "entry": {**SCHEDULED, "owner": "ada"},
    },
    "whoever made the backfill": {"user": "ada", "run_type": "backfill", "entry": SCHEDULED},
    "a member's run that triggered another": {"user": "ada", "run_type": "operator_triggered", "conf": RESEARCH},
    "a DAG of a member's own": {"user": "ada", "mode": "arguments", "dag_id": "mine", "workspace": "research"},
    "anybody where everybody is a member": {
        "user": None,
        "run_type": "operator_triggered",
        "conf": {"workspace": "open"},
    },
}


def test_settings_within_the_maximum_reach_the_pod(run, monkeypatch):
    monkeypatch.setattr(NotebookOperator, "_through", lambda *_: None)
    chosen = {"memory": "2Gi", "cpu": "3", "timeout_seconds": 60}
    operator = run(conf={"workspace": "small", "run_settings": {**chosen, "image": None}})
    pod = operator.build_pod_request_obj()
    (container,) = pod.spec.containers
    assert container.resources.limits["memory"] == "2Gi"
    assert container.resources.requests["cpu"] == "3"
    assert operator._record.read().settings == chosen  # so that the run can be made again
    assert pod.spec.active_deadline_seconds == 60 + PULL_MARGIN_SECONDS + SEAL_MARGIN_SECONDS + SAVING_SECONDS


@pytest.mark.parametrize("way", MEMBERS.values(), ids=MEMBERS)
def test_members_come_in(tried, way):
    assert tried(**way) is None


def test_without_a_key_groups_do_not_count_and_the_refusal_says_so(tried, monkeypatch):
    monkeypatch.delenv("DAYBOOK_VOUCHER_KEY_FILE")
    assert "has no key" in tried(conf={**RESEARCH, "daybook_voucher": voucher()})
    assert tried(user="ada", conf=RESEARCH) is None


def test_a_voucher_stays_out_of_request_record_and_rendered_fields(tried, folder, monkeypatch):
    seen, queue = [], NotebookOperator._queue
    monkeypatch.setattr(
        NotebookOperator, "_queue", lambda self, request, *_: seen.append((self, request)) or queue(self, request, *_)
    )
    secret = voucher()
    assert tried(conf={**RESEARCH, "daybook_voucher": secret}) is None
    operator, request = seen[0]
    assert secret not in request.to_json()
    assert secret not in str([getattr(operator, name) for name in operator.template_fields])
    written = [path.read_bytes() for path in folder.glob("buckets/**/*") if path.is_file()]
    assert written
    assert not any(secret.encode() in content for content in written)


def test_leaving_the_group_counts_when_a_task_is_cleared(tried, folder):
    way = {"conf": {**RESEARCH, "daybook_voucher": voucher()}}
    assert tried(**way) is None
    path = folder / "workspaces.yaml"
    path.write_text(path.read_text().replace("groups: [geo]", "groups: [sea]"))
    for bucket in folder.glob("buckets/research/runs"):
        bucket.rename(folder / "earlier")
    assert NOT_A_MEMBER in tried(**way, try_number=2)


def test_a_faulty_file_lets_nobody_in_whom_the_last_good_one_does_not(tried, folder):
    assert tried(user="ada", conf=RESEARCH) is None
    path = folder / "workspaces.yaml"
    path.write_text(path.read_text() + "nonsense")
    for bucket in folder.glob("buckets/research/runs"):
        bucket.rename(folder / "earlier")
    assert NOT_A_MEMBER in tried(conf=RESEARCH)
    assert tried(user="ada", conf=RESEARCH) is None
