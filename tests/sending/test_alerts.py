"""Admins are told what broke and what was mended: by mail, and by a signed call that cannot be led astray."""

import base64
import hashlib
import hmac
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.core import mail

from config.roles import Role
from lab.certificates import make_server_context
from reputation import findings
from reputation.findings import Check
from reputation.models import Alert, SendingDomain
from sending import alerts, webhook
from sending.models import Route
from tests.cast import shop, verified_domain
from tests.sending.scripted_receiver import receiving
from tests.visitors import member

SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()


@pytest.fixture
def domain(transactional_db, settings) -> SendingDomain:
    shop()
    member("mara", Role.ADMIN)
    member("jonas", Role.MARKETER)
    settings.SMTP_COMMAND_TIMEOUT = settings.SMTP_CONNECT_TIMEOUT = settings.SMTP_DOT_TIMEOUT = 2.0
    settings.DEFAULT_FROM_EMAIL = "letterpace@harbour.example"
    settings.PUBLIC_URL = "https://mail.harbour.example"
    return verified_domain()


def look(now: datetime, domain: SendingDomain, *results: str, **fields: Any) -> None:
    """The DMARC check comes out like this, a quarter of an hour apart."""
    for number, result in enumerate(results):
        check = Check("dmarc", result, detail="There is no record.", expected="v=DMARC1; p=none", **fields)
        findings.store(now=now + timedelta(minutes=15 * number), about=domain, checks=[check])


def relay(port: int) -> None:
    Route.objects.create(name="relay", kind="relay", host="127.0.0.1", port=port, security="none")


def test_what_broke_is_mailed_to_the_admins_and_to_nobody_else(now: datetime, domain: SendingDomain) -> None:
    look(now, domain, "pass", "fail", "fail")
    with receiving() as receiver:
        relay(receiver.port)
        alerts.tell(now=now + timedelta(hours=1))
        alerts.tell(now=now + timedelta(hours=2))
    assert list(receiver.accepted) == ["mara@harbour.example"]
    letter = message_from_bytes(receiver.messages["mara@harbour.example"], policy=policy.default)
    assert letter["Subject"] == "DMARC of news.harbour.example no longer passes"
    assert letter["From"].addresses[0].addr_spec == "letterpace@news.harbour.example"
    body = letter.get_body()
    assert body is not None
    for words in ("There is no record.", "Expected: v=DMARC1; p=none", "Found: nothing", "/domains/"):
        assert words in body.get_content()
    assert Alert.objects.get().mailed_at == now + timedelta(hours=1)


@pytest.mark.parametrize(
    ("results", "kinds"),
    [
        (["pass", "fail", "fail", "pass"], ["broke", "mended"]),
        (["pass", "unknown", "unknown", "unknown"], []),
        (["fail", "fail", "pass"], []),
        (["pass", "fail", "pass"], []),
    ],
)
def test_only_what_had_passed_and_fails_for_certain_is_an_alert(
    now: datetime, domain: SendingDomain, results: list[str], kinds: list[str]
) -> None:
    look(now, domain, *results)
    assert list(Alert.objects.order_by("id").values_list("kind", flat=True)) == kinds


def test_what_is_only_for_information_is_no_alert(now: datetime, domain: SendingDomain) -> None:
    look(now, domain, "pass", "fail", "fail", weight="tell", required=False)
    assert not Alert.objects.exists()


def test_several_alerts_are_one_letter(now: datetime, domain: SendingDomain) -> None:
    look(now, domain, "pass", "fail", "fail", "pass")
    mail.outbox.clear()
    alerts.tell(now=now + timedelta(hours=1))
    [sent] = mail.outbox
    letter = str(sent.message())
    assert "no longer passes, and 1 more" in letter
    assert "passes again" in letter


def test_when_the_way_out_is_what_broke_the_mail_server_of_the_settings_is_the_second_try(
    now: datetime, domain: SendingDomain, settings
) -> None:
    look(now, domain, "pass", "fail", "fail")
    settings.LAB = False
    relay(1)  # nobody listens there
    mail.outbox.clear()
    alerts.tell(now=now + timedelta(hours=1))
    [sent] = mail.outbox
    assert sent.from_email == "letterpace@harbour.example"
    assert Alert.objects.get().mailed_at is not None


def test_what_could_not_be_mailed_is_tried_again_and_given_up_after_a_day(
    now: datetime, domain: SendingDomain, settings
) -> None:
    look(now, domain, "pass", "fail", "fail")
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "127.0.0.1", 1, 1
    alerts.tell(now=now + timedelta(hours=1))
    row = Alert.objects.get()
    assert (row.mailed_at, row.mail_due_at) == (None, now + timedelta(hours=1, minutes=5))
    assert row.mail_error
    alerts.tell(now=now + timedelta(hours=25))
    assert Alert.objects.get().mail_due_at is None


class _Hook(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.calls.append((self.path, dict(self.headers), body))  # type: ignore[attr-defined]
        status = self.server.statuses.pop(0) if self.server.statuses else 204  # type: ignore[attr-defined]
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "http://127.0.0.1:1/")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def hook(*statuses: int, context: Any = None) -> Iterator[Any]:
    """A server for calls; `calls` are those it got, `statuses` what it answers before 204."""
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), _Hook)
    server.calls, server.statuses = [], list(statuses)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def _calls(settings, server: Any, *, private: bool = True, url: str = "http://127.0.0.1:{port}/in?a=b") -> None:
    settings.ALERT_WEBHOOK_URL = url.format(port=server.server_address[1])
    settings.ALERT_WEBHOOK_SECRET, settings.ALERT_WEBHOOK_PRIVATE = SECRET, private


def test_the_webhook_gets_a_signed_call_once(now: datetime, domain: SendingDomain, settings) -> None:
    with hook() as server:
        _calls(settings, server)
        look(now, domain, "pass", "fail", "fail")
        alerts.tell(now=now + timedelta(hours=1))
        alerts.tell(now=now + timedelta(hours=2))
    [(path, headers, body)] = server.calls
    event = json.loads(body)
    assert (path, event["type"], event["data"]["about"]) == ("/in?a=b", "check.broke", "news.harbour.example")
    assert event["data"]["page"] == f"https://mail.harbour.example/domains/{domain.pk}/"
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.digest(b"k" * 32, signed, hashlib.sha256)).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert int(headers["webhook-timestamp"]) == int((now + timedelta(hours=1)).timestamp())


def test_a_secure_call_names_its_host_without_a_port(
    now: datetime, domain: SendingDomain, settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with hook() as server:
        _calls(settings, server, url="https://hooks.harbour.example/in")
        plain = socket.create_connection(server.server_address[:2])
        monkeypatch.setattr(webhook, "_connected", lambda *_args, **_named: plain)
        look(now, domain, "pass", "fail", "fail")
        alerts.tell(now=now + timedelta(hours=1))
    [(_path, headers, _body)] = server.calls
    assert headers["Host"] == "hooks.harbour.example"


@pytest.mark.parametrize("status", [302, 404, 500])
def test_a_call_that_fails_is_repeated_under_the_same_id_and_no_redirect_is_followed(
    now: datetime, domain: SendingDomain, settings, status: int
) -> None:
    with hook(status) as server:
        _calls(settings, server)
        look(now, domain, "pass", "fail", "fail")
        alerts.tell(now=now + timedelta(hours=1))
        assert str(status) in Alert.objects.get().call_error
        alerts.tell(now=now + timedelta(hours=1, minutes=5))
    assert len(server.calls) == 2
    assert len({headers["webhook-id"] for _, headers, _ in server.calls}) == 1
    assert Alert.objects.get().called_at is not None


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"])
def test_no_call_goes_into_our_own_network_unless_that_is_allowed(
    now: datetime, domain: SendingDomain, settings, host: str
) -> None:
    with hook() as server:
        settings.LAB = False
        _calls(settings, server, private=False, url=f"http://{host}:{{port}}/")
        look(now, domain, "pass", "fail", "fail")
        alerts.tell(now=now + timedelta(hours=1))
    assert server.calls == []
    row = Alert.objects.get()
    assert "ALERT_WEBHOOK_PRIVATE" in row.call_error
    assert row.mailed_at is not None


def test_a_call_over_https_wants_a_certificate_of_that_host(
    now: datetime, domain: SendingDomain, settings, tmp_path, monkeypatch
) -> None:
    context = make_server_context(tmp_path, ["localhost"], datetime.now(UTC))
    with hook(context=context) as server:
        _calls(settings, server, url="https://localhost:{port}/")
        look(now, domain, "pass", "fail", "fail")
        alerts.tell(now=now + timedelta(hours=1))
        assert server.calls == []
        assert "certificate" in Alert.objects.get().call_error.lower()
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        alerts.tell(now=now + timedelta(hours=2))
    assert len(server.calls) == 1
