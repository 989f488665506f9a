"""A catalogue that is read again only when its files have changed."""

import os
import threading

import pytest

from builders import a_notebook_json
from daybook.catalogue import CachedCatalogue, cached, cached_catalogue
from daybook.catalogue.cached import LOOK_EVERY_SECONDS


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now

    def later(self) -> None:
        self.now += LOOK_EVERY_SECONDS


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def readings(monkeypatch) -> list:
    """What was really read."""
    made, load = [], cached.load_catalogue
    monkeypatch.setattr(cached, "load_catalogue", lambda paths: made.append(paths) or load(paths))
    return made


def write(folder, title="First"):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "notebook.ipynb").write_text(a_notebook_json())
    (folder / "spec.yaml").write_text(f"title: {title}\n")


def titles(catalogue) -> list[str]:
    return [each.title for each in catalogue.read().notebooks.values()]


def test_what_has_not_changed_is_not_read_again(tmp_path, clock, readings):
    write(tmp_path / "nb")
    catalogue = CachedCatalogue([tmp_path], clock)
    first = catalogue.read()
    clock.later()
    assert catalogue.read() is first
    assert len(readings) == 1


def test_files_are_not_even_looked_at_within_a_second(tmp_path, clock, monkeypatch):
    write(tmp_path / "nb")
    catalogue = CachedCatalogue([tmp_path], clock)
    catalogue.read()
    monkeypatch.setattr(cached, "_signature", lambda _: pytest.fail("looked"))
    assert titles(catalogue) == ["First"]


def add(root):
    write(root / "second", "Second")


def change(root):
    write(root / "nb", "Other")


def change_without_a_trace_in_time(root):
    before = (root / "nb" / "spec.yaml").stat()
    write(root / "nb", "Worst")
    os.utime(root / "nb" / "spec.yaml", ns=(before.st_atime_ns, before.st_mtime_ns))


def swap(root):
    write(root / "new", "Newer")
    (root / "new" / "spec.yaml").replace(root / "nb" / "spec.yaml")
    for each in (root / "new").iterdir():
        each.unlink()
    (root / "new").rmdir()


def mount_anew(root):
    """As Kubernetes does with a ConfigMap: a link to a folder is put in place of another one."""
    write(root / "..2" / "x", "Linked")
    (root / "nb" / "spec.yaml").unlink()
    (root / "nb" / "spec.yaml").symlink_to(root / "..2" / "x" / "spec.yaml")


@pytest.mark.parametrize(
    ("deed", "found"),
    [
        (add, ["First", "Second"]),
        (change, ["Other"]),
        (change_without_a_trace_in_time, ["Worst"]),
        (swap, ["Newer"]),
        (mount_anew, ["Linked"]),
    ],
)
def test_what_has_changed_is_seen_a_second_later(tmp_path, clock, deed, found):
    write(tmp_path / "nb")
    catalogue = CachedCatalogue([tmp_path], clock)
    assert titles(catalogue) == ["First"]
    deed(tmp_path)
    clock.later()
    assert titles(catalogue) == found


def test_a_folder_that_comes_and_goes_is_no_error(tmp_path, clock):
    catalogue = CachedCatalogue([tmp_path / "later"], clock)
    assert titles(catalogue) == []
    assert catalogue.read().broken
    write(tmp_path / "later" / "nb")
    clock.later()
    assert titles(catalogue) == ["First"]


def test_while_one_reads_the_others_get_what_was_there(tmp_path, clock, monkeypatch):
    write(tmp_path / "nb")
    catalogue = CachedCatalogue([tmp_path], clock)
    catalogue.read()
    write(tmp_path / "nb", "Second")
    clock.later()
    reading, may_go_on, load = threading.Event(), threading.Event(), cached.load_catalogue

    def slowly(paths):
        reading.set()
        assert may_go_on.wait(30)
        return load(paths)

    monkeypatch.setattr(cached, "load_catalogue", slowly)
    reader = threading.Thread(target=catalogue.read)
    reader.start()
    assert reading.wait(30)
    assert titles(catalogue) == ["First"]
    may_go_on.set()
    reader.join()
    assert titles(catalogue) == ["Second"]


def test_a_process_has_one_of_each_list_of_paths(tmp_path):
    assert cached_catalogue((tmp_path,)) is cached_catalogue((tmp_path,))
