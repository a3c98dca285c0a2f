"""A published DKIM key against ours: every usual slip has its sentence."""

import pytest

from reputation.pure.dkim_record import problem

KEY = "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA" * 8


@pytest.mark.parametrize(
    ("records", "words"),
    [
        ([f"v=DKIM1; k=rsa; p={KEY}"], None),
        ([f"k=rsa;p={KEY};"], None),
        ([f"v=DKIM1; p={KEY[:100]} {KEY[100:]}"], None),
        (["v=spf1 -all"], "none is a DKIM key"),
        (["v=DKIM1; p="], "revoked"),
        ([f"v=DKIM1; p={KEY[:200]}"], "cut off after 200"),
        (["v=DKIM1; p=AAAA" + KEY], "another key"),
        ([f'"v=DKIM1; k=rsa; " "p={KEY[:50]}" "{KEY[50:]}"'], "quotation marks"),
        ([f"v=DKIM1; k=rsa; p={KEY[:200]}", f"p={KEY[200:]}"], "split over 2 records"),
        ([f"v=DKIM1; p={KEY}", "v=DKIM1; p=BBBB"], "2 DKIM records"),
        ([f"v=DKIM1; k=ed25519; p={KEY}"], "k=ed25519"),
        ([f"v=DKIM1; h=sha1; p={KEY}"], "sha256"),
        ([f"v=DKIM1; t=y:s; p={KEY}"], "testing"),
    ],
)
def test_what_is_wrong_with_a_record(records: list[str], words: str | None) -> None:
    said = problem(expected=KEY, records=records, name="s._domainkey.example.com")
    assert (said is None) if words is None else (said is not None and words in said)
