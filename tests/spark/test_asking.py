"""The supervisor's questions: in which session they are asked of a server; one made of gRPC alone."""

from concurrent import futures

import grpc
import pytest

from daybook.spark.asking import Asking, NoAnswer, messages_of_connect

CLOSED = "[INVALID_HANDLE.SESSION_CLOSED] The handle 0 is invalid. Session was closed."


class Server(grpc.GenericRpcHandler):
    """Says at some calls what it is told to say, and keeps in which session each was."""

    def __init__(self, says):
        self.says, self.sessions = says, []

    def service(self, details):
        assert details.method.endswith("/ExecutePlan")
        return grpc.unary_stream_rpc_method_handler(self._execute)

    def _execute(self, request, context):
        self.sessions.append(messages_of_connect().ExecutePlanRequest.FromString(request).session_id)
        if len(self.sessions) in self.says:
            context.abort(grpc.StatusCode.INTERNAL, self.says[len(self.sessions)])
        return iter([b""])


@pytest.fixture
def serve():
    running = []

    def serve(**says):
        handler = Server({int(call.removeprefix("call_")): said for call, said in says.items()})
        server = grpc.server(futures.ThreadPoolExecutor(1))
        server.add_generic_rpc_handlers((handler,))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        running.append(server)
        return handler, Asking(f"127.0.0.1:{port}", "key")

    yield serve
    for each in running:
        each.stop(None).wait()


def test_all_questions_are_asked_in_one_session(serve):
    server, asking = serve()
    assert asking.sessions == 0
    for _ in range(3):
        asking.ask(60)
    assert len(set(server.sessions)) == 1
    assert asking.sessions == 1


def test_a_question_that_failed_is_asked_again_in_the_same_one(serve):
    server, asking = serve(call_1="it hangs", call_3="it hangs")
    for sessions in (0, 1):
        with pytest.raises(NoAnswer, match="INTERNAL: it hangs"):
            asking.ask(60)
        assert asking.sessions == sessions
        asking.ask(60)
    assert len(set(server.sessions)) == 1


def test_a_session_that_the_server_has_closed_is_followed_by_another(serve):
    server, asking = serve(call_2=CLOSED)
    asking.ask(60)
    with pytest.raises(NoAnswer, match="SESSION_CLOSED"):
        asking.ask(60)
    assert asking.sessions == 0
    asking.ask(60)
    assert asking.sessions == 1
    first, second, third = server.sessions
    assert first == second != third
