"""What a domain may publish besides: right, wrong, or could not be looked up. It never decides about mail."""

import pytest

from reputation import authentication, mta_sts, optional
from reputation.authentication import Subject
from reputation.findings import Check
from reputation.pure.mta_sts_policy import Policy
from tests.reputation.conftest import Zones

NAME, HOST = "news.shop.example", "bounce.news.shop.example"
DMARC = f"_dmarc.{NAME}"
RIGHT = {
    "dmarc_reports": {DMARC: "v=DMARC1; p=reject; rua=mailto:dmarc@shop.example"},
    "mta_sts": {f"_mta-sts.{HOST}": "v=STSv1; id=20260301"},
    "tls_rpt": {f"_smtp._tls.{HOST}": "v=TLSRPTv1; rua=mailto:tls@shop.example"},
    "bimi": {
        DMARC: "v=DMARC1; p=quarantine",
        f"default._bimi.{NAME}": "v=BIMI1; l=https://shop.example/logo.svg; a=",
    },
}
WRONG = {
    "dmarc_reports": ({DMARC: "v=DMARC1; p=none; rua=mailto:d@else.example"}, "has not said that it takes reports"),
    "mta_sts": ({f"_mta-sts.{HOST}": "v=STSv1"}, "needs an id="),
    "tls_rpt": ({f"_smtp._tls.{HOST}": "v=TLSRPTv1; rua=ftp://shop.example"}, "needs rua="),
    "bimi": ({**RIGHT["bimi"], DMARC: "v=DMARC1; p=none"}, "p=quarantine or p=reject"),
}


@pytest.fixture(autouse=True)
def _policy_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """The file of MTA-STS has tests of its own."""
    monkeypatch.setattr(mta_sts, "fetch", lambda host: Policy("testing", ("mail.shop.example",), 86400))


def publish(zones: Zones, records: dict[str, str]) -> None:
    zones.add('_dmarc.shop.example. 300 IN TXT "v=DMARC1; p=none"\n_dmarc.else.example. 300 IN TXT "v=DMARC1; p=none"')
    for name, value in records.items():
        zones.put(f'{name}. 300 IN TXT "{value}"')


def look(kind: str) -> Check:
    made = [call() for call in optional.checks(domain=NAME, host=HOST, txt=authentication._txt)]
    return next(check for check in made if check.name == kind)


@pytest.mark.parametrize("kind", RIGHT)
def test_what_is_right_passes(zones: Zones, kind: str) -> None:
    publish(zones, RIGHT[kind])
    check = look(kind)
    assert (check.result, check.detail, check.required) == ("pass", "", False)


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_wrong_says_how(zones: Zones, kind: str) -> None:
    records, words = WRONG[kind]
    publish(zones, records)
    check = look(kind)
    assert (check.result, words in check.detail) == ("fail", True)


@pytest.mark.parametrize("kind", RIGHT)
def test_what_cannot_be_looked_up_is_no_fault(zones: Zones, kind: str) -> None:
    publish(zones, RIGHT[kind])
    zones.fails.update(RIGHT[kind])
    assert look(kind).result == "unknown"


def test_a_logo_is_not_blamed_for_a_policy_nobody_could_look_up(zones: Zones) -> None:
    publish(zones, RIGHT["bimi"])
    zones.fails.add(DMARC)
    assert look("bimi").result == "unknown"


@pytest.mark.parametrize("kind", ["mta_sts", "tls_rpt", "bimi"])
def test_what_is_not_there_is_not_needed(zones: Zones, kind: str) -> None:
    check = look(kind)
    assert (check.result, check.weighs, "not needed" in check.detail) == ("fail", "tell", True)


@pytest.mark.parametrize("kind", ["mta_sts", "tls_rpt", "bimi"])
def test_two_records_of_a_kind_count_as_none(zones: Zones, kind: str) -> None:
    publish(zones, RIGHT[kind])
    name = list(RIGHT[kind])[-1]
    zones.add(f'{name}. 300 IN TXT "{RIGHT[kind][name]} "')
    assert "2 records" in look(kind).detail


def test_reports_to_somebody_else_need_their_word(zones: Zones) -> None:
    publish(zones, WRONG["dmarc_reports"][0])
    zones.add(f'{NAME}._report._dmarc.else.example. 300 IN TXT "v=DMARC1"')
    assert look("dmarc_reports").result == "pass"


def test_dmarc_without_reports_is_worth_a_look(zones: Zones) -> None:
    publish(zones, {DMARC: "v=DMARC1; p=none"})
    check = look("dmarc_reports")
    assert (check.result, check.weighs) == ("fail", "should")
    assert "rua=" in check.detail


@pytest.mark.parametrize(
    ("host", "records", "result", "words"),
    [
        (HOST, {}, "pass", ""),
        ("bounce.else.example", {}, "fail", "which is not under shop.example"),
        (HOST, {DMARC: "v=DMARC1; p=none; aspf=s"}, "fail", "aspf=s"),
        (HOST, {f"_dmarc.{HOST}": "v=DMARC1; p=none; psd=n"}, "fail", "another one by DMARC"),
    ],
)
def test_alignment_is_judged_by_the_tree_and_by_the_list_of_suffixes(
    zones: Zones, host: str, records: dict[str, str], result: str, words: str
) -> None:
    publish(zones, records)
    check = authentication._alignment(Subject(NAME, host, host, [], []))
    assert check.name == "alignment"
    assert (check.result, words in check.detail) == (result, True)


def test_alignment_that_cannot_be_looked_up_is_unknown(zones: Zones) -> None:
    publish(zones, {})
    zones.fails.add("_dmarc.shop.example")
    assert authentication._alignment(Subject(NAME, HOST, HOST, [], [])).result == "unknown"
