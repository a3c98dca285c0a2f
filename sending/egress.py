"""Where connections may go: a rehearsal never into the world, a stranger's MX never into our own network."""

import ipaddress
import socket
import ssl
from collections.abc import Iterable

from django.db import connections

from reputation.pure.public_address import is_public, unwrapped


class EgressRefused(OSError):
    """The leak guard: this address must not be connected to from here. The message says why."""


class InsideTransaction(RuntimeError):
    """The network was about to be used inside a database transaction."""


def check_target(ip: str, *, lab: bool, is_mx: bool) -> None:
    """Raise EgressRefused unless `ip` may be connected to.

    In the lab: only loopback. Otherwise: a recipient's MX must be a public address; a relay that an admin entered may
    also be on our own network.
    """
    address = unwrapped(ipaddress.ip_address(ip))
    if lab:
        if not address.is_loopback:
            raise EgressRefused(f"{ip} is not on this machine, and LAB is on: nothing may leave it.")
        return
    if is_mx and not is_public(address):
        raise EgressRefused(f"{ip} is not a public address; an MX must not lead into a private network.")


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


def connect_to_web(
    ips: Iterable[str], *, host: str, port: int, secure: bool, timeout: float, lab: bool, public: bool
) -> socket.socket:
    """Connected to the first of a web server's addresses that takes it, under TLS by its name where `secure`.

    `public`: never to a private network. Raises what the last address came to: EgressRefused, or OSError in the
    system's words; one whose certificate does not hold ends it.
    """
    problem = OSError(f"{host} has no address")
    for ip in ips:
        try:
            plain = connect(ip=ip, port=port, source=None, timeout=timeout, lab=lab, is_mx=public)
        except OSError as error:
            problem = error
            continue
        return ssl.create_default_context().wrap_socket(plain, server_hostname=host) if secure else plain
    raise problem
