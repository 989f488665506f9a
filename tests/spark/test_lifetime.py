"""Ending the sessions of a kernel that is gone: which server is asked, with which key; a server made of gRPC alone."""

from concurrent import futures

import grpc
import pytest

from daybook.spark.lifetime import release_all

ENDED = "what the notebook left running on its server is ended"


@pytest.fixture
def asked():
    """What a server on loopback was asked, and its port."""
    calls = []

    class Answering(grpc.GenericRpcHandler):
        def service(self, details):
            calls.append((details.method.rpartition("/")[2], dict(details.invocation_metadata).get("authorization")))
            return grpc.unary_unary_rpc_method_handler(lambda *_: b"")

    server = grpc.server(futures.ThreadPoolExecutor(1), handlers=(Answering(),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield calls, port
    server.stop(None).wait()


def test_every_session_is_released_with_the_runs_key(asked):
    calls, port = asked
    given = {"SPARK_REMOTE": f"sc://127.0.0.1:{port}", "SPARK_CONNECT_AUTHENTICATE_TOKEN": "key\n"}
    assert release_all([("a", "anna"), ("b", None)], given) == ENDED
    assert calls == [("ReleaseSession", "Bearer key")] * 2


def test_a_key_in_the_address_counts_where_there_is_no_other(asked):
    calls, port = asked
    release_all([("a", None)], {"SPARK_REMOTE": f"sc://127.0.0.1:{port}/;token=x%2Fy;user_id=z"})
    assert calls == [("ReleaseSession", "Bearer x/y")]


def test_a_server_that_is_gone_is_told_of():
    said = release_all([("a", None)], {"SPARK_REMOTE": "sc://127.0.0.1:9"})
    assert said.startswith("the server did not answer; what the notebook left running ends by itself")
