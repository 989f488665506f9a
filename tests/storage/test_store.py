"""Every verb, on every kind of bucket."""

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from daybook.contract.errors import InvalidSettings, StoreFailed
from daybook.storage import ObjectChanged, ObjectMissing, ObjectTooLarge, StoreRefused, open_store

AWKWARD_KEYS = ["a b", "ü/é ñ.csv", "100%", "a%20b", "a%2Fb", "a#b", "a?b=c", "a+b&c", "~", "a*b", "it's", '"', "a\\b"]
IMPOSSIBLE_KEYS = ["..", "../up", "a/../b", "a//b", "a\nb"]


@pytest.mark.parametrize("key", ["manifest.json", "a/b/c.txt", *AWKWARD_KEYS])
def test_what_was_written_is_read_looked_at_listed_and_deleted(store, key):
    store.write(key, b"bytes")
    assert store.read(key) == b"bytes"
    assert b"".join(store.stream(key)) == b"bytes"
    assert (store.info(key).key, store.info(key).size) == (key, 5)
    assert [each.key for each in store.objects()] == [key]
    store.delete(key)
    assert list(store.objects()) == []


@pytest.mark.parametrize("key", IMPOSSIBLE_KEYS)
def test_a_key_that_no_object_can_have_reads_as_missing_and_cannot_be_written(store, key):
    for reading in (store.read, store.stream, store.info):
        with pytest.raises(ObjectMissing, match="no object can have this key"):
            reading(key)
    store.delete(key)
    with pytest.raises(StoreFailed, match="no object can have this key") as caught:
        store.write(key, b"")
    assert not isinstance(caught.value, ObjectMissing)


def test_no_key_leads_out_of_the_folder(tmp_path):
    (tmp_path / "secret").write_bytes(b"x")
    store = open_store(str(tmp_path / "bucket")).below("runs")
    for key in ("../secret", "../../secret", str(tmp_path / "secret"), "%2e%2e/%2e%2e/secret"):
        with pytest.raises(ObjectMissing):
            store.read(key)


@pytest.fixture
def linked_out(tmp_path):
    """A bucket in which somebody has made links to what is not theirs: `out/…` and `file`; and its folder."""
    folder, others = tmp_path / "bucket", tmp_path / "others"
    for each in (folder / "runs", others):
        each.mkdir(parents=True)
    (others / "secret").write_bytes(b"x")
    (folder / "runs" / "out").symlink_to(others)
    (folder / "runs" / "file").symlink_to(others / "secret")
    (folder / "runs" / "mine").write_bytes(b"y")
    return open_store(str(folder)).below("runs"), others


@pytest.mark.parametrize("key", ["out/secret", "file"])
def test_no_link_leads_a_reader_out_of_the_folder(linked_out, key):
    store, _ = linked_out
    for read in (store.read, store.stream, store.info, store.read_tagged, lambda key: store.read_part(key, 0, 1)):
        with pytest.raises(ObjectMissing, match="a link leads out of the bucket's folder"):
            read(key)
    assert [each.key for each in store.objects()] == ["mine"]


def test_no_link_leads_a_writer_out_of_the_folder(linked_out, tmp_path):
    store, others = linked_out
    (tmp_path / "new").write_bytes(b"z")
    for write in (lambda: store.write("out/new", b"z"), lambda: store.replace("out/new", b"z", None)):
        with pytest.raises(StoreRefused, match="a link leads out"):
            write()
    assert not store.adopt("out/new", tmp_path / "new")
    store.delete("out/secret")
    store.delete_all(["out/secret", "file"])
    store.write("file", b"w")
    assert (store.read("file"), [each.name for each in others.iterdir()]) == (b"w", ["secret"])
    assert (others / "secret").read_bytes() == b"x"


def test_a_link_within_the_folder_is_followed(linked_out, tmp_path):
    store, _ = linked_out
    (tmp_path / "bucket" / "runs" / "also").symlink_to(tmp_path / "bucket" / "runs" / "mine")
    assert store.read("also") == b"y"
    assert {each.key for each in store.objects()} == {"mine", "also"}


def test_a_bucket_may_be_reached_by_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "bucket").symlink_to(tmp_path / "real")
    store = open_store(str(tmp_path / "bucket"))
    store.write("a/b", b"x")
    assert (store.read("a/b"), [each.key for each in store.objects()]) == (b"x", ["a/b"])


def test_the_last_writer_wins(store):
    store.write("k", b"first", "text/plain")
    store.write("k", b"second")
    assert store.read("k") == b"second"


def test_an_object_may_be_empty(store):
    store.write("k", b"")
    assert (store.read("k"), b"".join(store.stream("k")), store.info("k").size) == (b"", b"", 0)


def test_a_file_is_streamed_into_a_large_object_and_out_again(store, kind, tmp_path):
    source = tmp_path / "large"
    source.write_bytes(bytes(range(256)) * 4 * 6000)
    store.write("large", source, "application/x-parquet")
    chunks = list(store.stream("large"))
    assert kind == "memory" or len(chunks) > 1
    assert b"".join(chunks) == source.read_bytes()


def test_what_is_missing_is_told_apart_from_what_failed(store):
    for reading in (store.read, store.stream, store.info, store.read_tagged):
        with pytest.raises(ObjectMissing, match=r"cannot .*/there/is/none: there is no such object") as caught:
            reading("there/is/none")
        assert not caught.value.retry_helps
    store.delete("there/is/none")


def test_an_upload_tells_the_digest_of_the_file(store, tmp_path):
    source = tmp_path / "file"
    source.write_bytes(b"bytes")
    assert store.upload("k", source, "text/plain") == hashlib.sha256(b"bytes").hexdigest()
    assert store.read("k") == b"bytes"


@pytest.mark.parametrize("verb", ["write", "upload"])
@pytest.mark.parametrize("name", ["gone", "null\0byte"])
def test_a_file_that_is_gone_is_not_taken_for_a_missing_object(store, tmp_path, verb, name):
    with pytest.raises(StoreRefused, match=r"cannot write .*/k: cannot read .*(No such file|null byte)") as caught:
        getattr(store, verb)("k", tmp_path / name)
    assert not caught.value.retry_helps
    assert list(store.objects()) == []


def test_sizes_and_dates_are_told(store):
    store.write("k", b"12345")
    info = store.info("k")
    assert info == next(store.objects())
    assert info.size == 5
    assert abs(info.modified - datetime.now(UTC)) < timedelta(minutes=5)


def test_listing_keeps_to_its_prefix(store):
    for key in ("a/1", "a/b/2", "ab/3", "c"):
        store.write(key, b"")
    assert sorted(each.key for each in store.objects("a")) == ["a/1", "a/b/2"]
    assert sorted(each.key for each in store.objects()) == ["a/1", "a/b/2", "ab/3", "c"]
    assert list(store.objects("none")) == []


def test_children_are_the_folders_directly_below_in_order(store):
    for key in ("b/x/1", "a/1", "a b/2", "ü/3", "top"):
        store.write(key, b"")
    assert store.children() == ["a", "a b", "b", "ü"]
    assert store.children("b") == ["x"]
    assert store.children("none") == []


def test_more_than_one_page_is_listed(store):
    """obstore gives fifty at a time."""
    for number in range(51):
        store.write(f"many/{number}", b"")
    assert len(list(store.objects("many"))) == 51


def test_a_store_below_sees_its_own_part_only(store):
    store.write("top", b"")
    inner = store.below("runs").below("2026")
    inner.write("k", b"inner")
    assert [each.key for each in inner.objects()] == ["k"]
    assert store.read("runs/2026/k") == b"inner"
    assert inner.url_of("k") == store.url_of("runs/2026/k")
    assert inner.url_of("") == store.url_of("runs/2026")


def test_another_process_finds_the_same_bucket_by_its_url(open_bucket, kind, request):
    open_bucket().write("k", b"bytes")
    if kind == "memory":
        return  # memory is this process's own by nature
    environment = request.getfixturevalue("s3_environment") if kind == "s3" else {}
    assert open_store(open_bucket().url, environment).read("k") == b"bytes"


def test_a_tag_lets_only_the_one_replace_who_saw_the_object_last(store):
    store.replace("k", b"1", None, "text/plain")
    _, seen = store.read_tagged("k")
    store.replace("k", b"2", seen)
    with pytest.raises(ObjectChanged, match="somebody else"):
        store.replace("k", b"3", seen)
    with pytest.raises(ObjectChanged, match="somebody else"):
        store.replace("k", b"3", None)
    assert store.read("k") == b"2"


def test_a_folder_holds_just_the_objects(tmp_path):
    store = open_store(str(tmp_path))
    store.replace("a/k", b"1", None)
    store.write("a/l", b"2")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "k", "l"]


@pytest.mark.parametrize(
    ("url", "folder"),
    [
        ("{tmp}/a b", "a b"),
        ("{tmp}/100%25", "100%25"),
        ("file://{tmp}/a%20b", "a b"),
        ("file://{tmp}/what?", "what?"),
        ("file://{tmp}/a#b", "a#b"),
        ("file:{tmp}/x", "x"),
        ("file://localhost{tmp}/x", "x"),
    ],
)
def test_a_folder_is_named_by_path_or_url_and_made_when_missing(tmp_path, url, folder):
    store = open_store(url.format(tmp=tmp_path))
    assert (tmp_path / folder).is_dir()
    store.write("k#?%", b"")
    assert open_store(store.url).read("k#?%") == b""
    assert store.url_of("k#?% ü") == (tmp_path / folder / "k#?% ü").as_uri()


def test_a_relative_path_becomes_an_absolute_url(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert open_store("bucket").url == (tmp_path / "bucket").as_uri()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", "give the URL or the path"),
        ("ftp://host/x", "the scheme must be one of file, s3"),
        ("http://[::1", "Invalid IPv6 URL"),
        ("file:relative", "must be absolute"),
        ("file://other.host/x", "name no other machine"),
        ("s3://", "Unable to recognise URL"),
        ("s3://a b/x", "invalid domain character"),
        ("abfs://container@account", "did not match"),
        ("folder\x00", "null byte"),
    ],
)
def test_a_url_that_is_none_is_the_operators_fault_and_opens_nothing(url, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidSettings, match=message) as caught:
        open_store(url)
    assert caught.value.faults[0].where == url
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_place_of_the_folder_is_named(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    for path in ("file", "file/below"):
        with pytest.raises(
            StoreFailed, match=rf"cannot make the bucket folder {tmp_path}/{path}: (File exists|Not a directory)"
        ):
            open_store(str(tmp_path / path))


def test_memory_is_not_shared():
    one, other = open_store("memory:///"), open_store("memory:///")
    one.write("k", b"")
    assert list(other.objects()) == []
    assert one.url_of("k") == "memory:///k"


@pytest.mark.parametrize("part", [Path("a"), Path("a/b")])
def test_an_object_in_the_way_of_a_folder_is_a_clear_failure(tmp_path, part):
    store = open_store(str(tmp_path))
    store.write("a", b"")
    with pytest.raises(StoreFailed, match=r"cannot write file:.*/a/b/c"):
        store.write("a/b/c", b"")


def test_a_folder_takes_a_file_over_without_copying_it(tmp_path):
    store = open_store(str(tmp_path / "bucket"))
    given = tmp_path / "given.txt"
    given.write_text("content")
    store.write("a/b.txt", b"what was there before")
    assert store.adopt("a/b.txt", given)
    assert store.read("a/b.txt") == b"content"
    assert (tmp_path / "bucket" / "a" / "b.txt").samefile(given)
    given.unlink()
    assert [info.key for info in store.objects()] == ["a/b.txt"]
    assert store.read("a/b.txt") == b"content"


def test_what_is_no_folder_takes_no_file_over(tmp_path):
    (tmp_path / "given.txt").write_text("content")
    assert not open_store("memory:///").adopt("a", tmp_path / "given.txt")
    assert open_store("memory:///").local_path("a") is None
    (tmp_path / "bucket" / "a").mkdir(parents=True)
    assert not open_store(str(tmp_path / "bucket")).adopt("a", tmp_path / "given.txt")
    assert [path.name for path in (tmp_path / "bucket").iterdir()] == ["a"]


def test_deleting_the_last_object_of_a_folder_leaves_no_empty_folder(tmp_path):
    store = open_store(str(tmp_path / "bucket"))
    store.write("journal/1.jsonl", b"{}")
    store.delete("journal/1.jsonl")
    assert list((tmp_path / "bucket").iterdir()) == []


def test_an_object_that_has_not_changed_is_not_read_again(store):
    store.write("k", b"first")
    content, tag = store.read_newer("k", None)
    assert content == b"first"
    assert store.read_newer("k", tag) is None
    store.write("k", b"second")
    assert store.read_newer("k", tag)[0] == b"second"
    with pytest.raises(ObjectMissing):
        store.read_newer("none", tag)


def test_a_part_of_an_object_is_read(store):
    store.write("k", b"0123456789")
    assert store.read_part("k", 2, 5) == b"234"
    assert store.read_part("k", 8, 100) == b"89"
    with pytest.raises(ObjectMissing):
        store.read_part("none", 0, 5)
    with pytest.raises(StoreFailed):
        store.read_part("k", 0, 0)


def test_only_a_bucket_that_can_signs_links(store, kind):
    import httpx

    store.write("a b/ü.csv", b"content")
    link = store.signed("a b/ü.csv", 60)
    assert (link is not None) is (kind == "s3")
    if link is not None:
        assert httpx.get(link).content == b"content"


def test_no_more_is_taken_into_memory_than_is_allowed(store):
    store.write("k", b"12345")
    for read in (store.read, store.read_tagged, lambda key, limit: store.read_newer(key, None, limit)):
        assert b"12345" in (read("k", 5), read("k", 5)[0])
        with pytest.raises(ObjectTooLarge, match="has 5 bytes; no more than 4"):
            read("k", 4)
