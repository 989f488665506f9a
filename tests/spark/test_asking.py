"""The supervisor's questions: what they leave open on a server; one made of gRPC alone."""

from concurrent import futures

import grpc
import pytest

from daybook.spark.asking import Asking, NoAnswer, messages_of_connect


class Server(grpc.GenericRpcHandler):
    """Fails at some calls, and keeps which sessions are open."""

    def __init__(self, *failing):
        self.failing, self.calls, self.open, self.released = set(failing), 0, set(), []

    def service(self, details):
        method = details.method.rpartition("/")[2]
        if method == "ExecutePlan":
            return grpc.unary_stream_rpc_method_handler(self._execute)
        return grpc.unary_unary_rpc_method_handler(self._release)

    def _execute(self, request, context):
        self.open.add(messages_of_connect().ExecutePlanRequest.FromString(request).session_id)
        self._fail_in_turn(context)
        return iter([b""])

    def _release(self, request, context):
        self._fail_in_turn(context)
        session = messages_of_connect().ReleaseSessionRequest.FromString(request).session_id
        self.released.append(session)
        self.open.discard(session)
        return b""

    def _fail_in_turn(self, context):
        self.calls += 1
        if self.calls in self.failing:
            context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, "it hangs")


@pytest.fixture
def serve():
    running = []

    def serve(*failing):
        handler, server = Server(*failing), grpc.server(futures.ThreadPoolExecutor(1))
        server.add_generic_rpc_handlers((handler,))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        running.append(server)
        return handler, Asking(f"127.0.0.1:{port}", "key")

    yield serve
    for each in running:
        each.stop(None).wait()


def test_a_question_leaves_no_session(serve):
    server, asking = serve()
    asking.ask(60)
    asking.ask(60)
    assert (server.open, len(set(server.released))) == (set(), 2)


@pytest.mark.parametrize("failing", [(1,), (2,), (1, 2), (1, 2, 3)], ids=["asking", "releasing", "twice", "thrice"])
def test_the_sessions_of_questions_that_failed_are_released_with_the_next_that_does_not(serve, failing):
    server, asking = serve(*failing)
    for _ in failing:
        with pytest.raises(NoAnswer, match="DEADLINE_EXCEEDED: it hangs"):
            asking.ask(60)
    assert len(server.open) == len(failing)
    asking.ask(60)
    assert server.open == set()
    assert len(server.released) == len(set(server.released)) == len(failing) + 1
