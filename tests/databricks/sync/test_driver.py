"""What runs on the driver, here in this process: it is to be trusted with nothing but its own folder."""

import base64
import hashlib
import json
import os
import zlib
from pathlib import Path

import pytest

from daybook.databricks.sync.driver.requests import answer
from daybook.databricks.sync.packing import blocks_of, packs

NAME = "daybook-test"


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """The driver's folder of temporary ones."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    return tmp_path / "tmp"


@pytest.fixture
def files(temporary):
    return temporary / NAME / "files"


def ask(do, pack=b"", plan=b"", name=NAME, **given):
    given = {"plan_blocks": [], "paths": [], **given}
    request = json.dumps({"do": do, "name": name, "mark": "mark", **given}).encode()
    mark, told = answer(*(base64.b64encode(each).decode() for each in (request, pack, plan))).split(" ", 1)
    assert mark == "mark"
    return json.loads(told)


def bring(put=(), drop=(), whole=False, after="", becomes="1", contents=()):
    """One plan, with the content of its files."""
    plan = {"put": list(put), "drop": list(drop), "whole": whole, "after": after, "becomes": becomes}
    pack = b"".join(each.content for each in packs([block for data in contents for block in blocks_of(data)], 10**6))
    return ask("begin", pack, zlib.compress(json.dumps(plan).encode()))


def a_file(path, data=b"x", executable=False):
    return [path, len(data), executable, b"".join(digest for digest, _ in blocks_of(data)).hex()]


def whole(*rows, contents=(b"x",), **given):
    return bring(rows, whole=True, contents=contents, **given)


def everything(folder):
    return {os.fsdecode(path.relative_to(folder)): path for path in Path(folder).rglob("*")}


def test_the_folder_is_private(files):
    os.umask(os.umask(0))
    assert whole(a_file("a")) == {"generation": "1", "folder": str(files)}
    assert files.parent.stat().st_mode & 0o777 == 0o700
    assert (files / "a").read_bytes() == b"x"


def test_files_folders_and_links_are_made(files):
    whole(
        ["empty"], a_file("run.sh", executable=True), a_file("d/e/zero", b""), ["l", "d/e/zero"], ["d/up", "../run.sh"]
    )
    assert sorted(everything(files)) == ["d", "d/e", "d/e/zero", "d/up", "empty", "l", "run.sh"]
    assert os.access(files / "run.sh", os.X_OK)
    assert (files / "d/up").read_bytes() == b"x"


def test_nothing_but_the_files_and_the_notes_is_left(files):
    whole(a_file("a"), a_file("b"))
    assert sorted(everything(files.parent)) == [
        "blocks",
        "files",
        "files/a",
        "files/b",
        "generation",
        "incoming",
        "index",
    ]


@pytest.mark.parametrize(
    "name", ["", "x", "daybook-", "daybook-a/b", "daybook-../..", "daybook-a\n", "/etc", "daybook-Ä"]
)
@pytest.mark.parametrize("do", ["begin", "remove"])
def test_another_name_than_ours_is_refused(temporary, name, do):
    (temporary / "daybook-a").mkdir(mode=0o700)
    assert "no name of a folder of ours" in ask(do, plan=b"", name=name)["error"]
    assert list(temporary.iterdir()) == [temporary / "daybook-a"]


@pytest.mark.parametrize("do", ["check", "begin", "store", "apply", "remove"])
@pytest.mark.parametrize("what", ["a link", "a file", "open to others"])
def test_what_is_not_the_folder_we_made_is_left_alone(temporary, tmp_path, what, do):
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").touch()
    place = temporary / NAME
    if what == "a link":
        place.symlink_to(tmp_path / "precious")
    elif what == "a file":
        place.touch()
    else:
        place.mkdir()
        place.chmod(0o755)
    assert "is not the private folder" in ask(do)["error"]
    assert os.path.lexists(place)
    assert (tmp_path / "precious" / "file").exists()


@pytest.mark.parametrize("path", ["..", "../x", "a/../../x", "/etc/x", "", ".", "a//b", "a/", "a\0b", "./a"])
@pytest.mark.parametrize("way", ["put", "drop"])
def test_a_path_that_is_not_within_is_refused(temporary, path, way):
    told = whole(a_file(path)) if way == "put" else bring(drop=[path], whole=False, after=None)
    assert "is no path within the project" in told["error"]
    assert [path for path in everything(temporary) if path.startswith(f"{NAME}/files/")] == []
    assert set(os.listdir(temporary)) == {NAME}


@pytest.mark.parametrize("target", ["/etc/passwd", "../../x", "..", "a/../../.."])
def test_a_link_that_would_lead_out_is_refused(files, target):
    assert "would lead out of the folder" in whole(["d/link" if target != ".." else "link", target])["error"]
    assert not os.path.lexists(files / "d/link")


def test_nothing_is_written_or_removed_through_links_that_cells_made(files, tmp_path):
    precious = tmp_path / "precious"
    (precious / "sub").mkdir(parents=True)
    for name in ("old", "sub/old"):
        (precious / name).write_text("mine")
    whole(a_file("d/old"), a_file("d/sub/old"), a_file("f"))
    (files / "d").rename(files / "aside")
    (files / "d").symlink_to(precious)
    (files / "f").unlink()
    (files / "f").symlink_to(precious / "old")
    bring([a_file("d/new", b"y"), a_file("f", b"y")], ["d/old", "d/sub/old"], after="1", becomes="2", contents=[b"y"])
    assert {path.name: path.read_text() for path in precious.rglob("*") if path.is_file()} == {"old": "mine"}
    assert len(everything(precious)) == 3
    assert (files / "d/new").read_bytes() == (files / "f").read_bytes() == b"y"
    assert not (files / "f").is_symlink()
    assert not (files / "d").is_symlink()


def test_what_cells_made_stays_and_only_what_came_from_the_project_is_dropped(files):
    whole(a_file("a"), ["d"], a_file("d/b"))
    (files / "d/result.csv").write_text("mine")
    (files / "log").write_text("mine")
    whole(contents=(), becomes="2")
    assert sorted(everything(files)) == ["d", "d/result.csv", "log"]


def test_a_folder_of_the_project_goes_with_the_last_that_is_in_it(files):
    whole(["d"], ["d/e"], a_file("d/e/b"), a_file("a"))
    bring(drop=["d", "d/e", "d/e/b"], after="1", becomes="2")
    assert sorted(everything(files)) == ["a"]


def test_files_folders_and_links_take_each_others_places(files):
    whole(a_file("a"), ["b"], a_file("b/x"), ["c", "a"], ["d"], a_file("d/y"))
    bring(
        [["a"], a_file("a/x"), a_file("b"), ["c"], a_file("c/x"), ["d", "b"]],
        ["b/x", "d/y"],
        after="1",
        becomes="2",
    )
    assert sorted(everything(files)) == ["a", "a/x", "b", "c", "c/x", "d"]
    assert (files / "d").readlink() == Path("b")


def test_a_folder_with_what_cells_made_does_not_make_way_for_a_file(files):
    whole(["a"], a_file("b"))
    (files / "a/mine").touch()
    told = bring([a_file("a", b"y")], after="1", becomes="2", contents=[b"y"])
    assert "'a' is a file of the project, and on the driver a folder that cells made" in told["error"]
    assert (files / "a/mine").exists()
    assert ask("check")["generation"] is None


def test_a_plan_on_another_state_is_stale(files):
    whole(a_file("a"))
    assert "stale" in bring(drop=["a"], after="0", becomes="2")
    assert (files / "a").exists()
    assert ask("check")["generation"] == "1"


@pytest.mark.parametrize("harm", ["folder removed", "files removed", "files made anew", "files a link"])
def test_a_folder_that_is_not_what_was_filled_is_in_no_known_state(files, harm, tmp_path):
    whole(a_file("a"))
    os.rename(files.parent if harm == "folder removed" else files, tmp_path / "aside")
    if harm == "files made anew":
        files.mkdir()
    if harm == "files a link":
        files.symlink_to(tmp_path / "aside")
    assert ask("check")["generation"] is None


def test_blocks_that_are_missing_are_told_and_those_that_came_are_not_asked_for_again(files):
    rows = [a_file("a", b"1"), a_file("b", b"2"), a_file("c", b"1"), a_file("d", b"3")]
    told = whole(*rows, contents=[b"2"])
    assert list(zlib.decompress(base64.b64decode(told["missing"]))) == [1, 0, 1]
    (pack,) = packs(blocks_of(b"1"), 1000)
    ask("store", pack.content)
    assert list(zlib.decompress(base64.b64decode(ask("apply")["missing"]))) == [0, 0, 1]
    (pack,) = packs(blocks_of(b"3"), 1000)
    ask("store", pack.content)
    assert ask("apply")["generation"] == "1"
    assert {path.name: path.read_bytes() for path in files.iterdir()} == {"a": b"1", "b": b"2", "c": b"1", "d": b"3"}


def test_content_that_is_there_under_another_name_does_not_come_again(files):
    large = os.urandom(600_000)
    whole(a_file("a", large), a_file("b", b"2"), contents=[large, b"2"])
    told = bring([a_file("b", large), a_file("c", b"2"), a_file("d", large[:300_000])], ["a"], after="1", becomes="2")
    assert sum(zlib.decompress(base64.b64decode(told["missing"]))) == 1  # where the shorter one ends
    told = bring([a_file("b", large), a_file("c", b"2")], ["a"], after="1", becomes="2")
    assert told["generation"] == "2"
    assert {path.name: path.read_bytes() for path in files.iterdir()} == {"b": large, "c": b"2"}


def test_a_file_that_cells_changed_is_no_source_of_what_it_was(files):
    whole(a_file("a", b"content"), contents=[b"content"])
    (files / "a").write_bytes(b"another")
    told = bring([a_file("b", b"content")], after="1", becomes="2")
    assert list(zlib.decompress(base64.b64decode(told["missing"]))) == [1]


def test_a_file_that_cells_changed_stays_so_until_the_project_changes_it(files):
    whole(a_file("a"), a_file("b"))
    (files / "a").write_bytes(b"by a cell")
    bring([a_file("b", b"new")], after="1", becomes="2", contents=[b"new"])
    assert (files / "a").read_bytes() == b"by a cell"
    bring([a_file("a", b"newer")], after="2", becomes="3", contents=[b"newer"])
    assert (files / "a").read_bytes() == b"newer"


def test_after_an_interruption_all_of_it_is_ours_and_in_no_known_state(files, monkeypatch):
    whole(a_file("a"), a_file("b"))
    replace, placed = os.replace, []

    def interrupted(*args, **kwargs):
        if kwargs and placed:
            raise KeyboardInterrupt
        placed.extend(kwargs)
        replace(*args, **kwargs)

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        bring([a_file("c", b"3"), a_file("d", b"4")], ["a"], after="1", becomes="2", contents=[b"3", b"4"])
    monkeypatch.setattr(os, "replace", replace)
    assert sorted(everything(files)) == ["b", "c"]
    assert ask("check")["generation"] is None
    told = whole(a_file("b"), a_file("d", b"4"), contents=[b"4"], becomes="3")
    assert told["generation"] == "3"
    assert sorted(everything(files)) == ["b", "d"]


def test_python_takes_a_module_of_the_same_length_for_another(files):
    whole(a_file("module.py", b"value = 1\n"), contents=[b"value = 1\n"])
    before = int((files / "module.py").stat().st_mtime)
    bring([a_file("module.py", b"value = 2\n")], after="1", becomes="2", contents=[b"value = 2\n"])
    assert int((files / "module.py").stat().st_mtime) > before


def test_a_full_disk_is_told(files, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device", b"/tmp/\xff")

    whole(a_file("a"))
    monkeypatch.setattr(os, "replace", full)
    assert (
        bring([a_file("b", b"y")], after="1", becomes="2", contents=[b"y"])["error"]
        == "No space left on device: /tmp/\\xff"
    )


def test_removing_takes_the_folder_and_nothing_that_links_in_it_lead_to(files, temporary, tmp_path):
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious/file").touch()
    (temporary / "daybook-other").mkdir()
    whole(a_file("a"))
    (files / "out").symlink_to(tmp_path / "precious")
    (files / "locked").mkdir(mode=0o000)
    assert "error" not in ask("remove")
    assert os.listdir(temporary) == ["daybook-other"]
    assert (tmp_path / "precious/file").exists()
    assert "error" not in ask("remove")


@pytest.mark.parametrize("gone", [False, True])
def test_removing_the_folder_that_python_works_in_lets_it_work_elsewhere(files, monkeypatch, tmp_path, gone):
    monkeypatch.chdir(tmp_path)
    whole(a_file("sub/a"))
    os.chdir(files / "sub")
    if gone:
        (files / "sub/a").unlink()
        (files / "sub").rmdir()
        os.chdir(files)
        os.rename(files, tmp_path / "aside")
        (tmp_path / "aside/sub").mkdir()
        os.chdir(tmp_path / "aside/sub")
        os.rmdir(tmp_path / "aside/sub")
    assert "error" not in ask("remove")
    assert not files.parent.exists()
    if not gone:
        assert Path.cwd() == Path("/")


def test_python_goes_on_in_the_new_folder_if_cells_removed_the_one_it_works_in(files, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    whole(a_file("a"))
    os.chdir(files)
    (files / "a").unlink()
    files.rmdir()
    whole(a_file("a"), becomes="2")
    assert Path.cwd() == files
    assert Path("a").read_bytes() == b"x"


def test_no_descriptor_is_left_open(files):
    before = len(os.listdir("/proc/self/fd"))
    whole(a_file("a/b/c"), a_file("a/d"))
    bring(drop=["../x"], after="1", becomes="2")
    bring([a_file("a", b"y")], after="1", becomes="2", contents=[b"y"])
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_long_plan_comes_in_blocks(files):
    plan = {"put": [a_file("a")], "drop": [], "whole": True, "after": "", "becomes": "7"}
    pieces = blocks_of(zlib.compress(json.dumps(plan).encode()))
    for each in packs([*pieces, *blocks_of(b"x")], 10**6):
        ask("store", each.content)
    told = ask("begin", plan_blocks=[digest.hex() for digest, _ in pieces])
    assert told["generation"] == "7"
    assert hashlib.sha256((files / "a").read_bytes()).digest() == blocks_of(b"x")[0][0]
