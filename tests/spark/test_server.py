"""What a Connect server is started with; `test_spark.py` starts a real one."""

import fcntl
import socket
import stat
import subprocess
import sys

import pytest

from daybook.contract.errors import InvalidRequest, InvalidSettings
from daybook.spark.java import Java
from daybook.spark.process import checked_memory, java_environment, write_properties
from daybook.spark.server import ServerOptions, read_token, serve, server_command, server_settings


@pytest.fixture
def options(tmp_path):
    token = tmp_path / "token"
    token.write_text("a-pre-shared-key-of-the-tests\n")
    return ServerOptions(port=0, token_file=token, state=tmp_path / "state")


def test_the_command_shows_neither_key_nor_settings(options, tmp_path):
    java = Java(tmp_path / "java", 21, "test")
    command = server_command(java, tmp_path, "1g", options.state, tmp_path)
    assert command[0] == str(java.executable)
    assert "a-pre-shared-key-of-the-tests" not in " ".join(command)
    assert "-Xmx1g" in command


def test_every_listener_is_told_to_stay_on_loopback(options, tmp_path):
    settings = server_settings(options, tmp_path)
    addresses = ("spark.connect.grpc.binding.address", "spark.driver.bindAddress", "spark.driver.host")
    assert {settings[name] for name in addresses} == {"127.0.0.1"}
    assert java_environment({}, tmp_path)["SPARK_LOCAL_IP"] == "127.0.0.1"
    assert settings["spark.ui.enabled"] == "false"


def test_settings_of_the_machine_do_not_reach_the_server(tmp_path):
    environment = {
        "SPARK_REMOTE": "sc://elsewhere",
        "PYSPARK_SUBMIT_ARGS": "--bad",
        "SPARK_CONF_DIR": "/etc",
        "HOME": "/h",
    }
    passed = java_environment(environment, tmp_path)
    assert "HOME" in passed
    assert not {"SPARK_REMOTE", "PYSPARK_SUBMIT_ARGS", "SPARK_CONF_DIR"} & passed.keys()


def test_properties_are_private_and_escaped(tmp_path):
    path = tmp_path / "p"
    write_properties(path, {"spark.a": "x=1 y\nspark.b=2", "spark.c": "é😀"})
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text() == ("spark.a=x\\u003d1\\u0020y\\u000aspark.b\\u003d2\nspark.c=\\u00e9\\ud83d\\ude00\n")


def test_a_setting_name_cannot_smuggle_in_another(tmp_path):
    with pytest.raises(InvalidRequest, match="no names of Spark settings"):
        write_properties(tmp_path / "p", {"spark.a=1\nspark.b": "2"})


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1g", "1g"), ("512m", "512m"), ("2G", "2g"), ("1.5GiB", "1536m"), ("2 GB", "2g"), ("4194305", "4m")],
)
def test_memory_is_given_as_java_writes_it(text, expected):
    assert checked_memory(text) == expected


@pytest.mark.parametrize("text", ["", "0g", "1", "1025k", "-1g", "1g -Dx=y"])
def test_memory_that_is_none_is_refused(text):
    with pytest.raises(InvalidRequest, match="not a size of memory"):
        checked_memory(text)


@pytest.mark.parametrize("content", ["", "short", "a key with ünicode inside it"])
def test_a_key_that_will_not_do_is_refused(tmp_path, content):
    path = tmp_path / "token"
    path.write_text(content)
    with pytest.raises(InvalidRequest, match="the Spark token will not do"):
        read_token(path)


def test_a_key_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InvalidRequest, match=r"nowhere: No such file"):
        read_token(tmp_path / "nowhere")


def test_taken_ports_are_all_named(options):
    with socket.socket() as one, socket.socket() as two:
        for taken in (one, two):
            taken.bind(("127.0.0.1", 0))
            taken.listen()
        ports = one.getsockname()[1], two.getsockname()[1]
        wanted = ServerOptions(ports[0], options.token_file, options.state, ui_port=ports[1])
        with pytest.raises(InvalidRequest) as raised:
            serve(wanted, {})
    assert all(f"port {port} cannot be used" in str(raised.value) for port in ports)
    assert not options.state.exists()


def test_two_servers_cannot_share_a_state_folder(options):
    options.state.mkdir()
    with (options.state / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(InvalidSettings, match="another Spark Connect server lives in"):
            serve(options, {"PATH": "/nonexistent"})


def test_the_command_line_says_one_clear_line(tmp_path):
    given = ["serve", "--port", "0", "--token-file", str(tmp_path / "nowhere"), "--state", str(tmp_path)]
    ended = subprocess.run([sys.executable, "-m", "daybook.spark", *given], capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stderr.startswith("cannot read the Spark token: ")
    assert ended.stderr.count("\n") == 1
