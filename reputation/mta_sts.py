"""The MTA-STS policy of a return path: its record in DNS, its file by HTTPS, and whether the two fit our MX.

Senders fetch the file from `mta-sts.<host>`; so do we, by their rules: a valid certificate, no redirects, 64 KB. Every
address of that name is judged before it is connected to, so that no name can lead us into our own network.
"""

import http.client
import socket
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ipaddress import ip_address
from threading import Timer

from django.conf import settings

from reputation import resolver
from reputation.pure import mta_sts_policy
from reputation.pure.mta_sts_policy import Policy, Wrong
from reputation.pure.public_address import is_public, unwrapped
from reputation.resolver import CouldNotLookUp, Found

TIMEOUT_SECONDS = 5.0
# For all of it: a server may send a letter every four seconds.
WHOLE_SECONDS = 15.0
MOST_ADDRESSES = 4
PATH = "/.well-known/mta-sts.txt"


class CouldNotFetch(Exception):
    """Nobody knows: no answer. Never proof of anything."""


def fetch(host: str, *, port: int = 443, trust: ssl.SSLContext | None = None) -> Policy:
    """The policy for mail to `host`. Raises Wrong (there is none, or a wrong one) or CouldNotFetch."""
    name = f"mta-sts.{host}"
    plain = _connected(name, port)
    trust = trust or ssl.create_default_context()
    try:
        with (
            trust.wrap_socket(plain, server_hostname=name, do_handshake_on_connect=False) as secure,
            _cut_off_after(WHOLE_SECONDS, secure),
        ):
            secure.do_handshake()
            text = _get(name, secure)
    except ssl.SSLCertVerificationError as error:
        raise Wrong(f"The certificate of https://{name} does not hold: {error.verify_message}.") from None
    except (OSError, http.client.HTTPException) as error:
        raise CouldNotFetch(f"https://{name} could not be read: {error}.") from None
    finally:
        plain.close()
    return mta_sts_policy.read(text)


@contextmanager
def _cut_off_after(seconds: float, connection: socket.socket) -> Iterator[None]:
    timer = Timer(seconds, socket.socket.shutdown, [connection, socket.SHUT_RDWR])
    timer.daemon = True
    timer.start()
    try:
        yield
        # What was read until then looks like an end.
        if not timer.is_alive():
            raise TimeoutError(f"no whole answer within {seconds:g} seconds")
    finally:
        timer.cancel()


def wrong_with(policy: Policy, host: str) -> str:
    """What does not fit our MX records, in a sentence; empty when all fits. Raises CouldNotFetch."""
    answer = resolver.lookup(host, "MX", fresh=True)
    if isinstance(answer, CouldNotLookUp):
        raise CouldNotFetch(f"The MX of {host} could not be looked up: {answer.reason}.")
    hosts = [text.split()[-1] for text in answer.records] if isinstance(answer, Found) else []
    missing = mta_sts_policy.not_covered(policy, hosts) if policy.mode != "none" else []
    if not missing:
        return ""
    then = "bounces cannot reach us" if policy.mode == "enforce" else "they could not, once it is enforced"
    return f"The policy does not allow {', '.join(missing)}, which is the MX of {host}: {then}."


def _connected(name: str, port: int) -> socket.socket:
    problem = f"{name} has no address"
    for ip in _addresses(name)[:MOST_ADDRESSES]:
        _judge(name, ip)
        try:
            return socket.create_connection((ip, port), timeout=TIMEOUT_SECONDS)
        except OSError as error:
            problem = f"{name} did not answer: {error}"
    raise CouldNotFetch(f"{problem}.")


def _judge(name: str, ip: str) -> None:
    address = unwrapped(ip_address(ip))
    if settings.LAB and not address.is_loopback:
        raise CouldNotFetch(f"{ip} is not on this machine, and LAB is on: nothing may leave it.")
    if not settings.LAB and not is_public(address):
        raise Wrong(f"{name} leads to {ip}, an address inside a network. Senders cannot read the policy there.")


def _addresses(name: str) -> Sequence[str]:
    answers = [resolver.lookup(name, kind, fresh=True) for kind in ("A", "AAAA")]
    found = [record for answer in answers if isinstance(answer, Found) for record in answer.records]
    if found:
        return found
    for answer in answers:
        if isinstance(answer, CouldNotLookUp):
            raise CouldNotFetch(f"{name} could not be looked up: {answer.reason}.")
    raise Wrong(f"The record says that there is a policy, but {name} has no address: nobody can read it.")


def _get(name: str, secure: ssl.SSLSocket) -> str:
    connection = http.client.HTTPConnection(name, timeout=TIMEOUT_SECONDS)
    connection.sock = secure
    connection.request("GET", PATH, headers={"User-Agent": "Letterpace"})
    answer = connection.getresponse()
    content = answer.read(mta_sts_policy.LARGEST + 1)
    if answer.length and len(content) <= mta_sts_policy.LARGEST:
        raise http.client.IncompleteRead(content, answer.length)
    if answer.status >= 500:
        raise CouldNotFetch(f"https://{name}{PATH} answers with status {answer.status}.")
    if answer.status != 200:
        raise Wrong(f"https://{name}{PATH} answers with status {answer.status}; senders want 200 and no redirect.")
    if len(content) > mta_sts_policy.LARGEST:
        raise Wrong("The policy is larger than 64 KB.")
    return content.decode("utf-8", "replace")
