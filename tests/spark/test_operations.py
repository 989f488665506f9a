"""Operations as they pass by on the channel; no Spark."""

import os
from types import SimpleNamespace

import grpc
import pytest

from daybook.contract.errors import InvalidRequest
from daybook.spark.operations import OperationWatch

EXECUTE = "/spark.connect.SparkConnectService/ExecutePlan"
REATTACH = "/spark.connect.SparkConnectService/ReattachExecute"


class Answer:
    """One of Connect's answers; `HasField` as protobuf has it."""

    def __init__(self, **fields):
        self.__dict__.update(fields)

    def HasField(self, name):
        return name in self.__dict__


class Broken(grpc.RpcError):
    def __init__(self, code):
        self._code = code

    def code(self):
        return self._code


class Noting:
    def __init__(self):
        self.on_the_way, self.over = [], []

    def progressed(self, operation):
        self.on_the_way.append(operation)

    def ended(self, operation):
        self.over.append(operation)


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        self.now += 0.5
        return self.now


@pytest.fixture
def noting():
    return Noting()


@pytest.fixture
def watch(noting):
    return OperationWatch(["r1", "anna"], noting, clock=Clock(), now=lambda: 1000.0)


def batch(rows, data=b"1234", chunk=0):
    return Answer(arrow_batch=SimpleNamespace(row_count=rows, data=data, chunk_index=chunk))


def progress(*stages):
    names = ("num_tasks", "num_completed_tasks", "input_bytes_read")
    made = [SimpleNamespace(**dict(zip(names, each, strict=True))) for each in stages]
    return Answer(execution_progress=SimpleNamespace(stages=made))


OVER = Answer(result_complete=True)


def answers(*given):
    for each in given:
        if isinstance(each, BaseException):
            raise each
        yield each


def asked(operation="op", *tags, session="s1"):
    user = SimpleNamespace(user_id="anna")
    return SimpleNamespace(operation_id=operation, tags=list(tags), session_id=session, user_context=user)


def let_go(watch, operation="op", all_of_it=True):
    """pyspark's word that it reads no further, which it also says when it has all."""
    what = {"release_all": True} if all_of_it else {"release_until": True}
    request = Answer(operation_id=operation, **what)
    details = SimpleNamespace(method="/spark.connect.SparkConnectService/ReleaseExecute")
    assert watch.intercept_unary_unary(lambda *_: "done", details, request) == "done"


def read(watch, *given, method=EXECUTE, request=None):
    call = watch.intercept_unary_stream(lambda *_: answers(*given), SimpleNamespace(method=method), request or asked())
    return list(call)


def test_rows_bytes_stages_and_time_are_told_when_it_is_over(watch, noting):
    read(watch, progress((4, 1, 10)), progress((4, 4, 80), (2, 1, 20)), batch(5), batch(3), OVER)
    [operation] = noting.over
    assert (operation.id, operation.state, operation.rows, operation.result_bytes) == ("op", "succeeded", 8, 8)
    assert (operation.stages, operation.tasks, operation.tasks_done, operation.read_bytes) == (2, 6, 5, 100)
    assert operation.started_at == 1000.0
    assert operation.seconds == 2.5
    assert [each.tasks_done for each in noting.on_the_way] == [1, 5]


def test_a_batch_in_several_pieces_counts_its_rows_once(watch, noting):
    read(watch, batch(5, b"12", 0), batch(5, b"34", 1), OVER)
    assert (noting.over[0].rows, noting.over[0].result_bytes) == (5, 4)


def test_every_request_has_the_runs_tags_and_the_record_the_others(watch, noting):
    request = asked("op", "anna", "mine")
    read(watch, OVER, request=request)
    assert sorted(request.tags) == ["anna", "mine", "r1"]
    assert noting.over[0].tags == ("mine",)


def test_one_that_fails_is_told_as_failed(watch, noting):
    with pytest.raises(Broken):
        read(watch, batch(2), Broken(grpc.StatusCode.INTERNAL))
    [operation] = noting.over
    assert (operation.state, operation.rows) == ("failed", 2)


def test_one_whose_stream_breaks_is_followed_on_the_next(watch, noting):
    with pytest.raises(Broken):
        read(watch, batch(2), Broken(grpc.StatusCode.UNAVAILABLE))
    assert noting.over == []
    read(watch, batch(3), OVER, method=REATTACH)
    assert [(each.state, each.rows) for each in noting.over] == [("succeeded", 5)]


def test_one_whose_cell_is_interrupted_has_failed(watch, noting):
    with pytest.raises(KeyboardInterrupt):
        read(watch, progress((4, 1, 10)), KeyboardInterrupt())
    let_go(watch)
    [operation] = noting.over
    assert (operation.state, operation.tasks, operation.seconds) == ("failed", 4, 1.0)


def test_one_that_pyspark_has_tried_long_enough_has_failed(watch, noting):
    for method in (EXECUTE, REATTACH):
        with pytest.raises(Broken):
            read(watch, Broken(grpc.StatusCode.UNAVAILABLE), method=method)
    let_go(watch, all_of_it=False)
    assert noting.over == []
    let_go(watch)
    assert [each.state for each in noting.over] == ["failed"]


def test_one_whose_rows_are_not_all_wanted_is_over_all_the_same(watch, noting):
    read(watch, batch(5), batch(3))
    let_go(watch)
    let_go(watch, "another")
    assert [(each.state, each.rows) for each in noting.over] == [("succeeded", 8)]


def test_one_that_is_over_is_told_once(watch, noting):
    read(watch, batch(5), OVER)
    let_go(watch)
    assert len(noting.over) == 1


def test_every_session_that_runs_something_is_met(noting):
    met = []
    watch = OperationWatch([], noting, lambda *session: met.append(session))
    for operation, session in (("a", "s1"), ("b", "s2")):
        read(watch, OVER, request=asked(operation, session=session))
    assert met == [("s1", "anna"), ("s2", "anna")]


def test_a_fork_of_the_notebooks_process_is_told_why_it_has_no_spark(watch, monkeypatch):
    monkeypatch.setattr(os, "getpid", lambda: -1)
    with pytest.raises(InvalidRequest, match="forked"):
        read(watch, OVER)
    with pytest.raises(InvalidRequest, match="get_context"):
        let_go(watch)


def test_other_calls_pass_untouched(watch, noting):
    untouched = object()
    details = SimpleNamespace(method="/spark.connect.SparkConnectService/AddArtifacts")
    assert watch.intercept_unary_stream(lambda *_: untouched, details, asked()) is untouched
    assert noting.over == []


def test_what_pyspark_asks_of_a_call_is_the_calls_own(watch):
    call = SimpleNamespace(__next__=None, trailing_metadata=lambda: "its own")
    found = watch.intercept_unary_stream(lambda *_: call, SimpleNamespace(method=EXECUTE), asked())
    assert found.trailing_metadata() == "its own"
