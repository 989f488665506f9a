"""The key by which the pages know again what they handed out: one for all replicas of an installation, kept nowhere."""

from __future__ import annotations

import hmac

from airflow.configuration import conf

_LABEL = b"daybook pages, first key"
"""Derived keys of different labels tell nothing of each other, nor of what they are derived from."""


def page_key(voucher_key: str | None) -> bytes:
    """Derived from the key of vouchers where there is one, else from the secret of Airflow's API servers.

    Args:
        voucher_key: the same in all processes, as Airflow's secret has to be.
    """
    secret = voucher_key or conf.get_mandatory_value("api", "secret_key")
    return hmac.digest(secret.encode(), _LABEL, "sha256")
