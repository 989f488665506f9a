import hashlib
import os

import pytest

from daybook.databricks.sync.driver.base import Base, Refused
from daybook.databricks.sync.driver.requests import store
from daybook.databricks.sync.packing import FileChanged, blocks_of, packs, read_blocks
from daybook.databricks.sync.scanning import scan
from daybook.databricks.sync.state import Memory
from daybook.databricks.sync.tree import BLOCK_BYTES, block_sizes


def tree_of(project):
    return Memory(None).tree(project.path, scan(project.settings(), None))


def digest(data):
    return hashlib.sha256(data).digest()


def test_wanted_blocks_are_read_once_each(project):
    large = os.urandom(BLOCK_BYTES) * 2 + b"end"
    project.put("large", large)
    project.put("copy", large)
    project.put("other", b"other")
    tree = tree_of(project)
    read = list(read_blocks(project.path, tree, block_sizes(tree)))
    assert sorted(read) == sorted((digest(data), data) for data in (large[:BLOCK_BYTES], b"end", b"other"))
    assert list(read_blocks(project.path, tree, {digest(b"end"): 3})) == [(digest(b"end"), b"end")]


@pytest.mark.parametrize("then", ["written", "shorter", "gone", "folder", "link"])
def test_a_file_that_holds_something_else_by_now_is_told(project, then, tmp_path):
    file = project.put("sub/a", b"before")
    tree = tree_of(project)
    if then in ("written", "shorter"):
        file.write_bytes(b"after" if then == "written" else b"bef")
    else:
        file.unlink()
    if then == "folder":
        file.mkdir()
    if then == "link":
        (tmp_path / "same").write_bytes(b"before")
        file.symlink_to(tmp_path / "same")
    with pytest.raises(FileChanged) as changed:
        list(read_blocks(project.path, tree, block_sizes(tree)))
    assert changed.value.args == (b"sub/a",)


def test_packs_are_as_long_as_they_may_be_and_read_no_block_before_its_turn():
    read = []

    def blocks():
        for number in range(9):
            read.append(number)
            yield digest(bytes([number])), os.urandom(1000)

    made = packs(blocks(), 3200)
    assert len(next(made).content) <= 3200
    assert read == [0, 1, 2, 3]
    assert [len(pack.digests) for pack in made] == [3, 3]


def test_a_block_that_is_longer_than_a_pack_may_be_goes_alone():
    assert [len(pack.digests) for pack in packs([(b"1" * 32, os.urandom(50)), (b"2" * 32, b"x")], 10)] == [1, 1]


def test_text_is_deflated_and_what_is_dense_already_is_not():
    text, dense = b"a line of text\n" * 1000, os.urandom(15000)
    (deflated,) = packs([(digest(text), text)], 10**6)
    (as_it_is,) = packs([(digest(dense), dense)], 10**6)
    assert len(deflated.content) < 1000
    assert len(as_it_is.content) == 15000 + 37


@pytest.fixture
def base(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    base = Base("daybook-test")
    base.make()
    return base


def test_the_driver_takes_what_was_packed(base):
    data = [b"", b"x", b"text " * 5000, os.urandom(BLOCK_BYTES)]
    (pack,) = packs([block for each in data for block in blocks_of(each)] + [(digest(b""), b"")], 10**7)
    store(base, {"pack": pack.content, "paths": []})
    for each in data:
        with open(base.of("blocks", hashlib.sha256(each).hexdigest()), "rb") as file:
            assert file.read() == each


HARM = {
    "a byte less": lambda pack: pack[:-1],
    "half a head": lambda pack: pack[:20],
    "another byte": lambda pack: pack[:-1] + bytes([pack[-1] ^ 1]),
}


@pytest.mark.parametrize("harm", HARM.values(), ids=HARM)
@pytest.mark.parametrize("data", [b"text " * 5000, bytes(range(256))], ids=["deflated", "dense"])
def test_a_damaged_pack_is_refused(base, harm, data):
    (pack,) = packs(blocks_of(data), 10**6)
    with pytest.raises(Refused, match="a block came"):
        store(base, {"pack": harm(pack.content), "paths": []})
    assert os.listdir(base.of("blocks")) == []
