"""Where connections may go: a rehearsal never into the world, a stranger's MX never into our own network."""

import ipaddress
import socket
from typing import TypeAlias

from django.db import connections

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

# RFC 6598: carriers' private space. `is_private` does not cover it on all versions of Python.
_SHARED = ipaddress.ip_network("100.64.0.0/10")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class EgressRefused(OSError):
    """The leak guard: this address must not be connected to from here. The message says why."""


class InsideTransaction(RuntimeError):
    """The network was about to be used inside a database transaction."""


def check_target(ip: str, *, lab: bool, is_mx: bool) -> None:
    """Raise EgressRefused unless `ip` may be connected to.

    In the lab: only loopback. Otherwise: a recipient's MX must be a public address; a relay that an admin entered may
    also be on our own network.
    """
    address = _unwrapped(ipaddress.ip_address(ip))
    if lab:
        if not address.is_loopback:
            raise EgressRefused(f"{ip} is not on this machine, and LAB is on: nothing may leave it.")
        return
    if is_mx and not _is_public(address):
        raise EgressRefused(f"{ip} is not a public address; an MX must not lead into a private network.")


def _unwrapped(address: Address) -> Address:
    """The IPv4 address inside an IPv6 one, where there is one."""
    if isinstance(address, ipaddress.IPv6Address):
        if address in _NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        return address.ipv4_mapped or address.sixtofour or address
    return address


def _is_public(address: Address) -> bool:
    return address.is_global and not address.is_multicast and not (address.version == 4 and address in _SHARED)


def refuse_inside_transaction() -> None:
    """No network while a transaction is open: it would hold its locks for as long as a stranger likes."""
    for connection in connections.all(initialized_only=True):
        # The transaction a test case wraps around itself is no transaction of ours.
        if any(not getattr(block, "_from_testcase", False) for block in connection.atomic_blocks):
            raise InsideTransaction("A connection was opened inside a database transaction.")


def connect(*, ip: str, port: int, source: str | None, timeout: float, lab: bool, is_mx: bool) -> socket.socket:
    """A TCP connection from `source` to `ip`. Raises EgressRefused, or OSError in the system's words."""
    refuse_inside_transaction()
    check_target(ip, lab=lab, is_mx=is_mx)
    connection = socket.create_connection((ip, port), timeout, (source, 0) if source else None)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection
