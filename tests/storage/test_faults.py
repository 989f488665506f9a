"""A bucket that misbehaves, over the real protocol: a proxy goes wrong on the way to an S3 API."""

import hashlib
import threading
from dataclasses import replace
from functools import partial

import httpx
import pytest

from builders import RUN_ID, a_manifest
from daybook.contract.errors import StoreFailed
from daybook.runner.patience import Patience
from daybook.storage import ObjectMissing, RunRecord, network, open_store, record_of
from daybook.storage import store as stores
from daybook.storage.mapping import StoreRefused
from daybook.storage.store import parts_for
from runner.faults import (
    FaultProxy,
    answering,
    belying_the_answer,
    corrupting,
    cutting_short,
    expired,
    losing_the_answer,
    resetting,
    slow,
)
from storage.conftest import BUCKET

PART = stores.PART_BYTES


@pytest.fixture
def proxy(s3_environment, monkeypatch):
    monkeypatch.setattr(network, "RETRY_SECONDS", 0.6)
    with FaultProxy(s3_environment["AWS_ENDPOINT_URL"]) as proxy:
        yield proxy


@pytest.fixture
def bucket(proxy, s3_environment, request):
    """A store behind the proxy."""
    return open_store(
        f"s3://{BUCKET}/{abs(hash(request.node.name))}", {**s3_environment, "AWS_ENDPOINT_URL": proxy.url}
    )


@pytest.fixture
def large(tmp_path):
    """A file of three and a half parts."""
    path = tmp_path / "large"
    path.write_bytes(bytes(range(251)) * (7 * PART // 2 // 251))
    return path


def unfinished(s3_environment):
    """Uploads in parts that were begun and neither completed nor given up."""
    return httpx.get(f"{s3_environment['AWS_ENDPOINT_URL']}/{BUCKET}?uploads").text.count("<Upload>")


@pytest.mark.parametrize("fault", [resetting, losing_the_answer, belying_the_answer, answering(503), answering(429)])
@pytest.mark.parametrize("method", ["PUT", "GET", "HEAD"])
def test_a_moments_failure_is_bridged_by_the_store_itself(proxy, bucket, fault, method):
    planned = proxy.plan(fault, times=1, method=method)
    bucket.write("k", b"bytes")
    assert bucket.read("k") == b"bytes"
    assert bucket.info("k").size == 5
    assert planned.met == 1


def test_an_answer_that_was_cut_short_is_fetched_to_its_end(proxy, bucket):
    bucket.write("k", bytes(range(256)) * 10)
    planned = proxy.plan(cutting_short, times=2, method="GET")
    assert b"".join(bucket.stream("k")) == bytes(range(256)) * 10
    assert planned.met == 2


CASES = {
    "slow down": (answering(503, "SlowDown"), StoreFailed, True, "SlowDown: as the test wants it"),
    "internal error": (answering(500, "InternalError"), StoreFailed, True, "InternalError"),
    "reset": (resetting, StoreFailed, True, r"Connection reset by peer|connection closed"),
    "expired": (expired, StoreFailed, True, r"credentials have expired \(ExpiredToken: .*\); renew them"),
    "expired, as AWS says it": (answering(400, "ExpiredToken"), StoreFailed, True, "credentials have expired"),
    "unknown key": (answering(403, "InvalidAccessKeyId"), StoreFailed, True, "does not know the workspace's cred"),
    "denied": (answering(403, "AccessDenied"), StoreFailed, True, "the bucket denies it .*give the workspace's cred"),
    "clock is wrong": (answering(403, "RequestTimeTooSkewed"), StoreFailed, True, "RequestTimeTooSkewed"),
    "no such bucket": (answering(404, "NoSuchBucket"), StoreRefused, False, "there is no such bucket"),
    "corrupted": (corrupting, StoreFailed, True, "SHA256"),
}
VERBS = {
    "write": lambda store: store.write("k", b"new"),
    "replace": lambda store: store.replace("new", b"new", None),
    "read": lambda store: store.read("k"),
}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("case", CASES)
def test_each_failure_says_whether_another_try_helps(proxy, s3_environment, monkeypatch, case, verb):
    fault, kind, helps, told = CASES[case]
    if fault is corrupting and verb == "read":
        return  # a request without a body
    monkeypatch.setattr(network, "RETRY_SECONDS", 0.0)
    bucket = open_store(f"s3://{BUCKET}/{verb}/{case}", {**s3_environment, "AWS_ENDPOINT_URL": proxy.url})
    bucket.write("k", b"old")
    proxy.plan(fault)
    with pytest.raises(StoreFailed, match=told) as caught:
        VERBS[verb](bucket)
    assert type(caught.value) is kind
    assert caught.value.retry_helps is helps
    assert "\n" not in str(caught.value)
    proxy.mend()
    assert bucket.read("k") == b"old"


def test_the_store_does_not_try_for_long_by_itself(proxy, bucket):
    planned = proxy.plan(answering(503))
    with pytest.raises(StoreFailed, match="SlowDown"):
        bucket.write("k", b"")
    assert 1 < planned.met <= network.RETRIES + 1
    first, last = (each.at for each in (proxy.exchanges[0], proxy.exchanges[-1]))
    assert last - first <= network.RETRY_SECONDS + network.LONGEST_PAUSE_SECONDS


def test_a_server_that_is_silent_is_given_up(proxy, s3_environment, monkeypatch):
    monkeypatch.setattr(network, "SILENCE_SECONDS", 0.3)
    bucket = open_store(f"s3://{BUCKET}/silent", {**s3_environment, "AWS_ENDPOINT_URL": proxy.url})
    proxy.plan(slow(30))
    with pytest.raises(StoreFailed, match="it took too long") as caught:
        bucket.read("k")
    assert caught.value.retry_helps


def test_a_large_body_is_given_more_time(proxy, s3_environment, monkeypatch, large):
    monkeypatch.setattr(network, "SILENCE_SECONDS", 0.3)
    bucket = open_store(f"s3://{BUCKET}/slow", {**s3_environment, "AWS_ENDPOINT_URL": proxy.url})
    planned = proxy.plan(slow(1.0), times=1, method="PUT")
    bucket.write("k", large)
    assert planned.met == 1
    assert len([each for each in proxy.exchanges if each.method == "PUT"]) == 4


@pytest.mark.parametrize("at_once", [stores.PARTS_AT_ONCE, 1])
def test_a_large_file_goes_in_parts_a_few_at_a_time_each_with_its_checksum(
    proxy, bucket, large, s3_environment, at_once
):
    going, most, lock = [0], [0], threading.Lock()

    def counting(handler, exchange):
        with lock:
            going[0] += 1
            most[0] = max(most[0], going[0])
        handler.server.stopping.wait(0.1)
        answer = handler.forward(exchange)
        with lock:
            going[0] -= 1
        handler.send(exchange, answer)

    proxy.plan(counting, method="PUT")
    digest = bucket.upload("k", large, "text/plain", at_once)
    parts = [each for each in proxy.exchanges if each.method == "PUT"]
    assert sorted(len(each.body) for each in parts) == sorted([PART, PART, PART, large.stat().st_size - 3 * PART])
    assert all("x-amz-checksum-sha256" in each.headers for each in parts)
    assert most[0] == at_once
    assert digest == hashlib.sha256(large.read_bytes()).hexdigest()
    assert b"".join(bucket.stream("k")) == large.read_bytes()
    assert unfinished(s3_environment) == 0


def test_a_small_object_comes_with_its_checksum_too(proxy, bucket):
    bucket.write("k", b"x")
    bucket.replace("l", b"x", None)
    assert ["x-amz-checksum-sha256" in each.headers for each in proxy.exchanges] == [True, True]


def test_all_uploads_at_once_keep_to_the_memory_of_twelve_parts():
    assert [parts_for(uploads) for uploads in (0, 1, 2, 3, 4, 5, 12, 13, 100)] == [12, 12, 6, 4, 3, 2, 1, 1, 1]
    assert parts_for(4) == stores.PARTS_AT_ONCE


def test_a_file_of_very_many_parts_has_larger_ones(proxy, bucket, large, monkeypatch):
    monkeypatch.setattr(stores, "MAX_PARTS", 2)
    bucket.write("k", large)
    assert len(proxy.puts) == 2
    assert bucket.info("k").size == large.stat().st_size


@pytest.mark.parametrize("which", range(4))
def test_a_part_that_was_changed_on_its_way_is_never_accepted(proxy, bucket, large, which, s3_environment):
    before = unfinished(s3_environment)
    planned = proxy.plan(corrupting, times=1, method="PUT", after=which)
    with pytest.raises(StoreFailed, match="SHA256") as caught:
        bucket.write("k", large)
    assert caught.value.retry_helps
    with pytest.raises(ObjectMissing):
        bucket.info("k")
    assert unfinished(s3_environment) == before
    bucket.write("k", large)
    assert b"".join(bucket.stream("k")) == large.read_bytes()
    assert planned.met == 1


@pytest.mark.parametrize("fault", [resetting, losing_the_answer, belying_the_answer, answering(503)])
@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_parts_that_fail_for_a_moment_are_sent_again(proxy, bucket, large, fault, method):
    planned = proxy.plan(fault, times=2, method=method, after=1)
    bucket.write("k", large)
    assert planned.met > 0
    assert b"".join(bucket.stream("k")) == large.read_bytes()


def test_an_object_of_another_size_than_the_file_is_no_success(proxy, bucket, large):
    def shrinking(handler, exchange):
        answer = handler.forward(exchange)
        headers = [(name, "7" if name.lower() == "content-length" else value) for name, value in answer.headers]
        handler.send(exchange, replace(answer, headers=tuple(headers)))

    proxy.plan(shrinking, method="HEAD")
    size = large.stat().st_size
    with pytest.raises(StoreFailed, match=rf"/k: the bucket holds 7 bytes of it, not {size};") as caught:
        bucket.write("k", large)
    assert caught.value.retry_helps


@pytest.mark.parametrize("fault", [losing_the_answer, belying_the_answer, resetting, answering(503)])
@pytest.mark.parametrize("before", [None, a_manifest(state="running", sealed=False, exit_code=None)])
def test_a_manifest_whose_answer_was_lost_is_known_again(proxy, s3_environment, fault, before):
    """The client tries again by itself after a 503, and then hears that somebody has changed the object: itself."""
    bucket = open_store(f"s3://{BUCKET}/lost", {**s3_environment, "AWS_ENDPOINT_URL": proxy.url})
    record: RunRecord = record_of(bucket, RUN_ID)
    for each in list(record.store.objects()):
        record.store.delete(each.key)
    if before is not None:
        record.write(before)
    planned = proxy.plan(fault, times=1, method="PUT", key="manifest.json", body=b'"sealed": true')
    # Where the answer was lost for good, the runner asks again.
    Patience(60.0, print, sleep=lambda _: None).run(partial(record.write, a_manifest()))
    assert planned.met == 1
    assert record.read() == a_manifest()
