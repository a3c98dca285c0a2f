"""A sender with its own address, name and signing key, and labs for it to talk to."""

import asyncio
import base64
import contextlib
import logging
import smtplib
import threading
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import dkim
import pytest
from aiosmtpd.controller import Controller
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from lab.running import Lab, running_lab

SENDER_IP = "127.0.0.21"
SENDER_HOST = "mail1.sender.example"
LENIENT = {
    "tls": "offered",
    "auth_required": [],
    "unknown_share": 0.0,
    "full_share": 0.0,
    "inactive_share": 0.0,
    "greylist_share": 0.0,
}
logging.getLogger("mail.log").setLevel(logging.WARNING)
OpenLab = Callable[..., Lab]


class Signer:
    def __init__(self) -> None:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        der = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        self.record = f"v=DKIM1; k=rsa; p={base64.b64encode(der).decode()}"
        self._pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )

    def sign(self, raw: bytes, *, domain: str = "sender.example", headers: list[bytes] | None = None) -> bytes:
        signature: bytes = dkim.sign(raw, b"s1", domain.encode(), self._pem, include_headers=headers)
        return signature + raw


@pytest.fixture(scope="session")
def signer() -> Signer:
    return Signer()


@pytest.fixture
def open_lab(tmp_path: Path, signer: Signer) -> Iterator[OpenLab]:
    """Opens labs that know the sender's DNS; personas are lenient unless a test says what it is about."""
    with contextlib.ExitStack() as stack:

        def opened(*, personas: dict[str, dict[str, Any]] | None = None, **values: Any) -> Lab:
            everyone = {**LENIENT, **(personas or {}).pop("*", {})} if personas is not None else LENIENT
            records = [
                {"name": "sender.example", "type": "TXT", "value": f"v=spf1 ip4:{SENDER_IP} -all"},
                {"name": "_dmarc.sender.example", "type": "TXT", "value": "v=DMARC1; p=reject"},
                {"name": "s1._domainkey.sender.example", "type": "TXT", "value": signer.record},
                *values.pop("records", ()),
            ]
            return stack.enter_context(
                running_lab(
                    ledger=str(tmp_path / "ledger.jsonl"),
                    personas={"*": everyone, **(personas or {})},
                    records=records,
                    clients={SENDER_IP: SENDER_HOST},
                    **values,
                )
            )

        yield opened


def letter(to: str, *, subject: str = "Spring", mailing: str = "m1", extra: dict[str, str] | None = None) -> bytes:
    """A small marketing message with RFC 8058 headers, CRLF line ends."""
    message = EmailMessage()
    message["From"] = "News <news@sender.example>"
    message["To"] = to
    message["Subject"] = subject
    message["Message-ID"] = f"<{mailing}.{to.replace('@', '.at.')}@sender.example>"
    message["X-Letterpace-Mailing"] = mailing
    message["List-Unsubscribe"] = "<https://sender.example/u/token>"
    message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    for name, value in (extra or {}).items():
        message[name] = value
    message.set_content("Hello\n.dots at the start of a line\n")
    return message.as_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def connect(lab: Lab, host: str, *, ip: str = SENDER_IP, timeout: float = 10) -> smtplib.SMTP:
    """A client that has said EHLO, from the sender's address."""
    client = smtplib.SMTP(
        lab.host(host).address, lab.smtp_port, local_hostname=SENDER_HOST, timeout=timeout, source_address=(ip, 0)
    )
    client.ehlo()
    return client


def post(
    client: smtplib.SMTP, to: str, *, raw: bytes | None = None, sender: str = "b-1@sender.example"
) -> tuple[int, str]:
    """MAIL, RCPT and DATA for one recipient: the first reply that is no yes, else the reply to the dot."""
    steps: list[tuple[Any, Any]] = [(client.mail, sender), (client.rcpt, to), (client.data, raw or letter(to))]
    code: int = 0
    text: Any = b""
    for step, argument in steps:
        try:
            code, text = step(argument)
        except smtplib.SMTPDataError as error:
            code, text = error.smtp_code, error.smtp_error
        if code >= 400:
            with contextlib.suppress(smtplib.SMTPServerDisconnected, OSError):
                client.rset()
            break
    return code, text.decode("utf-8", "replace")


class Inbox:
    """A listener for bounces and complaints: what aiosmtpd received, envelope and bytes."""

    def __init__(self) -> None:
        self.received: list[tuple[str, list[str], bytes]] = []
        self._arrived = threading.Condition()

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        with self._arrived:
            self.received.append((envelope.mail_from.replace("<>", ""), envelope.rcpt_tos, envelope.content))
            self._arrived.notify_all()
        return "250 taken"

    def wait_for(self, count: int) -> list[tuple[str, list[str], bytes]]:
        with self._arrived:
            assert self._arrived.wait_for(lambda: len(self.received) >= count, 10), f"{len(self.received)} arrived"
        return self.received


class OnAFreePort(Controller):
    def _trigger_server(self) -> None:
        assert isinstance(self.server, asyncio.Server)
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@pytest.fixture
def inbox() -> Iterator[tuple[Inbox, int]]:
    """The listener and its port on 127.0.0.1."""
    found = Inbox()
    controller = OnAFreePort(found, hostname="127.0.0.1", port=0)
    controller.start()
    yield found, controller.port
    controller.stop()
