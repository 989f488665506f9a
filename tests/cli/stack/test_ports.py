import os
import socket
from collections.abc import Iterator

import pytest

from daybook.cli.stack.ports import OPTIONS, VARIABLES, Ports, choose_ports, require_free
from daybook.contract.errors import InvalidSettings


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def test_given_wins_over_remembered_wins_over_default():
    chosen = choose_ports({"api": 9001, "pods": None}, {"api": 9002, "pods": 9003})
    assert chosen == Ports(api=9001, pods=9003)


def test_every_port_has_an_option_and_a_variable():
    names = set(Ports.__dataclass_fields__)
    assert set(OPTIONS) == names
    assert set(VARIABLES) == names


def test_every_fault_of_the_chosen_ports_is_named():
    with pytest.raises(InvalidSettings) as caught:
        choose_ports({"api": 0, "pods": 15002, "spark": None, "spark_ui": 70000}, {})
    text = str(caught.value)
    assert "--port: 0 is no port" in text
    assert "--spark-ui-port: 70000 is no port" in text
    assert "--pods-port and --spark-port: port 15002 can be had only once" in text


def test_a_taken_port_names_who_holds_it_and_the_option(taken):
    with pytest.raises(InvalidSettings) as caught:
        require_free({"api": taken})
    text = str(caught.value)
    assert f"port {taken}" in text
    assert f"process {os.getpid()} (" in text
    assert "pytest" in text
    assert "--port" in text


def test_all_taken_ports_are_named_at_once(taken):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(InvalidSettings) as caught:
            require_free({"api": taken, "spark": other.getsockname()[1]})
    assert [fault.where for fault in caught.value.faults] == [f"port {taken}", f"port {other_port(caught)}"]


def other_port(caught: pytest.ExceptionInfo[InvalidSettings]) -> str:
    return caught.value.faults[1].where.removeprefix("port ")


def test_a_port_that_was_used_a_moment_ago_is_free():
    with socket.socket() as server, socket.socket() as client:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as every server does
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        client.connect(("127.0.0.1", port))
        accepted, _ = server.accept()
        accepted.close()  # the server ends first, so its side waits
    require_free({"api": port})
