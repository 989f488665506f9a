"""A disk that takes no more: what the notebook did before is in the bucket all the same."""

import os
import shutil
import subprocess
from textwrap import indent

import pytest

from daybook.contract.manifest import Reason, State
from daybook.contract.request import Limits

FILL = """
print("before")
from daybook.notebook import outputs
outputs("kept.txt").write_text("kept")
with open("filler", "wb") as file:
    while True:
        file.write(bytes(65536))
"""


@pytest.fixture
def small_disk(run):
    """A scratch folder on a disk of its own of 2 MB."""
    run.scratch.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(run.scratch)]
    if os.geteuid() != 0 or shutil.which("mount") is None or subprocess.run(mount, check=False).returncode != 0:
        pytest.skip("a disk of its own needs the right to mount one")
    yield run
    subprocess.run(["umount", "--lazy", str(run.scratch)], check=True)


def test_the_record_is_whole_although_the_disk_is_full(small_disk):
    ended = small_disk("1", FILL, "3")
    manifest = ended.manifest
    assert (manifest.state, manifest.reason) == (State.FAILED, Reason.CELL_ERROR)
    assert manifest.error.name == "OSError"
    assert "No space left" in manifest.message
    assert ended.states == ["succeeded", "failed", "not_run"]
    assert ended.printed(1) == "before\n"
    assert [each.path for each in manifest.outputs] == ["kept.txt"]
    assert (ended.folder / "outputs" / "kept.txt").read_text() == "kept"
    assert "No space left" in (ended.folder / "log.txt").read_text()
    assert list(ended.scratch.iterdir()) == []


def test_a_run_goes_on_and_succeeds_where_only_its_own_notes_find_no_room(small_disk):
    fill = f"try:\n{indent(FILL, '    ')}\nexcept OSError:\n    print('full')"
    later = "for i in range(300): print('after', i, 'x' * 100)"
    ended = small_disk(fill, later, "print('y' * 5000)", limits=Limits(cell_output_bytes=40_000))
    assert ended.manifest.state is State.SUCCEEDED, ended.said
    assert "after 299" in ended.printed(1)
    assert ended.printed(2) == "y" * 5000 + "\n"
    assert "the disk did not take" in (ended.folder / "log.txt").read_text()
    assert list(ended.scratch.iterdir()) == []
