"""Which servers are on the public network."""

import socket

import pytest

from daybook.runner.addresses import is_private


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("93.184.216.34", False),
        ("2606:2800:220:1::1", False),
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("0.0.0.0", True),
        ("10.0.0.1", True),
        ("172.16.0.1", True),
        ("192.168.1.1", True),
        ("100.64.0.1", True),
        ("169.254.169.254", True),
        ("224.0.0.1", True),
        ("::1", True),
        ("::", True),
        ("fe80::1", True),
        ("fc00::1", True),
        ("::ffff:127.0.0.1", True),
        ("::ffff:169.254.169.254", True),
        ("2002:7f00:1::", True),
        ("localhost", True),
        ("", False),
        ("no such host", False),
    ],
)
def test_addresses(host, expected):
    assert is_private(host) is expected


@pytest.mark.parametrize("spelled", ["2130706433", "0x7f000001", "127.1", "0177.0.0.1"])
def test_other_spellings_of_an_address_are_what_the_system_takes_them_for(spelled):
    assert is_private(spelled)


def test_a_name_is_private_if_any_of_its_addresses_is(monkeypatch):
    found = [(0, 0, 0, "", ("93.184.216.34", 0)), (0, 0, 0, "", ("fe80::1%eth0", 0, 0, 0))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    assert is_private("two.example")
