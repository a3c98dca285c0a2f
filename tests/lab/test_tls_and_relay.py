"""TLS as receivers want it, and the relay that wants a password."""

import smtplib
import ssl

import pytest

from lab import ledger
from tests.lab.conftest import OpenLab, connect, post

GMAIL, RELAY, HOST = "gmail-smtp-in.l.google.com", "smtp.relay.example", "mx1.hoster-0001.example"


def test_google_wants_tls_and_its_certificate_verifies(open_lab: OpenLab) -> None:
    lab = open_lab(personas={"google": {"tls": "required"}})
    with connect(lab, GMAIL) as client:
        code, text = post(client, "ada@gmail.com")
        assert (code, "5.7.29" in text or "4.7.29" in text) == (421, True)
    with connect(lab, GMAIL) as client:
        client._host = GMAIL  # type: ignore[attr-defined]
        client.starttls(context=ssl.create_default_context(cafile=str(lab.certificate_authority)))
        client.ehlo()
        assert "starttls" not in client.esmtp_features
        assert post(client, "ada@gmail.com")[0] == 250
    (accepted,) = ledger.rows(lab.ledger, "accepted")
    assert accepted["tls"].startswith("TLSv1.")


def test_tls_refused_and_not_offered(open_lab: OpenLab) -> None:
    lab = open_lab(personas={"hosters": {"tls": "refused"}, "gmx": {"tls": "none"}})
    with connect(lab, HOST) as client:
        assert client.docmd("STARTTLS")[0] == 454
    with connect(lab, "mx00.gmx.net") as client:
        assert "starttls" not in client.esmtp_features


def test_commands_sent_ahead_of_the_handshake_are_thrown_away(open_lab: OpenLab) -> None:
    lab = open_lab()
    with connect(lab, HOST) as client:
        client.send(b"STARTTLS\r\nMAIL FROM:<injected@sender.example>\r\n")
        assert client.getreply()[0] == 220
        assert client.sock is not None
        context = ssl.create_default_context(cafile=str(lab.certificate_authority))
        client.sock = context.wrap_socket(client.sock, server_hostname=HOST)
        client.file = None
        assert client.docmd("RCPT TO:<ada@hoster-0001.example>")[0] == 503
    assert list(ledger.rows(lab.ledger, "mail")) == []


def test_the_relay_takes_the_right_password_only(open_lab: OpenLab) -> None:
    lab = open_lab(relay_users={"demo": "right"}, personas={"relay": {"tls": "required"}})
    with connect(lab, RELAY) as client:
        assert "auth" not in client.esmtp_features
        client.starttls()
        client.ehlo()
        assert post(client, "ada@anywhere.example")[0] == 530
        with pytest.raises(smtplib.SMTPAuthenticationError) as refused:
            client.login("demo", "wrong")
        assert refused.value.smtp_code == 535
        client.login("demo", "right")
        assert post(client, "ada@anywhere.example")[0] == 250
    assert [row["code"] for row in ledger.rows(lab.ledger, "auth")][-1] == 235


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_both_mechanisms_are_spoken(open_lab: OpenLab, mechanism: str) -> None:
    lab = open_lab(relay_users={"demo": "right"})
    with connect(lab, RELAY) as client:
        client.starttls()
        client.ehlo()
        client.user, client.password = "demo", "right"
        speak = client.auth_plain if mechanism == "PLAIN" else client.auth_login
        assert client.auth(mechanism, speak)[0] == 235


def test_the_relay_delivers_on_and_bounces_what_it_cannot(open_lab: OpenLab, inbox: tuple[object, int]) -> None:
    box, port = inbox
    lab = open_lab(
        relay_users={"demo": "right"},
        personas={"relay": {"deliver_on": True}},
        reports_host="127.0.0.1",
        reports_port=port,
    )
    with connect(lab, RELAY) as client:
        client.starttls()
        client.ehlo()
        client.login("demo", "right")
        assert post(client, "unknown-9@gmail.com")[0] == 250
        assert post(client, "ada@gmail.com")[0] == 250
    ((sender, recipients, report),) = box.wait_for(1)  # type: ignore[attr-defined]
    assert (sender, recipients) == ("", ["b-1@sender.example"])
    assert b"Final-Recipient: rfc822; unknown-9@gmail.com" in report
    assert b"NoSuchUser" in report
    assert ledger.reports(lab.ledger)["relayed_sent"] <= 1
