"""Output beyond the limits goes to side files that the notebook links to; nothing of it is lost."""

import base64
import errno
import hashlib
import json
import os

import pytest

from daybook.contract.errors import ExitCode
from daybook.contract.manifest import State
from daybook.contract.request import Limits
from daybook.runner.capping import OUTPUT_OVERHEAD_BYTES, OutputCap
from daybook.runner.changes import Changes
from daybook.runner.messages import Keeping, MessageTaker
from daybook.runner.redaction import Redactor
from daybook.runner.side_files import SideFiles

LINES = "for i in range(1000): print('line', i)"
ALL_LINES = "".join(f"line {i}\n" for i in range(1000))
SMALL = Limits(cell_output_bytes=2_000 + OUTPUT_OVERHEAD_BYTES, output_bytes=3_000 + OUTPUT_OVERHEAD_BYTES)


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
    # Two thirds are used by the first cell and a little by the second: the third does not fit as a whole.
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


ROOM_FOR_100 = Limits(cell_output_bytes=100 + OUTPUT_OVERHEAD_BYTES, output_bytes=100 + OUTPUT_OVERHEAD_BYTES)


def a_display(data, **content):
    return {"data": data, "metadata": {}, "transient": {}, **content}


@pytest.fixture
def cap(tmp_path):
    with SideFiles(tmp_path / "side", print) as files:
        yield OutputCap(ROOM_FOR_100, files, print)


def test_text_and_images_are_counted_apart(cap):
    text, link = cap.stream(0, "stdout", "a" * 100, str)
    assert (len(text), link) == (100, None)
    png = base64.b64encode(bytes(99)).decode()
    assert cap.rich(0, "display_data", a_display({"image/png": png}))["data"] == {"image/png": png}


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


SMALL_OUTPUTS = """
from IPython.display import display
for i in range(60): display(i)
handle = display("first", display_id="late")
handle.update("second")
"""


def test_outputs_count_even_where_they_are_small_and_the_rest_goes_to_one_file(run):
    ended = run(SMALL_OUTPUTS, limits=Limits(cell_output_bytes=20 * OUTPUT_OVERHEAD_BYTES))
    outputs = ended.notebook["cells"][0]["outputs"]
    *stay, link = ["".join(each["data"]["text/plain"]) for each in outputs]
    assert 0 < len(stay) < 20
    assert "side/cell-0-outputs.jsonl" in link
    aside = [json.loads(line) for line in whole(ended, "cell-0-outputs.jsonl").splitlines()]
    words = [each["data"]["text/plain"] for each in aside]
    assert stay + words == [str(i) for i in range(60)] + ["'first'", "'second'"]
    assert aside[-1]["output_type"] == "update_display_data"
    [file] = ended.manifest.side_files
    assert (file.cell, file.media_type) == (0, "application/x-ndjson")


def test_streams_that_take_turns_are_capped_by_their_outputs(run):
    turns = "import sys\nfor i in range(40):\n    print(i, flush=True)\n    print(i, file=sys.stderr, flush=True)"
    ended = run(turns, limits=Limits(cell_output_bytes=20 * OUTPUT_OVERHEAD_BYTES))
    assert len(ended.notebook["cells"][0]["outputs"]) < 25
    numbers = "".join(f"{i}\n" for i in range(40))
    assert whole(ended, "cell-0-stdout.txt") == numbers
    assert whole(ended, "cell-0-stderr.txt") == numbers


def test_a_picture_still_has_room_after_a_flood_of_text(cap):
    cap.stream(0, "stdout", "a" * 5000, str)
    png = base64.b64encode(bytes(90)).decode()
    content = a_display({"text/plain": "<Figure>", "image/png": png})
    assert cap.rich(0, "display_data", content) == content


def test_outputs_that_share_a_display_id_count_each(cap):
    content = a_display({"text/plain": "x" * 60}, transient={"display_id": "same"})
    assert cap.rich(0, "display_data", content)["data"] == content["data"]
    assert "side/cell-0-outputs.jsonl" in cap.rich(0, "display_data", content)["data"]["text/plain"]


def test_exceptions_that_are_shown_again_and_again_go_to_one_file(cap, tmp_path):
    content = {"ename": "E", "evalue": "v" * 1000, "traceback": ["v" * 1000]}
    shown = [cap.error(0, content) for _ in range(5)]
    assert [each is None for each in shown] == [False, False, True, True, True]
    assert cap.error(0, content, last=True) is not None
    cap.tail(0)
    assert len((tmp_path / "side" / "cell-0-outputs.jsonl").read_bytes().splitlines()) == 4


def test_large_metadata_goes_aside_too(cap, tmp_path):
    kept = cap.rich(0, "display_data", a_display({"text/plain": "x"}, metadata={"much": "m" * 5000}))
    assert kept["metadata"] == {}
    assert "side/cell-0-1.json" in kept["data"]["text/plain"]
    assert json.loads((tmp_path / "side" / "cell-0-1.json").read_text()) == {"much": "m" * 5000}


def test_a_display_that_is_updated_leaves_the_file_of_what_it_shows_last(cap, tmp_path):
    def frame(size):
        png = base64.b64encode(bytes(size)).decode()
        return a_display({"image/png": png}, transient={"display_id": "movie"})

    cap.rich(0, "display_data", frame(1000))
    for size in range(2000, 2020):  # another cell updates it: the file stays the first cell's
        kept = cap.rich(3, "update_display_data", frame(size))
    assert 'href="side/cell-0-1.png"' in kept["data"]["text/html"]
    assert [(each.name, each.stat().st_size) for each in (tmp_path / "side").iterdir()] == [("cell-0-1.png", 2019)]
    cap.rich(3, "update_display_data", frame(10))
    assert list((tmp_path / "side").iterdir()) == []


@pytest.mark.parametrize("name", ["../../x", "/etc/x", "a/b", "", "1", "x" * 5000, "ä\0"])
def test_a_stream_may_be_called_anything(cap, tmp_path, name):
    _, link = cap.stream(0, name, "b" * 2000, str)
    [file] = (tmp_path / "side").iterdir()
    assert f"side/{file.name}" in link.data["text/plain"]
    assert not file.name.startswith("cell-0-1.")
    _, link = cap.stream(1, "stdout", "b" * 2000, str)
    assert "side/cell-1-stdout.txt" in link.data["text/plain"]


def test_a_kernels_words_are_no_html_and_no_path(cap, tmp_path):
    bad = '<script src="//x">/../../y+json\r\nX: y'
    kept = cap.rich(0, "display_data", a_display({bad: "z" * 2000}))
    assert "<script" not in kept["data"]["text/html"]
    [file] = (tmp_path / "side").iterdir()
    assert file.name == "cell-0-1.bin"


@pytest.mark.parametrize(("number", "others_kept"), [(errno.EACCES, True), (errno.ENOSPC, False)])
def test_a_file_that_fails_stops_the_others_only_where_the_disk_is_full(tmp_path, monkeypatch, number, others_kept):
    said = []
    files = SideFiles(tmp_path, said.append)
    real = type(tmp_path).open

    def opened(path, *given, **named):
        if path.name == "bad":
            raise OSError(number, os.strerror(number))
        return real(path, *given, **named)

    monkeypatch.setattr(type(tmp_path), "open", opened)
    assert not files.append(files.begin(0, "bad", "text/plain"), b"x")
    assert files.append(files.begin(0, "good", "text/plain"), b"x") is others_kept
    assert not files.append("bad", b"x")
    assert len(said) == 1
    files.close()


class Cell(dict):
    """As much of a notebook's cell as takes outputs."""

    def __init__(self):
        super().__init__(metadata={"execution": {}}, outputs=[])
        self.outputs = self["outputs"]


class ANotebook:
    """A notebook of one cell, and the taker of what its kernel says."""

    def __init__(self, cap, redactor=None):
        self.cell = Cell()
        self.cells = [self.cell]
        self.metadata = {}
        self.taker = MessageTaker(self, Keeping(Changes(self), cap, redactor or Redactor(), str, str))

    def hear(self, kind, content):
        self.taker.take({"msg_type": kind, "content": content, "parent_header": {"msg_id": "1"}}, self.cell, 0)
        return self.cell.outputs


@pytest.mark.parametrize("kind", ["stream", "display_data", "execute_result", "update_display_data", "error"])
@pytest.mark.parametrize("content", [None, "words", ["a"], 7])
def test_messages_without_an_object_are_passed_over(cap, kind, content):
    assert ANotebook(cap).hear(kind, content) == []


@pytest.mark.parametrize(
    ("kind", "content"),
    [("stream", {}), ("stream", {"name": "stdout"}), ("status", {}), ("comm_open", {}), ("comm_msg", {"comm_id": "1"})],
)
def test_messages_without_what_they_are_about_are_passed_over(cap, kind, content):
    assert ANotebook(cap).hear(kind, content) == []


def test_what_can_be_taken_of_an_odd_message_is_taken(tmp_path):
    notebook = ANotebook(OutputCap(Limits(), SideFiles(tmp_path / "side", print), print))
    notebook.hear("stream", {"text": ["a\n", "b\n"]})
    notebook.hear("error", {"ename": 1, "evalue": None, "traceback": "none"})
    odd = {"data": {"text/plain": 7, "application/json": [1], "text/html": None}, "transient": {"display_id": []}}
    stream, error, shown = notebook.hear("display_data", {**odd, "metadata": "none"})
    assert (stream.name, stream.text) == ("stdout", "a\nb\n")
    assert (error.ename, error.evalue, error.traceback) == ("1", "", [])
    assert (shown.data, shown.metadata) == ({"text/plain": "7", "application/json": [1]}, {})


def test_html_in_lines_beside_a_large_picture_is_joined(cap):
    png = base64.b64encode(bytes(9000)).decode()
    [shown] = ANotebook(cap).hear("display_data", {"data": {"text/html": ["<b>", "x</b>"], "image/png": png}})
    assert shown.data["text/html"].startswith("<b>x</b><p>image/png")


SECRETS = Redactor(["AQoDYXdzEJr0token", 'pä"ss\\word'])


@pytest.mark.parametrize("secret", ["AQoDYXdzEJr0token", 'pä"ss\\word'])
@pytest.mark.parametrize("around", ["", "!" + "x" * 3000])
def test_what_only_says_to_be_a_picture_is_redacted(tmp_path, secret, around):
    with SideFiles(tmp_path / "side", print) as files:
        notebook = ANotebook(OutputCap(Limits(), files, print), SECRETS)
        [shown] = notebook.hear("display_data", {"data": {"image/png": secret + around, f"x/{secret}": "y"}})
    assert secret not in str(shown)
    assert shown.data == {"image/png": f"[redacted]{around}", "x/[redacted]": "y"}


def test_pictures_are_not_touched(tmp_path):
    png = "AQoDYXdzEJr0token" + base64.encodebytes(bytes(3000)).decode()
    with SideFiles(tmp_path / "side", print) as files:
        [shown] = ANotebook(OutputCap(Limits(), files, print), SECRETS).hear(
            "display_data", {"data": {"image/png": png}}
        )
    assert shown.data == {"image/png": png}
