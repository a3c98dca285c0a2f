"""What people write back is forwarded to whoever answers, once, and never in a circle."""

from datetime import datetime, timedelta
from email import message_from_bytes, policy

import dkim
import pytest
from django.core import mail

from reputation import resolver
from reputation.models import DkimKey, Workspace
from sending.inbound import reading
from sending.models import Event, Inbound, Route
from tests.cast import direct_route, shop, verified_domain
from tests.sending.engine import sign_with_a_key
from tests.sending.inbox import take_in
from tests.sending.scripted_receiver import Script, receiving

REPLY = (
    b"From: Jane Reader <jane@gmail.com>\r\nTo: hello@news.harbour.example\r\nSubject: =?utf-8?q?Caf=C3=A9?= hours\r\n"
    b"Message-ID: <1@gmail.com>\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
    b"When are you open, s\xc3\xa9rieusement?\r\n"
)
OURS = "hello@news.harbour.example"


@pytest.fixture
def answered_by_mara(transactional_db, settings):
    shop()
    verified_domain()
    Workspace.objects.update(reply_forward_to="mara@harbour.example")
    settings.SMTP_COMMAND_TIMEOUT = settings.SMTP_CONNECT_TIMEOUT = settings.SMTP_DOT_TIMEOUT = 2.0


def relay_at(port: int) -> Route:
    return Route.objects.create(name="relay", kind="relay", host="127.0.0.1", port=port, security="none")


@pytest.mark.usefixtures("answered_by_mara")
def test_a_reply_goes_through_the_relay_with_reply_to_the_person(now: datetime) -> None:
    with receiving() as receiver:
        relay_at(receiver.port)
        row = take_in(REPLY, rcpt=OURS, sender="jane@gmail.com", now=now)
    assert (row.kind, row.state) == ("human", "forwarded")
    assert set(receiver.accepted) == {"mara@harbour.example"}
    new = message_from_bytes(receiver.messages["mara@harbour.example"], policy=policy.default)
    assert new["Reply-To"] == "jane@gmail.com"
    assert new["From"].addresses[0].addr_spec == "replies@news.harbour.example"
    assert new["Subject"] == "Café hours"
    assert new["Auto-Submitted"] == "auto-generated" and new["X-Loop"]
    body = new.get_body()
    assert body is not None and "When are you open, sérieusement?" in body.get_content()
    (attached,) = new.iter_attachments()
    assert attached.get_content() == REPLY
    assert not Event.objects.exists()


@pytest.mark.usefixtures("answered_by_mara")
def test_without_a_relay_it_leaves_signed_from_our_own_address(now: datetime, settings, monkeypatch) -> None:
    direct_route()
    sign_with_a_key(now)
    monkeypatch.setattr(resolver, "lookup", lambda *_, **__: resolver.Found(("10 127.0.0.1",), 60, "harbour.example"))
    with receiving() as receiver:
        settings.SMTP_PORT = receiver.port
        row = take_in(REPLY, rcpt=OURS, now=now)
    assert row.state == "forwarded", row.note
    assert receiver.sources == {"127.0.1.1"}
    key = DkimKey.objects.get()
    published = f"v=DKIM1; k=rsa; p={key.public_key}".encode()
    assert dkim.verify(receiver.messages["mara@harbour.example"], dnsfunc=lambda *_, **__: published)


@pytest.mark.usefixtures("answered_by_mara")
def test_what_can_not_be_forwarded_now_is_tried_again_later(now: datetime) -> None:
    with receiving(Script(rcpt="451 4.3.0 Later")) as receiver:
        route = relay_at(receiver.port)
        row = take_in(REPLY, rcpt=OURS, now=now)
        assert (row.kind, row.state) == ("human", "new")
        assert "451 4.3.0 Later" in row.note
        assert reading.sweep(now=now + timedelta(minutes=1)) == 0
    with receiving() as receiver:
        Route.objects.filter(pk=route.pk).update(port=receiver.port)
        assert reading.sweep(now=now + timedelta(minutes=6)) == 1
        assert reading.sweep(now=now + timedelta(minutes=12)) == 0
    assert receiver.accepted["mara@harbour.example"] == 1
    assert Inbound.objects.get().state == "forwarded"


@pytest.mark.usefixtures("answered_by_mara")
def test_after_two_days_it_is_shown_as_failed_and_kept(now: datetime) -> None:
    with receiving(Script(rcpt="550 5.1.1 Nobody here")) as receiver:
        relay_at(receiver.port)
        take_in(REPLY, rcpt=OURS, now=now)
        reading.sweep(now=now + timedelta(days=2))
    row = Inbound.objects.get()
    assert (row.state, bytes(row.raw)) == ("failed", REPLY)
    assert "550 5.1.1 Nobody here" in row.note


@pytest.mark.usefixtures("answered_by_mara")
def test_without_a_route_it_goes_by_the_mail_server_of_the_settings(now: datetime) -> None:
    row = take_in(REPLY, rcpt=OURS, now=now)
    assert row.state == "forwarded"
    (letter,) = mail.outbox
    assert letter.to == ["mara@harbour.example"]
    assert letter.message()["Reply-To"] == "jane@gmail.com"


@pytest.mark.usefixtures("answered_by_mara")
def test_what_was_forwarded_before_does_not_go_round(now: datetime) -> None:
    take_in(REPLY, rcpt=OURS, now=now)
    came_back = mail.outbox[0].message().as_bytes().replace(b"Auto-Submitted: auto-generated\r\n", b"")
    row = take_in(came_back, rcpt=OURS, now=now)
    assert (row.kind, row.state) == ("loop", "done")
    assert len(mail.outbox) == 1


@pytest.mark.usefixtures("answered_by_mara")
@pytest.mark.parametrize(
    "head",
    [
        b"Subject: bad\r\nReply-To: a@b.example\rBcc: victim@x.example\r\n",
        b"Subject: =?utf-8?q?a=0D=0ABcc:_victim=40x.example?=\r\n",
        b"From: =?utf-8?q?=22x=0D=0ABcc=3A_victim=40x.example?= <a@b.example>\r\nSubject: hello\r\n",
        b"Subject: =?utf-8?q?=3D=3Futf-8=3Fq=3Fa=3D0D=3D0ABcc=3A_victim=40x=2Eexample=3F=3D?=\r\n",
        b"From: x <=?utf-8?q?a=0D=0ABcc:victim=40x.example?=@b.example>\r\nSubject: hello\r\n",
        b"Subject: \xff\xfe\x00 odd\r\nContent-Type: text/plain; charset=\x00\xff\r\n",
        b"From: \r\nReply-To: <<<>>>\r\n",
        b'From: "' + b"x" * 5000 + b'" <a@b.example>\r\nSubject: ' + b"y" * 5000 + b"\r\n",
    ],
)
def test_no_header_line_can_be_smuggled_into_what_is_forwarded(now: datetime, head: bytes) -> None:
    with receiving() as receiver:
        relay_at(receiver.port)
        row = take_in(head + b"\r\nhello\r\n", rcpt=OURS, now=now)
    assert row.state == "forwarded", row.note
    new = message_from_bytes(receiver.messages["mara@harbour.example"])
    assert new["Bcc"] is None and new["Cc"] is None
    assert new.get_all("To") == ["mara@harbour.example"]


@pytest.mark.django_db
def test_without_an_address_to_forward_to_it_is_kept_and_shown(now: datetime) -> None:
    verified_domain()
    row = take_in(REPLY, rcpt=OURS, now=now)
    assert (row.kind, row.state, bytes(row.raw)) == ("human", "done", REPLY)
    assert "No address is set" in row.note and mail.outbox == []
