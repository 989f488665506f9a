"""What goes wrong with a bucket, as whoever must mend it reads it."""

import os
import resource
import subprocess
from contextlib import contextmanager

import pytest
from obstore import exceptions

from daybook.contract.errors import StoreFailed
from daybook.storage import ObjectChanged, ObjectMissing, open_store
from daybook.storage.mapping import StoreRefused, mapped, reason

URL = "s3://bucket/key"
EXPECTED = {
    exceptions.NotFoundError: ObjectMissing,
    exceptions.InvalidPathError: ObjectMissing,
    exceptions.PreconditionError: ObjectChanged,
    exceptions.AlreadyExistsError: ObjectChanged,
    FileNotFoundError: ObjectMissing,
    ValueError: ObjectMissing,
}
FOREIGN = [
    each
    for each in vars(exceptions).values()
    if isinstance(each, type) and issubclass(each, Exception) and each.__module__.startswith("obstore")
]
PYTHONS = [FileNotFoundError, PermissionError, OSError, ValueError, NotImplementedError, TimeoutError, ConnectionError]


@pytest.mark.parametrize("foreign", [*FOREIGN, *PYTHONS])
def test_each_foreign_error_becomes_one_line_that_names_the_url(foreign):
    with pytest.raises(StoreFailed) as caught, mapped("read", URL):
        raise foreign("Generic S3 error: it broke\n\nDebug source:\nGeneric {\n  store: S3\n}")
    assert type(caught.value) is EXPECTED.get(foreign, StoreFailed)
    text = str(caught.value)
    assert text.startswith(f"cannot read {URL}: ")
    assert "\n" not in text
    assert "Debug" not in text
    assert "Generic" not in text
    assert isinstance(caught.value.__cause__, foreign)


def test_there_are_as_many_foreign_errors_as_we_know_of():
    """A new release of obstore may bring more; then see to their mapping."""
    assert len(FOREIGN) == 12


def test_an_error_without_a_text_is_named_by_its_class():
    assert reason(OSError()) == "OSError"


def test_other_errors_are_bugs_and_pass():
    with pytest.raises(KeyError), mapped("read", URL):
        raise KeyError("x")


def test_what_an_s3_server_says_is_what_is_told():
    answer = "403 Forbidden: <?xml?>\n<Error><Code>AccessDenied</Code><Message>No\n way</Message></Error>"
    told = r"the bucket denies it \(AccessDenied: No way\); give the workspace's credentials"
    with pytest.raises(StoreFailed, match=told), mapped("write", URL):
        raise exceptions.PermissionDeniedError(answer)


VERBS = {
    "read": lambda store: store.read("k"),
    "write": lambda store: store.write("k", b""),
    "replace": lambda store: store.replace("k", b"", None),
    "objects": lambda store: list(store.objects()),
    "children": lambda store: store.children(),
}


@pytest.mark.parametrize("verb", VERBS)
def test_a_missing_bucket_is_not_a_missing_object(s3_environment, verb):
    store = open_store("s3://nowhere/prefix", s3_environment)
    with pytest.raises(StoreFailed, match=r"cannot \w+ s3://nowhere/prefix.*(no such bucket|NoSuchBucket)") as caught:
        VERBS[verb](store)
    assert type(caught.value) is StoreRefused
    assert not caught.value.retry_helps
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("verb", ["read", "write"])
def test_a_store_that_is_down_is_one_clear_line_without_a_secret(verb, unused_port):
    environment = {
        "AWS_ACCESS_KEY_ID": "AKIAPUBLIC",
        "AWS_SECRET_ACCESS_KEY": "TOPSECRET",
        "AWS_SESSION_TOKEN": "TOPSECRET",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{unused_port}",
    }
    store = open_store("s3://runs/prefix", environment)
    with pytest.raises(StoreFailed, match=rf"cannot {verb} s3://runs/prefix.*127\.0\.0\.1:{unused_port}") as caught:
        VERBS[verb](store)
    assert "\n" not in str(caught.value)
    assert "TOPSECRET" not in f"{caught.value}{caught.value.__cause__}"
    assert caught.value.retry_helps


def test_wrong_credentials_are_told_apart_from_a_missing_object(s3_environment, s3_checks_credentials):
    store = open_store("s3://runs/x", s3_environment)
    for verb in VERBS.values():
        with pytest.raises(StoreFailed, match=r"the bucket does not know the workspace's credentials") as caught:
            verb(store)
        assert type(caught.value) is StoreFailed
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("environment", "option", "value"),
    [
        ({"AWS_REGION": "right", "AWS_DEFAULT_REGION": "wrong"}, "region", "right"),
        ({"AWS_DEFAULT_REGION": "wrong", "AWS_REGION": "right"}, "region", "right"),
        ({"AWS_DEFAULT_REGION": "right", "AWS_REGION": ""}, "region", "right"),
        ({"AWS_ENDPOINT_URL_S3": "https://right", "AWS_ENDPOINT_URL": "https://wrong"}, "endpoint", "https://right"),
    ],
)
def test_the_more_particular_variable_counts(environment, option, value):
    assert open_store("s3://runs/x", environment)._backend.config[option] == value


def test_a_read_only_folder_names_what_is_denied():
    """The kernel's own folder: nobody can make a file in it, not even root."""
    with pytest.raises(StoreFailed, match=r"cannot write file:///sys/k: .*(denied|[Rr]ead-only)") as caught:
        open_store("/sys").write("k", b"x")
    assert "\n" not in str(caught.value)


@contextmanager
def full_disk(folder):
    """A folder that takes about a megabyte: a small file system where we may mount one, else a limit on file sizes."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if os.geteuid() == 0 and subprocess.run(mount, capture_output=True, check=False).returncode == 0:
        try:
            yield
        finally:
            subprocess.run(["umount", str(folder)], check=True)
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("as_file", [True, False], ids=["from a file", "from bytes"])
def test_a_full_folder_keeps_what_it_had(tmp_path, as_file):
    large = tmp_path / "large"
    large.write_bytes(b"x" * 2**22)
    folder = tmp_path / "bucket"
    folder.mkdir()
    with full_disk(folder):
        store = open_store(str(folder))
        store.write("k", b"before")
        with pytest.raises(StoreFailed, match=r"/k: .*([Nn]o space left|[Ff]ile too large)") as caught:
            store.write("k", large if as_file else large.read_bytes())
        assert "\n" not in str(caught.value)
        assert store.read("k") == b"before"
        assert [each.key for each in store.objects()] == ["k"]
