"""A trigger's way through Airflow's own API server with Daybook's middleware, to the conf that the task will find."""

import jwt
import pytest

from builders import a_notebook_json
from daybook.contract.request import MAX_REQUEST_BYTES
from daybook.on_airflow.admission import MAX_BODY_BYTES
from on_airflow.api_server import played

SCENE = """
from pathlib import Path

from daybook.catalogue import cached_catalogue

notebooks = Path(os.environ["DAYBOOK_CATALOGUE"])
(notebooks / "breaks" / "spec.yaml").write_text("titel: x")
app = create_app()
told = {}
with TestClient(app) as client:
    def trigger(name, role, dag_id, conf):
        return client.post(
            f"/api/v2/dags/{dag_id}/dagRuns",
            json={"logical_date": None, "conf": conf},
            headers={"Authorization": f"Bearer {token(name, role)}"},
        )

    for case, (name, role, dag_id, conf) in given.items():
        if case.endswith("catalogue away"):
            notebooks.rename(notebooks.with_name("elsewhere"))
            cached_catalogue.cache_clear()  # else it is looked for a second later
        answer = trigger(name, role, dag_id, conf)
        told[case] = {"status": answer.status_code, "body": answer.json()}
        if answer.status_code == 200:
            with create_session() as session:
                run = session.scalar(select(DagRun).where(DagRun.run_id == answer.json()["dag_run_id"]))
                told[case] |= {"conf": run.conf, "user": run.triggering_user_name}
print(json.dumps(told))
"""

RESEARCH = {"workspace": "research"}
CASES = {
    "member by group": ("ada", "op", "nb", RESEARCH),
    "the same by the request's way": ("ada", "op", "run_notebook", {"notebook": "nb", "parameters": {}, **RESEARCH}),
    "member by name": ("bob", "user", "nb", RESEARCH),
    "stranger": ("eve", "user", "nb", RESEARCH),
    "stranger with a forged voucher": ("eve", "user", "nb", {**RESEARCH, "daybook_voucher": "forged"}),
    "member with a forged voucher": ("ada", "op", "nb", {**RESEARCH, "daybook_voucher": "forged"}),
    "viewer": ("vic", "viewer", "nb", RESEARCH),
    "unknown workspace": ("ada", "op", "run_notebook", {"notebook": "nb", "workspace": "Research"}),
    "broken notebook": ("ada", "op", "breaks", RESEARCH),
    "broken notebook, viewer": ("vic", "viewer", "breaks", RESEARCH),
    "settings": ("bob", "user", "nb", {**RESEARCH, "run_settings": {"memory": "4Gi"}}),
    "too much by settings": ("bob", "user", "nb", {**RESEARCH, "run_settings": {"memory": "16Gi"}}),
    "settings of its own": ("bob", "user", "nb", {**RESEARCH, "run_settings": {"gpu": 1}}),
    "too much by the request's way": (
        "bob",
        "user",
        "run_notebook",
        {"notebook": "nb", **RESEARCH, "run_settings": {"memory": "16Gi"}},
    ),
    "several faults": ("ada", "op", "nb", {**RESEARCH, "a": 1, "b": 2}),
    "large": ("bob", "user", "takes", {**RESEARCH, "text": "x" * MAX_REQUEST_BYTES}),
    "large by the request's way": (
        "bob",
        "user",
        "run_notebook",
        {"notebook": "takes", "parameters": {"text": "x" * MAX_REQUEST_BYTES}, **RESEARCH},
    ),
    "too large to be read": ("bob", "user", "nb", {**RESEARCH, "text": "x" * MAX_BODY_BYTES}),
    "too large to be read, viewer": ("vic", "viewer", "nb", {**RESEARCH, "text": "x" * MAX_BODY_BYTES}),
    "catalogue away": ("ada", "op", "run_notebook", {"notebook": "nb", **RESEARCH}),
}
KEY = "k" * 64


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """What an API server of its own answers, and what it stores."""
    folder = tmp_path_factory.mktemp("airflow")
    for name in ("nb", "breaks", "takes"):
        (folder / "notebooks" / name).mkdir(parents=True)
        (folder / "notebooks" / name / "notebook.ipynb").write_text(a_notebook_json())
    (folder / "notebooks" / "takes" / "spec.yaml").write_text("inputs: {text: string}\n")
    (folder / "key").write_text(KEY)
    (folder / "workspaces.yaml").write_text(
        "workspaces:\n- {name: local, bucket: /data/a, members: []}\n"
        "- {name: research, namespace: b, bucket: /data/b, members: {users: [bob], groups: [op]},\n"
        "   maximum: {memory: 8Gi}}\n"
    )
    return played(folder, SCENE, CASES)


@pytest.mark.parametrize("case", ["member by group", "the same by the request's way", "member with a forged voucher"])
def test_a_member_by_group_gets_a_voucher_of_the_servers_making(told, case):
    found = told[case]
    assert (found["status"], found["user"]) == (200, "ada")
    voucher = jwt.decode(found["conf"]["daybook_voucher"], KEY, ["HS256"], audience="daybook-operator")
    assert (voucher["sub"], voucher["dag"], voucher["workspace"]) == ("ada", CASES[case][2], "research")
    assert voucher["groups"] == ["op"]


def test_a_member_by_name_needs_none(told):
    assert told["member by name"]["conf"] == RESEARCH
    assert told["member by name"]["user"] == "bob"


@pytest.mark.parametrize("case", ["stranger", "stranger with a forged voucher"])
def test_a_stranger_is_refused_before_there_is_a_run(told, case):
    assert told[case]["status"] == 403
    assert "user 'eve' is not a member of 'research'" in told[case]["body"]["detail"]


def test_whoever_may_not_trigger_learns_nothing_of_ours(told):
    assert told["viewer"]["status"] == 403
    assert "research" not in str(told["viewer"]["body"])


def test_what_is_wrong_with_a_request_is_a_400_with_every_fault(told):
    assert told["unknown workspace"]["status"] == 400
    assert "there is no workspace 'Research'; did you mean 'research'?" in told["unknown workspace"]["body"]["detail"]
    assert told["several faults"]["status"] == 400
    assert "a:" in told["several faults"]["body"]["detail"]
    assert "b:" in told["several faults"]["body"]["detail"]


@pytest.mark.parametrize("case", ["large", "large by the request's way"])
def test_what_cannot_travel_to_a_pod_is_refused_before_it_is_stored(told, case):
    assert told[case]["status"] == 400
    assert "put large values into a file and pass its URL" in told[case]["body"]["detail"]


def test_what_is_too_large_to_be_read_is_refused_to_whoever_may_trigger(told):
    assert (told["too large to be read"]["status"], told["too large to be read, viewer"]["status"]) == (413, 403)


def test_a_notebook_that_was_broken_since_its_dag_was_parsed_is_refused_with_what_is_wrong(told):
    assert told["broken notebook"]["status"] == 400
    assert "'breaks' is broken in the catalogue" in told["broken notebook"]["body"]["detail"]
    assert "titel" in told["broken notebook"]["body"]["detail"]
    assert told["broken notebook, viewer"]["status"] == 403


def test_a_catalogue_that_cannot_be_read_is_told_as_such(told):
    assert told["catalogue away"]["status"] == 400
    assert "cannot be read: No such file" in told["catalogue away"]["body"]["detail"]


def test_settings_of_a_run_that_the_workspace_allows_reach_the_conf(told):
    assert told["settings"]["conf"]["run_settings"] == {"memory": "4Gi"}


@pytest.mark.parametrize("case", ["too much by settings", "too much by the request's way"])
def test_more_than_the_maximum_by_settings_is_refused_before_there_is_a_run(told, case):
    assert told[case]["status"] == 400
    assert "16Gi is more than the workspace's maximum of 8Gi" in told[case]["body"]["detail"]


def test_settings_that_nobody_may_choose_are_refused_before_there_is_a_run(told):
    assert told["settings of its own"]["status"] == 400
    assert "run_settings.gpu" in told["settings of its own"]["body"]["detail"]
