"""Addresses are shown without what may hold keys, and showing one never fails."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daybook.contract.sources import shown


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("", ""),
        ("a notebook?.ipynb", "a notebook?.ipynb"),
        ("/books/a.ipynb", "/books/a.ipynb"),
        ("s3://bucket/a.ipynb", "s3://bucket/a.ipynb"),
        ("https://host:8443/a.ipynb", "https://host:8443/a.ipynb"),
        ("https://me:word@host/a.ipynb", "https://host/a.ipynb"),
        ("https://me:w@rd@host/a.ipynb", "https://host/a.ipynb"),
        ("https://host/a.ipynb?X-Amz-Signature=abc#page", "https://host/a.ipynb"),
        ("http://[x", "http://[x"),
        ("http://me:word@[x/a.ipynb?sig=abc", "http://[x/a.ipynb"),
        ("http://[x?sig=a/b@c#d", "http://[x"),
    ],
)
def test_an_address_is_shown_without_what_may_hold_keys(source: str, expected: str) -> None:
    assert shown(source) == expected


@given(st.text(), st.sampled_from(["", "http://", "s3://", "http://["]))
def test_showing_an_address_never_fails(text: str, before: str) -> None:
    shown(before + text)
