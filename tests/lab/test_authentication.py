"""What the receivers find out about who sent a message, and what they refuse for it."""

import pytest

from lab import ledger
from lab.spf import check_spf
from lab.zone import Zone
from tests.lab.conftest import OpenLab, Signer, connect, letter, post

GMAIL, OUTLOOK = "gmail-smtp-in.l.google.com", "hotmail-com.olc.protection.outlook.com"
SIGNED = [b"from", b"to", b"subject", b"message-id", b"list-unsubscribe", b"list-unsubscribe-post"]
STRICT = {"auth_required": ["spf", "dkim", "dmarc"]}


def test_a_signed_message_is_verified_and_its_unsubscribe_headers_are_covered(
    open_lab: OpenLab, signer: Signer
) -> None:
    lab = open_lab(personas={"google": STRICT})
    with connect(lab, GMAIL) as client:
        assert post(client, "ada@gmail.com", raw=signer.sign(letter("ada@gmail.com"), headers=SIGNED))[0] == 250
    (row,) = ledger.rows(lab.ledger, "accepted")
    assert (row["dkim_domain"], row["dkim_verified"], row["unsubscribe_signed"]) == ("sender.example", True, True)
    assert (row["spf"], row["dmarc"], row["mailing"]) == ("pass", "pass", "m1")
    assert row["message_id"] == "<m1.ada.at.gmail.com@sender.example>"
    assert (row["list_unsubscribe"], row["list_unsubscribe_post"]) == (
        "<https://sender.example/u/token>",
        "List-Unsubscribe=One-Click",
    )
    assert ledger.dkim_verified_share(lab.ledger) == 1.0
    assert ledger.unsubscribe_signed_share(lab.ledger) == 1.0


def test_a_changed_message_does_not_verify(open_lab: OpenLab, signer: Signer) -> None:
    lab = open_lab()
    spoiled = signer.sign(letter("ada@gmail.com")).replace(b"Hello", b"Hullo")
    with connect(lab, GMAIL) as client:
        post(client, "ada@gmail.com", raw=spoiled)
        post(client, "bob@gmail.com")
        post(client, "cyd@gmail.com", raw=signer.sign(letter("cyd@gmail.com"), headers=SIGNED[:4]))
    found = [(row["dkim_verified"], row["unsubscribe_signed"]) for row in ledger.rows(lab.ledger, "accepted")]
    assert found == [(False, False), (None, False), (True, False)]
    assert ledger.dkim_verified_share(lab.ledger) == pytest.approx(1 / 3)


def test_a_key_that_cannot_be_looked_up_does_not_verify(open_lab: OpenLab, signer: Signer) -> None:
    lab = open_lab(failures={"s1._domainkey.sender.example": "servfail"})
    with connect(lab, GMAIL) as client:
        post(client, "ada@gmail.com", raw=signer.sign(letter("ada@gmail.com")))
    (row,) = ledger.rows(lab.ledger, "accepted")
    assert row["dkim_verified"] is False


@pytest.mark.parametrize(
    ("host", "to", "words"),
    [(GMAIL, "ada@gmail.com", "5.7.30"), (OUTLOOK, "ada@hotmail.com", "5.7.515")],
)
def test_unsigned_mail_gets_the_providers_own_refusal(open_lab: OpenLab, host: str, to: str, words: str) -> None:
    lab = open_lab(personas={"google": STRICT, "microsoft": STRICT})
    with connect(lab, host) as client:
        code, text = post(client, to)
    assert (code, words in text) == (550, True)


def test_an_address_spf_does_not_know_is_refused(open_lab: OpenLab, signer: Signer) -> None:
    lab = open_lab(personas={"google": STRICT})
    with connect(lab, GMAIL, ip="127.0.0.99") as client:
        code, text = post(client, "ada@gmail.com", raw=signer.sign(letter("ada@gmail.com")))
    assert (code, "5.7.27" in text) == (550, True)


def test_an_unaligned_signature_fails_dmarc(open_lab: OpenLab, signer: Signer) -> None:
    key = {"name": "s1._domainkey.other.example", "type": "TXT", "value": signer.record}
    lab = open_lab(personas={"google": {"auth_required": ["dkim", "dmarc"]}}, records=[key])
    foreign = signer.sign(letter("ada@gmail.com"), domain="other.example")
    with connect(lab, GMAIL) as client:
        code, text = post(client, "ada@gmail.com", raw=foreign, sender="b-1@other.example")
    assert (code, "5.7.26" in text) == (550, True)


@pytest.mark.parametrize(
    ("policy", "result"),
    [
        ("v=spf1 ip4:127.0.0.0/24 -all", "pass"),
        ("v=spf1 ip4:127.0.1.0/24 -all", "fail"),
        ("v=spf1 ~all", "softfail"),
        ("v=spf1", "neutral"),
        ("v=spf1 a mx -all", "pass"),
        ("v=spf1 include:good.example -all", "pass"),
        ("v=spf1 redirect=good.example", "pass"),
        ("v=spf1 include:s.example -all", "permerror"),
        ("v=spf1 exists:x.example -all", "permerror"),
        ("something else", "none"),
    ],
)
def test_spf_by_its_mechanisms(policy: str, result: str) -> None:
    zone = Zone()
    zone.add("s.example", "TXT", policy)
    zone.add("s.example", "MX", "10 mx.s.example")
    zone.add("mx.s.example", "A", "127.0.0.9")
    zone.add("good.example", "TXT", "v=spf1 ip4:127.0.0.9 -all")
    assert check_spf("127.0.0.9", "s.example", zone) == result


def test_spf_tells_two_policies_and_a_dead_server_apart() -> None:
    zone = Zone()
    zone.add("s.example", "TXT", "v=spf1 -all")
    zone.add("s.example", "TXT", "v=spf1 +all")
    assert check_spf("127.0.0.9", "s.example", zone) == "permerror"
    zone.fail("s.example", "servfail")
    assert check_spf("127.0.0.9", "s.example", zone) == "temperror"
