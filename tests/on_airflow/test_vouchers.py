"""Vouchers: what they state, and everything that makes one worthless."""

from datetime import timedelta

import jwt
import pytest

from builders import a_workspace
from daybook.contract.errors import InvalidSettings
from daybook.on_airflow.vouchers import MAX_AGE, Errand, NotVouched, issue, now, read_key, redeem
from daybook.workspaces import Identity

KEY = "k" * 64
ERRAND = Errand("ada", "flights", "research")
ADA = Identity("ada", frozenset({"geo", "private"}), {"dep": frozenset({"climate", "hr"}), "email": frozenset({"a@b"})})
WORKSPACES = (
    a_workspace(name="research", members={"groups": ["geo", "other"], "claims": {"dep": ["climate"]}}),
    a_workspace(name="other", members={"claims": {"dep": ["x"]}}),
)


def voucher(errand=ERRAND, key=KEY, age=timedelta(0)):
    return issue(errand, ADA, WORKSPACES, key, lambda: now() - age)


def test_it_states_only_what_some_workspace_names():
    found = redeem(voucher(), ERRAND, KEY)
    assert found == Identity("ada", frozenset({"geo"}), {"dep": frozenset({"climate"})})


def test_somebody_of_whom_nothing_matters_needs_none():
    assert issue(ERRAND, Identity("eve", frozenset({"private"})), WORKSPACES, KEY) is None


def changed(**changes):
    content = jwt.decode(voucher(), options={"verify_signature": False})
    return jwt.encode({**content, **changes}, KEY, "HS256")


def without(name):
    content = jwt.decode(voucher(), options={"verify_signature": False})
    del content[name]
    return jwt.encode(content, KEY, "HS256")


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (voucher(age=MAX_AGE + timedelta(seconds=1)), "older than 24 hours"),
        (voucher(key="x" * 64), "not genuine"),
        (voucher(Errand("bob", "flights", "research")), "given to somebody else"),
        (voucher(Errand("ada", "other", "research")), "for something else"),
        (voucher(Errand("ada", "flights", "other")), "for something else"),
        (voucher()[:-4], "not genuine"),
        (voucher().rsplit(".", 1)[0] + ".", "not genuine"),
        (jwt.encode(jwt.decode(voucher(), options={"verify_signature": False}), "", "none"), "not genuine"),
        (jwt.encode(jwt.decode(voucher(), options={"verify_signature": False}), KEY, "HS512"), "not genuine"),
        (changed(aud="apis"), "not genuine"),
        (changed(iss="airflow"), "not genuine"),
        (without("exp"), "not genuine"),
        (without("sub"), "not genuine"),
        ("", "not genuine"),
        ("a.b.c", "not genuine"),
        (None, "not genuine"),
        ({"groups": ["geo"]}, "not genuine"),
        (["geo"], "not genuine"),
        ("ü\ud800", "not genuine"),
    ],
)
def test_a_worthless_one_proves_nothing(given, reason):
    with pytest.raises(NotVouched, match=reason):
        redeem(given, ERRAND, KEY)


def test_it_counts_for_its_whole_time():
    assert redeem(voucher(age=MAX_AGE - timedelta(minutes=5)), ERRAND, KEY).user == "ada"


@pytest.mark.parametrize(("content", "reason"), [(b"short\n", "32 bytes or more"), (b"\xff" * 64, "not text")])
def test_a_key_that_will_not_do_is_named(tmp_path, content, reason):
    (tmp_path / "key").write_bytes(content)
    with pytest.raises(InvalidSettings, match=reason):
        read_key(tmp_path / "key")
    with pytest.raises(InvalidSettings, match="No such file"):
        read_key(tmp_path / "none")
