import json

import pytest

from builders import a_notebook_json
from daybook.cli.app import run_app
from daybook.contract.request import MAX_REQUEST_BYTES


@pytest.fixture
def daybook(project, monkeypatch, capsys):
    def run(*arguments):
        code = run_app(arguments)
        said = capsys.readouterr()
        return code, said.out, said.err

    monkeypatch.chdir(project.root)
    monkeypatch.setenv("COLUMNS", "300")
    return run


@pytest.fixture
def catalogue(project):
    include = project.root / "include"
    for name in ("echo", "broken"):
        (include / "notebooks" / name).mkdir()
        (include / "notebooks" / name / "notebook.ipynb").write_text(a_notebook_json(parameters="times: int = 1"))
    (include / "notebooks" / "broken" / "spec.yaml").write_text("schedule: often\n")
    spec = "tags: [one, two]\ncollections: [three]\n"
    (include / "notebooks" / "echo" / "spec.yaml").write_text(spec)
    workflow = {"id": "flow", "type": "workflow", "title": "A workflow"}
    (include / "catalogue.json").write_text(json.dumps([workflow]))


def test_an_empty_catalogue_says_where_notebooks_go(daybook):
    code, out, _ = daybook("notebooks")
    assert code == 0
    assert "include/notebooks/<id>/notebook.ipynb" in out


def test_everything_is_listed_with_the_reason_where_it_cannot_run(catalogue, daybook):
    code, out, _ = daybook("notebooks")
    assert code == 0
    assert "echo" in out
    assert "-p times=…  integer, default 1" in out
    assert "flow: it" in out
    assert "broken/spec.yaml:1" in out


def test_the_list_is_json_too(catalogue, daybook):
    found = json.loads(daybook("notebooks", "--json")[1])
    assert [each["id"] for each in found["notebooks"]] == ["echo"]
    assert found["notebooks"][0]["tags"] == ["one", "two"]
    assert [each["id"] for each in found["not_runnable"]] == ["flow"]
    assert found["broken"][0]["id"] == "broken"
    assert found["broken"][0]["line"] == 1
    assert found["broken"][0]["file"].endswith("spec.yaml")


@pytest.fixture
def workspaces(project):
    project.workspaces.write_text("workspaces: [{name: local, members: ['*'], bucket: 'memory:///'}]\n")


def test_a_request_that_would_run_shows_its_values(catalogue, workspaces, daybook):
    code, out, _ = daybook("validate", "echo", "-p", "times=3", "--json")
    assert code == 0
    assert json.loads(out) == {
        "valid": True,
        "notebook": "echo",
        "workspace": "local",
        "parameters": {"times": 3},
        "settings": {},
    }


def test_settings_of_the_run_are_checked_too(catalogue, workspaces, daybook):
    code, out, _ = daybook("validate", "echo", "--set", "memory=1Gi", "--json")
    assert (code, json.loads(out)["settings"]) == (0, {"memory": "1Gi"})
    assert "--set memory=1Gi" in daybook("validate", "echo", "--set", "memory=1Gi")[1]
    code, out, _ = daybook("validate", "echo", "--set", "memory=900Ti", "--set", "gpu=1", "-p", "times=x", "--json")
    places = {fault["where"] for fault in json.loads(out)["error"]["faults"]}
    assert (code, places) == (2, {"times", "run_settings.gpu"})


def test_parameters_that_cannot_travel_to_a_pod_are_refused(project, catalogue, workspaces, daybook):
    (project.root / "include" / "notebooks" / "echo" / "spec.yaml").write_text("inputs: {text: string}\n")
    (project.root / "large.json").write_text(json.dumps({"text": "x" * MAX_REQUEST_BYTES}))
    code, out, _ = daybook("validate", "echo", "--parameters", str(project.root / "large.json"), "--json")
    assert (code, json.loads(out)["error"]["faults"][0]["where"]) == (2, "parameters")


def test_a_request_that_would_be_refused_names_every_fault(catalogue, workspaces, daybook):
    code, out, _ = daybook("validate", "echo", "-p", "times=x", "-p", "a=1", "-w", "b", "--json")
    assert code == 2
    assert {fault["where"] for fault in json.loads(out)["error"]["faults"]} == {"times", "a", "workspace"}


def test_what_the_workspace_does_not_allow_is_refused_with_the_rest(project, catalogue, workspaces, daybook):
    """The catalogue's entry asks for a GPU, of which a workspace has none unless it says so."""
    (project.root / "include" / "notebooks" / "echo" / "spec.yaml").write_text("run: {gpu: 1}\n")
    code, out, _ = daybook("validate", "echo", "-p", "times=x", "--json")
    assert code == 2
    assert [fault["where"] for fault in json.loads(out)["error"]["faults"]][-1] == "run.gpu"


@pytest.mark.parametrize(("image", "said"), [("a/b:1", True), ("a/b@sha256:" + "0" * 64, False)])
def test_an_image_that_is_not_pinned_is_told(project, catalogue, daybook, image, said):
    project.workspaces.write_text(
        "workspaces: [{name: local, bucket: 'memory:///', members: [ada], allowed: {images: ['*']}}]\n"
    )
    (project.root / "include" / "notebooks" / "echo" / "spec.yaml").write_text(f"run: {{image: '{image}'}}\n")
    code, out, _ = daybook("validate", "echo")
    assert (code, "pin it" in out) == (0, said)


@pytest.mark.parametrize(("notebook", "words"), [("broken", "spec.yaml"), ("flow", "cannot be run"), ("eco", "echo")])
def test_what_cannot_run_says_why(catalogue, workspaces, daybook, notebook, words):
    code, _, err = daybook("validate", notebook)
    assert code == 2
    assert words in err


def test_faulty_workspaces_are_told_and_the_last_good_ones_serve(catalogue, workspaces, daybook, project):
    assert daybook("validate", "echo")[0] == 0
    assert json.loads(daybook("notebooks", "--json")[1])["workspaces_fault"] is None
    project.workspaces.write_text("workspaces:\n- {name: local}\n")
    code, out, _ = daybook("notebooks")
    assert code == 0
    assert f"{project.workspaces}, line 2" in out
    assert "line 2" in json.loads(daybook("notebooks", "--json")[1])["workspaces_fault"]
    assert daybook("validate", "echo")[0] == 0
