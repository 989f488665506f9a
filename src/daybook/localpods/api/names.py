"""Which names Kubernetes allows. Everything that becomes part of a path is checked here first."""

from __future__ import annotations

import re
from typing import Final

_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", re.ASCII)
_SUBDOMAIN: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*", re.ASCII)
_QUALIFIED: Final = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?", re.ASCII)
_DATA_KEY: Final = re.compile(r"[-._a-zA-Z0-9]{1,253}", re.ASCII)
_VARIABLE: Final = re.compile(r"[!-<>-~]+", re.ASCII)
MAX_SUBDOMAIN: Final = 253

DNS_LABEL: Final = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', must start and end with "
    "an alphanumeric character, and must be no more than 63 characters"
)
DNS_SUBDOMAIN: Final = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', must start and "
    "end with an alphanumeric character, and must be no more than 253 characters"
)
QUALIFIED_NAME: Final = (
    "must consist of alphanumeric characters, '-', '_' or '.', must start and end with an alphanumeric character, be "
    "no more than 63 characters, and may have a DNS subdomain and '/' before it"
)
LABEL_VALUE: Final = (
    "must be empty or consist of alphanumeric characters, '-', '_' or '.', start and end with an alphanumeric "
    "character, and be no more than 63 characters"
)


def is_dns_label(name: object) -> bool:
    """A namespace, container or volume name."""
    return isinstance(name, str) and _LABEL.fullmatch(name) is not None


def is_dns_subdomain(name: object) -> bool:
    """A pod or secret name."""
    return isinstance(name, str) and len(name) <= MAX_SUBDOMAIN and _SUBDOMAIN.fullmatch(name) is not None


def is_qualified_name(key: object) -> bool:
    """The key of a label or annotation."""
    if not isinstance(key, str):
        return False
    prefix, slash, name = key.rpartition("/")
    return _QUALIFIED.fullmatch(name) is not None and (not slash or is_dns_subdomain(prefix))


def is_label_value(value: object) -> bool:
    """The value of a label."""
    return isinstance(value, str) and (not value or _QUALIFIED.fullmatch(value) is not None)


def is_data_key(key: object) -> bool:
    """The key inside a secret; it becomes a file name, so nothing that begins with `..`."""
    return isinstance(key, str) and _DATA_KEY.fullmatch(key) is not None and key != "." and not key.startswith("..")


def is_variable_name(name: object) -> bool:
    """The name of an environment variable: printable ASCII without `=`, as Kubernetes has it since 1.32."""
    return isinstance(name, str) and _VARIABLE.fullmatch(name) is not None
