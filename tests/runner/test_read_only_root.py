"""The pod's root is read-only: runner, kernel and libraries write to HOME, the working folder and /tmp alone.

Shown in a mount namespace of its own, which takes root; skipped where that cannot be had.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from builders import RUN_ID, a_notebook_json, a_request
from daybook.contract import keys
from daybook.contract.request import NotebookSource

HOME = "/home/daybook"
WORK = "/home/daybook/work"

ENTER = f"""
import json, os, subprocess, sys
command = sys.argv[1:]
for arguments in json.loads(os.environ.pop("MOUNTS")):
    if arguments[0] == "--bind":
        os.makedirs(arguments[-1], exist_ok=True)
    subprocess.run(["mount", *arguments], check=True)
    if arguments[-1] == "/home":
        os.makedirs({WORK!r})
os.chdir({WORK!r})
os.execv(command[0], command)
"""

CELLS = [
    "import os, sqlite3, tempfile, pathlib\n"
    "pathlib.Path('/tmp/mine').write_text(tempfile.gettempdir())\n"
    "pathlib.Path('note.txt').write_text('mine')\n"
    "pathlib.Path('~/.cache/library').expanduser().mkdir(parents=True)\n"
    "pathlib.Path('outputs/table.csv').write_text('a,b')",
    "from daybook.notebook import record\n"
    "try:\n    open('/usr/mine', 'w')\nexcept OSError as error:\n    record('refused', error.strerror)",
    "%history -n 1\nimport pyspark.sql.connect.session\nimport matplotlib.pyplot as p\np.plot([1, 2]);",
]


def may_mount():
    if not (sys.platform == "linux" and os.geteuid() == 0 and shutil.which("unshare") and shutil.which("mount")):
        return False
    return subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode == 0


@pytest.mark.skipif(not may_mount(), reason="needs root and mount namespaces")
def test_a_run_needs_nothing_but_home_working_folder_and_tmp(tmp_path: Path) -> None:
    (tmp_path / "nb.ipynb").write_text(a_notebook_json(CELLS))
    request = a_request(
        notebook=NotebookSource(id="nb", source="file:///mnt/nb.ipynb"),
        parameters={},
        output=f"file:///mnt/bucket/{keys.run_prefix(RUN_ID)}",
    )
    (tmp_path / "bucket").mkdir()
    checkout = str(Path(__file__).parents[2])
    mounts = [
        ["--make-rprivate", "/"],
        ["--bind", checkout, "/media"],
        ["--bind", str(tmp_path), "/mnt"],
        ["-t", "tmpfs", "tmpfs", "/home"],
        ["-t", "tmpfs", "tmpfs", "/tmp"],
        ["--bind", "/media", checkout],  # it may have lain below one of these
        ["-o", "remount,bind,ro", checkout],
        ["-o", "remount,bind,ro", "/"],
    ]
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": HOME,
        "MOUNTS": json.dumps(mounts),
        "DAYBOOK_REQUEST": request.to_json(),
    }
    command = ["unshare", "--mount", sys.executable, "-c", ENTER, sys.executable, "-m", "daybook.runner"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr
    manifest = json.loads((tmp_path / "bucket" / keys.run_prefix(RUN_ID) / keys.MANIFEST).read_bytes())
    assert (manifest["state"], manifest["results"]) == ("succeeded", {"refused": "Read-only file system"})
    assert [output["path"] for output in manifest["outputs"]] == ["table.csv"]
