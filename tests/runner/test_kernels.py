"""Which kernel a notebook gets, and notebooks in a language that is not Python."""

import json
import os
import sys

import pytest

from daybook.contract.errors import ExitCode, InvalidRequest, KernelUnavailable
from daybook.contract.request import NotebookSource
from daybook.runner.kernels import KernelSpec, choose, installed, substitution
from runner.runs import code, notebook_of

PYTHON = KernelSpec("python3", "python", ("python",))
R = KernelSpec("ir", "r", ("R",))
JULIA = KernelSpec("julia-1.9", "julia", ("julia",))
KERNELS = {"python3": PYTHON, "ir": R, "julia-1.9": JULIA}


def saying(name=None, language=None, version=None):
    """A notebook with these words in its metadata."""
    spec = {"name": name, "display_name": name, "language": language} if name else None
    info = {"name": language, "version": version} if version else None
    return {"metadata": {key: value for key, value in (("kernelspec", spec), ("language_info", info)) if value}}


@pytest.mark.parametrize(
    ("document", "wanted", "chosen"),
    [
        (notebook_of("1"), None, "python3"),
        (notebook_of("1", kernel="IR"), None, "ir"),
        (notebook_of("1", kernel="python"), None, "python3"),
        (notebook_of("1", kernel=None), None, "python3"),
        (notebook_of("1"), "ir", "ir"),
        ({"metadata": {"language_info": {"name": "R"}}}, None, "ir"),
        ({"metadata": {"kernelspec": {"language": "python"}}}, None, "python3"),
        ({"metadata": {"kernelspec": "python3"}}, None, "python3"),
        ({}, None, "python3"),
    ],
)
def test_the_kernel_is_the_wanted_one_the_notebooks_own_or_one_of_its_language(document, wanted, chosen):
    spec = choose(document, wanted, KERNELS)
    assert spec.name == chosen
    assert substitution(document, wanted, spec) is None


@pytest.mark.parametrize(
    ("document", "chosen"),
    [
        (saying("conda-env-stats-py", "python"), "python3"),
        (saying("python [root]", "Python", "3.5.1"), "python3"),
        (saying("ipython3-spark", "ipython"), "python3"),
        (saying("julia-1.6", "julia"), "julia-1.9"),
        (saying("r-4.1", "R"), "ir"),
    ],
)
def test_a_kernel_that_only_the_notebook_names_is_replaced_by_one_of_its_language(document, chosen):
    spec = choose(document, None, KERNELS)
    assert spec.name == chosen
    named = document["metadata"]["kernelspec"]["name"]
    assert substitution(document, None, spec) == (
        f"kernel {named!r}, which the notebook names, is not installed here; kernel {chosen!r} takes its place"
    )


def test_where_python_has_no_kernel_of_the_usual_name_another_takes_its_place():
    other = KernelSpec("conda-base", "python", ("python",))
    assert choose(notebook_of("1"), None, {"ir": R, "conda-base": other}) is other


@pytest.mark.parametrize(
    ("document", "wanted", "message"),
    [
        (notebook_of("1"), "pyhton3", "there is no kernel 'pyhton3'; did you mean 'python3'?"),
        (notebook_of("1"), "julia", "there is no kernel 'julia'"),
        (saying("conda-x"), None, "there is no kernel 'conda-x'; "),
        (saying("scala-2", "scala"), None, "there is no kernel 'scala-2', nor another for the language 'scala'"),
        (saying("python2", "python"), None, "no kernel 'python2', and the notebook is written for Python 2; installed"),
        (saying("py27", "python", "2.7.18"), None, "no kernel 'py27', and the notebook is written for Python 2"),
        ({"metadata": {"language_info": {"name": "scala"}}}, None, "there is no kernel for the language 'scala'"),
    ],
)
def test_a_kernel_that_is_not_there_is_named_with_those_that_are(document, wanted, message):
    with pytest.raises(InvalidRequest) as raised:
        choose(document, wanted, KERNELS)
    assert message in str(raised.value)
    assert "installed are: python3 (python), ir (r), julia-1.9 (julia)" in str(raised.value)


def test_no_kernel_at_all_is_the_environments_fault():
    with pytest.raises(KernelUnavailable, match="install ipykernel"):
        choose({}, None, {})


def install(folder, monkeypatch, name, content):
    place = folder / "kernels" / name
    place.mkdir(parents=True)
    (place / "kernel.json").write_text(content if isinstance(content, str) else json.dumps(content))
    monkeypatch.setenv("JUPYTER_PATH", str(folder))


def test_broken_kernels_are_passed_over(tmp_path, monkeypatch):
    for name, content in {"broken": "{", "empty": "{}", "good": '{"argv": ["x"], "interrupt_mode": "message"}'}.items():
        install(tmp_path, monkeypatch, name, content)
    found = installed()
    assert found["good"].interrupted_by_message
    assert not {"broken", "empty"} & found.keys()
    assert "python3" in found


BASH = {"argv": [sys.executable, "-m", "bash_kernel", "-f", "{connection_file}"], "env": {"PS1": "$"}}
DANGEROUS = {
    "quotes": 'it\'s "quoted" \\ $(touch ran) `touch ran` ${HOME} $HOME',
    "lines": "one\n touch ran\n#three\\",
    "typed": "!! \t\t é😀 \x1b[A\x15 \x03\ntouch ran\n\x04",
    "long": "a'b" * 3_000,
    "empty": "",
    "nothing": None,
    "true": True,
    "many": ["x y", "*", "$(touch ran)"],
}
PRINTING = """\
printf '%s' "$quotes" > outputs/quotes
printf '%s' "$lines" > outputs/lines
printf '%s' "$typed" > outputs/typed
printf '%s' "$long" > outputs/long
printf '%s' "$empty" > outputs/empty
printf '%s' "$nothing" > outputs/nothing
printf '%s' "$true" > outputs/true
printf '<%s>' "${many[@]}" > outputs/many
ls
"""


@pytest.fixture
def bash(tmp_path, monkeypatch):
    install(tmp_path / "jupyter", monkeypatch, "bash", {**BASH, "language": "bash", "display_name": "Bash"})


@pytest.mark.usefixtures("bash")
def test_a_notebook_in_bash_gets_its_parameters_as_data(run):
    # Its author's kernel had another name.
    document = notebook_of(code("quotes=none", "parameters"), PRINTING, "false", "echo not reached", language="bash")
    document["metadata"]["kernelspec"]["name"] = "my-bash"
    ended = run(document=document, parameters=DANGEROUS, environment={**os.environ, "LC_ALL": "C"})
    manifest = ended.manifest
    assert manifest.kernel.name == "bash", ended.said
    assert manifest.kernel.language == "bash"
    left = {path.name: path.read_bytes().decode() for path in (ended.folder / "outputs").iterdir()}
    texts = {name: value for name, value in DANGEROUS.items() if isinstance(value, str)}
    assert left == {**texts, "nothing": "", "true": "true", "many": "<x y><*><$(touch ran)>"}
    assert ended.printed(2).split() == ["outputs"]
    assert (ended.exit_code, manifest.reason, manifest.error.cell) == (ExitCode.NOTEBOOK_FAILED, "cell_error", 3)
    assert ended.states == ["succeeded", "succeeded", "succeeded", "failed", "not_run"]
    assert ended.notebook["metadata"]["kernelspec"]["name"] == "bash"
    assert ended.notebook["metadata"]["language_info"]["name"] == "bash"


@pytest.mark.usefixtures("bash")
def test_a_kernel_that_was_asked_for_is_not_replaced(run):
    source = NotebookSource(id="example", source=str(run.root / "given1.ipynb"), kernel="bash-5")
    ended = run("1", notebook=source)
    assert ended.exit_code is ExitCode.INVALID_REQUEST
    assert "there is no kernel 'bash-5'; did you mean 'bash'? installed are: " in ended.manifest.message
    assert "bash (bash)" in ended.manifest.message
