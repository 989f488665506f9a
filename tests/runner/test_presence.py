"""A run's server sees that the run is there, from its beginning to its end."""

import socket

import pytest

from daybook.runner.presence import Presence


@pytest.fixture
def server():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(30)
        yield listening


def of(server):
    return Presence.of({"SPARK_REMOTE": f"sc://127.0.0.1:{server.getsockname()[1]}"})


def test_it_is_connected_until_the_run_is_over(server):
    with of(server):
        connection, _ = server.accept()
        connection.settimeout(0.2)
        with pytest.raises(TimeoutError):
            connection.recv(1)  # it says nothing, and stays
    connection.settimeout(30)
    assert connection.recv(1) == b""
    connection.close()


def test_a_connection_is_made_anew_now_and_then(server):
    with Presence("127.0.0.1", server.getsockname()[1], seconds=0.05):
        for _ in range(3):
            server.accept()[0].close()


def test_a_server_that_is_not_there_yet_is_tried_again():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with Presence("127.0.0.1", port, seconds=0.05), socket.create_server(("127.0.0.1", port)) as late:
        late.settimeout(30)
        late.accept()[0].close()


@pytest.mark.parametrize(
    "remote", ["", "sc://host", "sc://host:443/;use_ssl=true", "sc://host:1;token=x", "http://host:1", "sc://h:123456"]
)
def test_other_servers_and_none_are_left_alone(remote):
    with Presence.of({"SPARK_REMOTE": remote}) as presence:
        assert presence._thread is None


@pytest.mark.parametrize("remote", ["sc://10.0.0.7:15002", "sc://[fd00::7]:15002", "sc://spark.research:15002/"])
def test_servers_by_address_and_by_name_are_known(remote):
    assert Presence.of({"SPARK_REMOTE": remote})._address is not None
