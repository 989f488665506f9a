"""Blocks on their way to the stand-in's driver: by commands, by uploads, and by the one where the other is closed."""

import hashlib
import os
import threading

import pytest

from databricks.standin import Fault
from databricks.standin.world import TOKEN
from databricks.sync.conftest import CLUSTER
from daybook.databricks.connection import connect
from daybook.databricks.errors import DatabricksRefused, RemoteFailed
from daybook.databricks.interruption import Interrupted, Interruption
from daybook.databricks.settings import Settings
from daybook.databricks.sync import sending, uploading
from daybook.databricks.sync.calling import Driver
from daybook.databricks.sync.errors import SyncFailed
from daybook.databricks.sync.packing import packs
from daybook.databricks.sync.sending import Commands, Sender
from daybook.databricks.sync.uploading import Uploads

LARGE = 60
"""Blocks of 64 kB that are sent as uploads."""


@pytest.fixture
def driver():
    return Driver("daybook-test")


@pytest.fixture
def uploads(driver, client):
    return Uploads(driver, client, pack_bytes=1_000_000)


@pytest.fixture
def sender(driver, uploads):
    return Sender(Commands(driver), uploads)


@pytest.fixture
def arrived(standin):
    """The blocks that lie at the driver, by digest."""
    folder = standin.root / "driver/tmp/daybook-test/blocks"
    return lambda: {bytes.fromhex(path.name): path.read_bytes() for path in folder.iterdir()}


def some_blocks(count):
    blocks = (os.urandom(64_000) for _ in range(count))
    return {hashlib.sha256(block).digest(): block for block in blocks}


def send(sender, remote, blocks):
    sizes = {digest: len(block) for digest, block in blocks.items()}
    return sender.send(remote, sizes, lambda left: [(digest, blocks[digest]) for digest in left])


def left_in_workspace(standin):
    return [path for path in standin.files.root.rglob("*") if path.is_file()]


def test_few_blocks_travel_within_commands(standin, remote, sender, arrived):
    blocks = some_blocks(15)
    travelled = send(sender, remote, blocks)
    assert arrived() == blocks
    assert travelled == sum(map(len, blocks.values())) + 15 * 37
    assert standin.files.imported == []


def test_many_travel_as_uploads_which_are_removed(standin, remote, sender, arrived):
    blocks = some_blocks(LARGE)
    send(sender, remote, blocks)
    assert arrived() == blocks
    assert len(standin.files.imported) == 4
    assert all(path.startswith("/Users/ada@example.org/.daybook/daybook-test/") for path in standin.files.imported)
    assert left_in_workspace(standin) == []
    assert max(map(len, remote.commands)) < 20_000
    assert sender.notes == []


def test_no_upload_ever_has_the_name_of_another(standin, remote, sender):
    for _ in range(2):
        send(sender, remote, some_blocks(LARGE))
    assert len(set(standin.files.imported)) == len(standin.files.imported) == 8


def test_a_command_is_never_longer_than_is_known_to_pass(remote, sender):
    sender.uploads = None
    send(sender, remote, some_blocks(LARGE))
    assert max(map(len, remote.commands)) < 2**20
    assert len(remote.commands) == 6


def a_refused_user(standin):
    standin.files.refused.add("ada@example.org")


def no_workspace_files(standin):
    standin.files.enabled = False


def another_format(standin):
    body = {"error_code": "INVALID_PARAMETER_VALUE", "message": "no AUTO"}
    standin.faults.add(Fault("/workspace/import", 400, times=10, body=body))


def a_smaller_limit(standin):
    standin.files.multipart_limit = 500_000


def no_mount(standin):
    standin.files.unmount()


def no_such_endpoint(standin):
    body = {"error_code": "ENDPOINT_NOT_FOUND", "message": "no API"}
    standin.faults.add(Fault("/workspace/import", 404, times=10, body=body))


@pytest.mark.parametrize(
    "close", [a_refused_user, no_workspace_files, a_smaller_limit, another_format, no_mount, no_such_endpoint]
)
def test_where_uploads_are_closed_commands_take_over_and_that_is_said_once(standin, remote, sender, arrived, close):
    close(standin)
    blocks, more = some_blocks(LARGE), some_blocks(LARGE)
    send(sender, remote, blocks)
    asked = standin.count("/workspace/import")
    send(sender, remote, more)
    assert arrived() == {**blocks, **more}
    assert standin.count("/workspace/import") == asked
    (note,) = sender.notes
    assert note.startswith("The project's files travel within commands, which is slow: ")


def test_what_arrived_before_a_way_closed_does_not_travel_again(standin, remote, sender, arrived):
    body = {"error_code": "PERMISSION_DENIED", "message": "no"}
    standin.faults.add(Fault("/workspace/import", 403, times=10, after=3, body=body))
    blocks = some_blocks(LARGE)
    travelled = send(sender, remote, blocks)
    assert arrived() == blocks
    assert travelled == sum(len(block) + 37 for block in blocks.values())


def test_an_upload_that_came_damaged_goes_by_another_way(standin, remote, sender, uploads, arrived, monkeypatch):
    upload = uploads._upload

    def damaged(path, pack):
        told = upload(path, pack)
        (standin.files.root / path.lstrip("/")).write_bytes(pack.content[:-7])
        return told

    monkeypatch.setattr(uploads, "_upload", damaged)
    blocks = some_blocks(LARGE)
    send(sender, remote, blocks)
    assert arrived() == blocks
    assert "came with another content" in sender.notes[0]


def test_a_failing_workspace_is_a_failure_and_leaves_nothing_running(standin, remote, sender):
    standin.tokens.clear()
    with pytest.raises(DatabricksRefused, match=r"uploading the project's files: .*\(401\)"):
        send(sender, remote, some_blocks(LARGE))
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("daybook-upload")] == []


def test_a_failing_driver_is_a_failure_and_uploads_are_removed_later(standin, remote, sender, uploads):
    def fails(code, **_):
        raise RemoteFailed("on purpose")

    run, remote.run_python = remote.run_python, fails
    with pytest.raises(RemoteFailed, match="on purpose"):
        send(sender, remote, some_blocks(LARGE))
    assert left_in_workspace(standin)
    remote.run_python = run
    uploads.remove()
    uploads.remove()
    assert left_in_workspace(standin) == []


def test_uploads_that_cannot_be_removed_are_told(standin, remote, sender):
    body = {"error_code": "PERMISSION_DENIED", "message": "no"}
    standin.faults.add(Fault("/workspace/delete", 403, body=body))
    with pytest.raises(SyncFailed, match=r"/Users/ada@example.org/.daybook/daybook-test .* could not be removed"):
        send(sender, remote, some_blocks(LARGE))


def test_a_request_that_is_to_be_tried_again_is(standin, remote, sender, arrived):
    standin.faults.add(Fault("/workspace/import", 429, headers={"Retry-After": "0"}))
    blocks = some_blocks(LARGE)
    send(sender, remote, blocks)
    assert arrived() == blocks


@pytest.mark.parametrize("path", ["/scim/v2/Me", "/workspace/mkdirs", "/workspace/import", "/workspace/delete"])
def test_trouble_of_the_server_is_sat_out(standin, remote, sender, arrived, path):
    standin.faults.add(Fault(path, 500))
    blocks = some_blocks(LARGE)
    send(sender, remote, blocks)
    assert arrived() == blocks
    assert left_in_workspace(standin) == []


def test_at_the_end_of_a_kernel_what_was_uploaded_is_removed_at_once_or_not(standin, remote, sender, uploads):
    standin.faults.add(Fault("/workspace/delete", 403, body={"error_code": "PERMISSION_DENIED", "message": "no"}))
    with pytest.raises(SyncFailed):
        send(sender, remote, some_blocks(LARGE))
    asked = standin.count("/workspace/delete")
    standin.faults.add(Fault("/workspace/delete", 500))
    with pytest.raises(SyncFailed, match="could not be removed"):
        uploads.remove()
    assert standin.count("/workspace/delete") == asked + 1
    uploads.remove()
    assert left_in_workspace(standin) == []


def test_an_interrupt_waits_for_no_upload(standin, remote, uploads, monkeypatch):
    interruption, begun, gate = Interruption(), threading.Event(), threading.Event()
    monkeypatch.setenv("DATABRICKS_TOKEN", TOKEN)
    uploads.client = connect(Settings(cluster_id=CLUSTER, host=standin.host), interruption).client

    def does_not_arrive(*_, **__):
        begun.set()
        gate.wait()

    def asks():
        begun.wait()
        interruption.ask_for_good()

    monkeypatch.setattr(uploads.client.workspace, "upload", does_not_arrive)
    asking = threading.Thread(target=asks)
    asking.start()
    try:
        with pytest.raises(Interrupted):
            list(uploads.carry(remote, packs(some_blocks(LARGE).items(), uploads.pack_bytes)))
    finally:
        gate.set()
    asking.join()
    uploads.remove()
    assert left_in_workspace(standin) == []


def test_no_more_packs_are_in_memory_than_are_under_way(remote, uploads):
    made, done = [], []

    def counted():
        for pack in packs(some_blocks(LARGE).items(), uploads.pack_bytes // 4):
            made.append(pack.digests)
            assert len(made) - len(done) <= uploading.AT_ONCE + 1
            yield pack

    for pack in uploads.carry(remote, counted()):
        done.append(pack.digests)
    assert sorted(made) == sorted(done)
    assert len(made) > 2 * uploading.AT_ONCE


def test_the_driver_is_told_to_read_no_upload_before_it_is_there(standin, remote, uploads):
    standin.faults.add(Fault("/workspace/import", None, times=3, delay=0.3))
    list(uploads.carry(remote, packs(some_blocks(LARGE).items(), uploads.pack_bytes)))
    assert sending.BY_COMMANDS_BYTES < LARGE * 64_000
