"""Whole runs in real kernels: what is left of each, and that state, reason and exit code agree."""

import json
import os
import time

import psutil
import pytest

from daybook.contract.errors import ExitCode
from daybook.contract.manifest import Reason, State
from daybook.contract.request import Limits, NotebookSource
from runner.runs import code, text

HAPPY = (
    text("# A title with $x^2$"),
    code("origin = 'EWR'\nlimit = 1", "parameters"),
    "from daybook.notebook import outputs, record, secret, workspace\nprint(origin, limit)",
    """
import os, pathlib, subprocess, sys
outputs("plots", "a b.txt").write_text("1")
outputs("ü.csv").write_text("x")
pathlib.Path("outputs/relative.json").write_text("{}")
outputs("inside").symlink_to(outputs("ü.csv"))
outputs("away").symlink_to("/etc/hostname")
outputs("nowhere").symlink_to("missing")
os.mkfifo(outputs("pipe"))
pathlib.Path("not-an-output").write_text("")
stray = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
print(stray.pid)
""",
    'record("mean", 12.5)\nrecord("mean", 13)\nrecord("where", workspace().name)\nsecret("token") == "s3cret"',
    code("1/0", "raises-exception"),
    code("1/0", "skip-execution"),
    "",
    """
from IPython.display import display, HTML
for i in range(3): print(i)
handle = display("first", display_id="d")
handle.update("second")
display(HTML("<b>bold</b>"))
print("err", file=sys.stderr)
""",
    """
from IPython.display import clear_output
import time
print('gone')
clear_output()
os.write(1, b'\\xff not UTF-8')
time.sleep(0.5)
""",
    "print(sorted(n for n in os.environ if n.startswith('DAYBOOK_')), os.getcwd(), os.listdir('.'))",
    "import json\nprint(json.dumps(dict(globals()['_oh']), default=str))\n40 + 2",
)


@pytest.fixture(scope="module")
def happy(run_once):
    environment = {**os.environ, "DAYBOOK_SECRET_token": "s3cret", "DAYBOOK_REQUEST": "never seen by a kernel"}
    environment.pop("PYTEST_CURRENT_TEST", None)  # with it, ipykernel does not watch the file of standard output
    return run_once(*HAPPY, parameters={"origin": "JFK", "limit": None}, environment=environment)


def test_a_run_that_succeeds_says_so_everywhere(happy):
    manifest = happy.manifest
    assert happy.exit_code is ExitCode.SUCCEEDED, happy.said
    assert (manifest.state, manifest.reason, manifest.exit_code) == (State.SUCCEEDED, None, 0)
    assert manifest.succeeded
    assert manifest.sealed_by == "runner"
    assert happy.notebook["metadata"]["daybook"]["state"] == "succeeded"
    assert happy.notebook["metadata"]["papermill"]["exception"] is None


def test_parameters_are_injected_after_the_parameters_cell(happy):
    injected = happy.notebook["cells"][2]
    assert injected["metadata"]["tags"] == ["injected-parameters"]
    assert "".join(injected["source"]) == '# Parameters\norigin = "JFK"\nlimit = None\n'
    assert happy.printed(3) == "JFK None\n"
    assert happy.notebook["metadata"]["papermill"]["parameters"] == {"origin": "JFK", "limit": None}


def test_every_file_below_outputs_is_an_output_and_nothing_else(happy):
    found = {each.path: each for each in happy.manifest.outputs}
    assert sorted(found) == ["inside", "plots/a b.txt", "relative.json", "ü.csv"]
    for each in found.values():
        assert (happy.folder / each.key).stat().st_size == each.size
    assert found["ü.csv"].media_type == "text/csv"
    assert found["plots/a b.txt"].sha256 == "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b"
    assert {path.name for path in (happy.folder / "outputs").iterdir()} == {"inside", "plots", "relative.json", "ü.csv"}


@pytest.mark.parametrize(
    ("name", "why"), [("away", "leads out"), ("nowhere", "leads nowhere"), ("pipe", "is no plain file")]
)
def test_what_is_no_plain_file_of_the_folder_is_left_out_and_told_of(happy, name, why):
    assert any(f"output '{name}'" in line and why in line for line in happy.said.splitlines())


def test_results_are_what_was_recorded_last(happy):
    assert happy.manifest.results == {"mean": 13, "where": "local"}


def test_cells_are_counted_by_what_became_of_them(happy):
    counts = happy.manifest.cells
    assert happy.states == ["succeeded"] * 6 + ["skipped"] * 2 + ["succeeded"] * 4
    assert (counts.total, counts.succeeded, counts.skipped, counts.not_run, counts.current) == (12, 10, 2, 0, None)


def test_output_is_kept_as_jupyter_shows_it(happy):
    outputs = happy.notebook["cells"][9]["outputs"]
    kinds = [each["output_type"] for each in outputs]
    assert kinds.count("stream") == 2
    assert happy.printed(9) == "0\n1\n2\nerr\n"
    [updated] = [each for each in outputs if "second" in str(each.get("data"))]
    assert "first" not in str(updated)
    assert "gone" not in happy.printed(10)
    assert "not UTF-8" in happy.printed(10)


def test_the_kernel_sees_the_runs_variables_and_a_folder_of_its_own(happy):
    printed = happy.printed(11)
    for name in ("OUTPUTS", "RESULTS", "RUN", "NOTEBOOK", "USER", "WORKSPACE", "SECRET_token"):
        assert f"'DAYBOOK_{name}'" in printed
    assert "DAYBOOK_REQUEST" not in printed
    assert str(happy.scratch) in printed
    assert "['not-an-output', 'outputs']" in printed or "['outputs', 'not-an-output']" in printed


def test_the_page_loads_nothing_from_elsewhere(happy):
    page = (happy.folder / "notebook.html").read_text()
    assert "<b>bold</b>" in page
    assert "A title with" in page
    assert "<script src" not in page
    assert "cdnjs" not in page
    assert "unpkg" not in page


def test_the_log_holds_the_runners_lines_and_what_cells_print(happy):
    log = (happy.folder / "log.txt").read_text()
    assert "cell 3/12 succeeded in " in log
    assert "JFK None\n" in log
    assert "\nerr\n" in log
    assert log.splitlines()[-1].split(" ", 1)[1].startswith("succeeded [")
    assert "JFK None\n" in happy.said
    assert "s3cret" not in log


def test_kernel_packages_and_digest_are_in_the_manifest(happy):
    manifest = happy.manifest
    assert manifest.kernel.name == "python3"
    assert manifest.kernel.language_version.startswith("3.")
    assert manifest.packages["ipykernel"]
    assert len(manifest.notebook.sha256) == 64
    assert (happy.folder / manifest.files.source).read_bytes() == (happy.scratch.parent / "given1.ipynb").read_bytes()
    assert manifest.timings.duration_seconds > 0


def test_nothing_is_left_behind(happy):
    assert list(happy.scratch.iterdir()) == []
    stray = int(happy.printed(4).split()[-1])
    assert not psutil.pid_exists(stray) or psutil.Process(stray).status() == psutil.STATUS_ZOMBIE


def test_a_long_error_makes_a_short_message(run):
    ended = run("raise ValueError('first line' + 'x' * 100_000 + chr(10) + 'second line')")
    assert len(ended.manifest.message) < 400
    assert "second line" not in ended.manifest.message
    assert len((ended.folder / "manifest.json").read_bytes()) < 30_000


def test_a_run_over_its_limit_is_ended_although_the_cell_resists(run):
    stubborn = "import time\nwhile True:\n    try:\n        time.sleep(99)\n    except KeyboardInterrupt:\n        pass"
    ended = run("print('begun')", stubborn, "2", limits=Limits(timeout_seconds=4))
    manifest = ended.manifest
    assert (manifest.state, manifest.reason, ended.exit_code) == (State.FAILED, Reason.RUN_TIMEOUT, 1)
    assert ended.states[2] == "not_run"


def test_what_a_cell_prints_later_stands_at_that_cell(run):
    later = """
import asyncio
async def speak():
    await asyncio.sleep(0.5)
    print('late')
task = asyncio.create_task(speak())
"""
    ended = run(later, "await task\nprint('second')")
    assert ended.printed(0) == "late\n"
    assert ended.printed(1) == "second\n"


def test_without_a_parameters_cell_the_parameters_come_first(run):
    ended = run("print(a)", parameters={"a": [1, {"b": None}]})
    assert ended.notebook["cells"][0]["metadata"]["tags"] == ["injected-parameters"]
    assert ended.printed(1) == "[1, {'b': None}]\n"


def test_an_old_notebook_is_brought_up_to_date(run):
    old = {
        "nbformat": 3,
        "nbformat_minor": 0,
        "metadata": {"name": "old"},
        "worksheets": [
            {"cells": [{"cell_type": "code", "language": "python", "input": "print('old')", "outputs": []}]}
        ],
    }
    ended = run(document=old)
    assert ended.exit_code is ExitCode.SUCCEEDED
    assert ended.notebook["nbformat"] == 4
    assert ended.printed(0) == "old\n"


def test_a_notebook_without_cells_succeeds(run):
    ended = run()
    assert ended.exit_code is ExitCode.SUCCEEDED
    assert ended.manifest.cells.total == 0


def test_a_second_attempt_writes_beside_the_first(run, tmp_path):
    output = (tmp_path / "same").as_uri()
    first = run("1/0", output=output)
    second = run("print('again')", output=output, attempt=2)
    manifest = second.manifest
    assert (first.exit_code, second.exit_code) == (1, 0)
    assert (manifest.attempt, manifest.state) == (2, State.SUCCEEDED)
    assert manifest.files.notebook == "attempts/2/notebook.ipynb"
    kept = json.loads((first.folder / "notebook.ipynb").read_text())
    assert kept["metadata"]["daybook"]["state"] == "failed"


@pytest.mark.parametrize("attempt", [1, 2])
def test_an_attempt_that_is_stale_or_sealed_leaves_the_record_alone(run, tmp_path, attempt):
    output = (tmp_path / "same").as_uri()
    newer = run("print('newer')", output=output, attempt=2)
    before = {path: path.read_bytes() for path in newer.folder.rglob("*") if path.is_file()}
    late = run("print('late')", output=output, attempt=attempt)
    assert late.exit_code is ExitCode.INTERRUPTED
    assert {path: path.read_bytes() for path in newer.folder.rglob("*") if path.is_file()} == before


def test_progress_is_in_the_bucket_while_the_run_goes_on(run, tmp_path):
    look = f"""
import json, pathlib, time
folder = pathlib.Path({str(tmp_path / "bucket1" / "run")!r})
print("so far")
deadline = time.monotonic() + 20
while time.monotonic() < deadline:
    manifest = json.loads((folder / "manifest.json").read_text())
    kept = (folder / "notebook.ipynb").read_text() if (folder / "notebook.ipynb").exists() else ""
    if manifest["cells"]["current"] == 1 and "so far" + chr(92) in kept:
        break
    time.sleep(0.1)
print(manifest["state"], manifest["cells"]["current"], manifest["sealed"], "so far" in kept)
"""
    began = time.monotonic()
    ended = run("1", look)
    assert ended.printed(1) == "so far\nrunning 1 False True\n", ended.said
    assert time.monotonic() - began < 40


def test_a_kernel_that_dies_at_its_start_is_told_with_its_last_words(run, tmp_path, monkeypatch):
    make_kernel(tmp_path, monkeypatch, ["/bin/sh", "-c", "echo no license >&2; exit 4", "{connection_file}"])
    ended = run("1", **named(run, "broken"))
    manifest = ended.manifest
    assert (manifest.state, manifest.reason) == (State.FAILED, Reason.KERNEL_UNAVAILABLE)
    assert ended.exit_code is ExitCode.INFRASTRUCTURE_FAILED
    assert "ended with exit code 4 while it started; its last words: no license" in manifest.message
    assert ended.states == ["not_run"]


def test_a_kernel_whose_command_is_missing_is_named(run, tmp_path, monkeypatch):
    make_kernel(tmp_path, monkeypatch, ["/nowhere/kernel", "{connection_file}"])
    ended = run("1", **named(run, "broken"))
    assert ended.exit_code is ExitCode.INFRASTRUCTURE_FAILED
    assert "kernel 'broken' cannot start: /nowhere/kernel: No such file" in ended.manifest.message


def make_kernel(tmp_path, monkeypatch, argv):
    folder = tmp_path / "jupyter" / "kernels" / "broken"
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text(json.dumps({"argv": argv, "language": "python", "display_name": "Broken"}))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))


def named(run, kernel):
    source = str(run.root / "given1.ipynb")
    return {"notebook": NotebookSource(id="example", source=source, kernel=kernel)}
