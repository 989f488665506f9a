"""Whether a server is on the public network, or one that only those inside of a private one may speak to."""

from __future__ import annotations

import socket
from ipaddress import IPv6Address, ip_address


def is_private(host: str) -> bool:
    """Whether a host's name or address leads, or may lead, to something that is not on the public network.

    A name that leads nowhere is none: whoever connects to it will be told.
    """
    try:
        return not _is_public(host)
    except ValueError:
        pass
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return False
    return any(not _is_public(str(address[4][0]).partition("%")[0]) for address in found)


def _is_public(address: str) -> bool:
    found = ip_address(address)
    if isinstance(found, IPv6Address):
        found = found.ipv4_mapped or found.sixtofour or found
    return found.is_global and not found.is_multicast
