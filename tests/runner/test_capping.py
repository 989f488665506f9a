"""Output beyond the limits goes to side files that the notebook links to; nothing of it is lost."""

import base64
import hashlib
import json

import pytest

from daybook.contract.errors import ExitCode
from daybook.contract.manifest import State
from daybook.contract.request import Limits
from daybook.runner.capping import OutputCap
from daybook.runner.side_files import SideFiles

LINES = "for i in range(1000): print('line', i)"
ALL_LINES = "".join(f"line {i}\n" for i in range(1000))
SMALL = Limits(cell_output_bytes=2_000, output_bytes=3_000)


def shown(cell):
    """The links in a cell's outputs, as text."""
    return ["".join(each["data"]["text/plain"]) for each in cell["outputs"] if each["output_type"] == "display_data"]


def whole(ended, name):
    return (ended.folder / "side" / name).read_text()


@pytest.fixture(scope="module")
def capped(run_once):
    picture = "from IPython.display import Image, HTML, display\n"
    picture += "display(Image(data=b'\\x89PNG' + bytes(5000), format='png'))\n"
    picture += "display(HTML('<b>' + 'h' * 5000 + '</b>'))\nprint('still here')"
    trace = "raise ValueError('v' * 5000)"
    cells = [LINES, picture, "print('x' * 1500)", "print('y' * 1500)", trace]
    return run_once(*cells, limits=SMALL)


def test_of_a_long_text_the_beginning_the_end_and_a_link_stay(capped):
    cell = capped.notebook["cells"][0]
    streams = ["".join(each["text"]) for each in cell["outputs"] if each["output_type"] == "stream"]
    assert ALL_LINES.startswith(streams[0])
    assert 1_900 < len(streams[0]) <= 2_000
    assert streams[0].endswith("\n")
    assert streams[1].endswith("line 998\nline 999\n")
    assert "side/cell-0-stdout.txt" in shown(cell)[0]
    [link] = [each for each in cell["outputs"] if each["output_type"] == "display_data"]
    assert '<a href="side/cell-0-stdout.txt">' in "".join(link["data"]["text/html"])


def test_the_side_file_holds_all_of_it_and_the_manifest_lists_it(capped):
    assert whole(capped, "cell-0-stdout.txt") == ALL_LINES
    listed = {each.key: each for each in capped.manifest.side_files}
    found = listed["side/cell-0-stdout.txt"]
    assert (found.cell, found.size, found.media_type) == (0, len(ALL_LINES), "text/plain")
    assert found.sha256 == hashlib.sha256(ALL_LINES.encode()).hexdigest()


def test_large_images_and_html_go_aside_as_what_they_are(capped):
    assert (capped.folder / "side" / "cell-1-1.png").read_bytes() == b"\x89PNG" + bytes(5000)
    assert whole(capped, "cell-1-2.html") == "<b>" + "h" * 5000 + "</b>"
    cell = capped.notebook["cells"][1]
    assert "image/png" not in json.dumps([each.get("data", {}).keys() for each in cell["outputs"]], default=list)
    assert capped.printed(1) == "still here\n"


def test_the_limit_of_the_run_holds_over_its_cells(capped):
    # 2,000 of 3,000 bytes are used by the first cell and a little by the second: the third does not fit as a whole.
    assert whole(capped, "cell-2-stdout.txt") == "x" * 1500 + "\n"
    assert whole(capped, "cell-3-stdout.txt") == "y" * 1500 + "\n"


def test_an_exception_that_is_too_large_stays_in_short(capped):
    assert capped.exit_code is ExitCode.NOTEBOOK_FAILED
    assert capped.manifest.state is State.FAILED
    assert capped.manifest.error.name == "ValueError"
    [error] = [each for each in capped.notebook["cells"][4]["outputs"] if each["output_type"] == "error"]
    assert "side/cell-4-1.txt" in error["traceback"][0]
    assert "v" * 5000 in whole(capped, "cell-4-1.txt")


def test_the_log_holds_what_the_notebook_holds_and_says_where_the_rest_is(capped):
    log = (capped.folder / "log.txt").read_text()
    assert "line 999\n" not in log
    assert "side/cell-0-stdout.txt" in log


def test_what_was_cleared_counts_no_longer_and_leaves_no_side_file(run):
    cleared = f"from IPython.display import clear_output\n{LINES}\nclear_output()\nprint('z' * 1500)"
    ended = run(cleared, limits=SMALL)
    assert ended.printed(0) == "z" * 1500 + "\n"
    assert ended.manifest.side_files == ()
    assert not (ended.folder / "side").exists()


def test_a_picture_that_replaces_itself_counts_once(run):
    frames = "from IPython.display import Image, display\nimport os\n"
    frames += "handle = display(Image(data=os.urandom(1500), format='png'), display_id='movie')\n"
    frames += "for _ in range(20): handle.update(Image(data=os.urandom(1500), format='png'))"
    ended = run(frames, limits=SMALL)
    assert ended.manifest.side_files == ()
    assert len(ended.notebook["cells"][0]["outputs"]) == 1


@pytest.fixture
def cap(tmp_path):
    with SideFiles(tmp_path / "side", print) as files:
        yield OutputCap(Limits(cell_output_bytes=100, output_bytes=100), files, print)


def test_text_and_images_are_counted_apart(cap):
    text, link = cap.stream(0, "stdout", "a" * 100, str)
    assert (len(text), link) == (100, None)
    png = base64.b64encode(bytes(99)).decode()
    assert cap.data(0, {"image/png": png}) == {"image/png": png}


def test_letters_are_counted_in_bytes_and_never_cut_in_two(cap):
    text, link = cap.stream(0, "stdout", "ß" * 51, str)
    assert text == "ß" * 50
    assert link is not None


def test_where_the_disk_is_full_the_notebook_says_what_was_lost(tmp_path):
    said = []
    (tmp_path / "side").write_text("a file is in the folder's place")
    files = SideFiles(tmp_path / "side", said.append)
    cap = OutputCap(Limits(cell_output_bytes=10, output_bytes=10), files, said.append)
    _, link = cap.stream(0, "stdout", "b" * 20, str)
    assert "lost, the disk did not take it" in link.data["text/plain"]
    assert any("cannot be kept" in line for line in said)
