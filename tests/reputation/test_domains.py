"""Sending domains: what to publish, what is found, and who may send (pass, fail, could not look up)."""

from datetime import datetime, timedelta
from time import monotonic

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from reputation import authentication, dkim_keys, domains
from reputation.models import DkimKey, Finding, SendingAddress, SendingDomain
from tests.reputation.conftest import Zones

pytestmark = pytest.mark.django_db
IP = "192.0.2.10"


@pytest.fixture
def address() -> SendingAddress:
    return SendingAddress.objects.create(ip=IP, ehlo_name="out1.shop.example")


@pytest.fixture
def domain(now: datetime, address: SendingAddress, zones: Zones) -> SendingDomain:
    """A domain with everything published as its page says."""
    made = SendingDomain.objects.create(name="news.shop.example", return_path_host="bounce.news.shop.example")
    dkim_keys.make(now=now, domain=made)
    zones.add("shop.example. 300 IN SOA ns.shop.example. h.shop.example. 1 2 3 4 5")
    zones.add("news.shop.example. 300 IN MX 10 mx.shop.example.\nout1.shop.example. 300 IN A 192.0.2.10")
    for record in [*domains.records_to_publish(domain=made, addresses=[IP]), *domains.records_of_address(address)]:
        _publish(zones, record)
    return made


def _publish(zones: Zones, record: domains.Record) -> None:
    value = dkim_keys.zone_file_value(record.value) if record.type == "TXT" else record.value
    value = f"{value}." if record.type in {"MX", "PTR"} else value
    zones.put(f"{record.name}. 300 IN {record.type} {value}")


def _result(domain: SendingDomain, check: str) -> Finding:
    return domain.findings.get(check_name=check)


def _text(zones: Zones, name: str, *values: str) -> None:
    zones.drop(name, "TXT")
    for value in values:
        zones.add(f"{name}. 300 IN TXT {dkim_keys.zone_file_value(value)}")


def _dkim_name(domain: SendingDomain) -> str:
    return dkim_keys.record_name(domain.keys.get(), domain)


def test_a_domain_with_its_records_published_is_verified_and_signs(now: datetime, domain: SendingDomain) -> None:
    assert domains.may_send(now=now, domain=domain)[0] is False
    checked = domains.check_domain(now=now, domain_id=domain.pk)
    failed = {f.check_name: f.detail for f in checked.findings.filter(required=True) if f.result != "pass"}
    assert failed == {}
    assert (checked.state, checked.verified_at, checked.last_pass_at) == ("verified", now, now)
    assert checked.keys.get().state == "active"
    assert domains.may_send(now=now, domain=checked) == (True, "")


def test_a_domain_that_publishes_nothing_is_told_what_to_add(now: datetime, zones: Zones) -> None:
    domain = SendingDomain.objects.create(name="bare.example", return_path_host="bounce.bare.example")
    SendingAddress.objects.create(ip=IP, ehlo_name="out1.bare.example")
    dkim_keys.make(now=now, domain=domain)
    checked = domains.check_domain(now=now, domain_id=domain.pk)
    failed = set(checked.findings.filter(result="fail", required=True).values_list("check_name", flat=True))
    assert failed == {"dkim", "spf", "dmarc", "return_path", "soa", "soa_return_path"}
    allowed, sentence = domains.may_send(now=now, domain=checked)
    assert not allowed
    assert "has not been verified yet" in sentence


def test_a_resolver_that_fails_is_never_taken_for_a_missing_record(
    now: datetime, domain: SendingDomain, zones: Zones
) -> None:
    zones.fails.update([*zones.records, "bounce.news.shop.example", "_dmarc.news.shop.example", "news.shop.example"])
    checked = domains.check_domain(now=now, domain_id=domain.pk)
    assert set(checked.findings.filter(required=True).values_list("result", flat=True)) == {"unknown"}
    assert checked.state == "new"


@pytest.mark.usefixtures("_impatient")
def test_a_silent_resolver_is_not_a_missing_record_either(now: datetime, domain: SendingDomain, zones: Zones) -> None:
    zones.silent.add(_dkim_name(domain))
    checked = domains.check_domain(now=now, domain_id=domain.pk)
    assert _result(checked, "dkim").result == "unknown"


def test_what_passed_once_and_cannot_be_looked_up_goes_on_for_72_hours(
    now: datetime, domain: SendingDomain, zones: Zones
) -> None:
    domains.check_domain(now=now, domain_id=domain.pk)
    zones.fails.add("_dmarc.news.shop.example")
    later = now + timedelta(hours=1)
    checked = domains.check_domain(now=later, domain_id=domain.pk)
    assert checked.state == "unsure"
    allowed, warning = domains.may_send(now=now + timedelta(hours=72), domain=checked)
    assert allowed
    assert "_dmarc.news.shop.example" in warning
    assert domains.may_send(now=now + timedelta(hours=72, seconds=1), domain=checked)[0] is False
    zones.fails.clear()
    assert domains.check_domain(now=later, domain_id=domain.pk).state == "verified"


def test_a_failure_holds_only_when_seen_twice_ten_minutes_apart(
    now: datetime, domain: SendingDomain, zones: Zones
) -> None:
    domains.check_domain(now=now, domain_id=domain.pk)
    zones.records.pop("_dmarc.news.shop.example")
    states = []
    for minutes in (60, 65, 69, 70):
        checked = domains.check_domain(now=now + timedelta(minutes=minutes), domain_id=domain.pk)
        states.append((checked.state, domains.may_send(now=now, domain=checked)[0]))
    assert states == [("verified", True), ("verified", True), ("verified", True), ("held", False)]
    zones.fails.add("_dmarc.news.shop.example")
    assert domains.check_domain(now=now + timedelta(minutes=80), domain_id=domain.pk).state == "held"
    zones.fails.clear()
    _text(zones, "_dmarc.news.shop.example", "v=DMARC1; p=none")
    checked = domains.check_domain(now=now + timedelta(minutes=90), domain_id=domain.pk)
    assert (checked.state, checked.first_fail_at) == ("verified", None)


def test_a_failure_that_passes_by_is_forgotten(now: datetime, domain: SendingDomain, zones: Zones) -> None:
    domains.check_domain(now=now, domain_id=domain.pk)
    kept = zones.records.pop("_dmarc.news.shop.example")
    domains.check_domain(now=now + timedelta(minutes=1), domain_id=domain.pk)
    zones.records["_dmarc.news.shop.example"] = kept
    domains.check_domain(now=now + timedelta(minutes=2), domain_id=domain.pk)
    zones.records.pop("_dmarc.news.shop.example")
    assert domains.check_domain(now=now + timedelta(minutes=20), domain_id=domain.pk).state == "verified"


@pytest.mark.parametrize(
    ("slip", "words"),
    [
        ("missing", "There is no TXT record"),
        ("doubled", "adds the domain by itself"),
        ("cut", "cut off"),
        ("split", "split over 2 records"),
        ("wrong", "another key"),
    ],
)
def test_every_slip_with_the_key_is_explained(
    now: datetime, domain: SendingDomain, zones: Zones, slip: str, words: str
) -> None:
    name, value = _dkim_name(domain), dkim_keys.record_value(domain.keys.get())
    values = {
        "cut": [value[:255]],
        "split": [value[:255], value[255:]],
        "wrong": [value[:60] + "AAAA" + value[64:]],
    }
    if slip == "doubled":
        _text(zones, f"{name}.{domain.name}", value)
    _text(zones, name, *values.get(slip, []))
    checked = domains.check_domain(now=now, domain_id=domain.pk)
    finding = _result(checked, "dkim")
    assert finding.result == "fail"
    assert words in finding.detail
    assert finding.expected == value
    assert checked.keys.get().state == "pending"


@pytest.mark.parametrize(
    ("records", "words"),
    [
        (["v=spf1 ip4:192.0.2.10 -all", "v=spf1 include:esp.example -all"], "2 SPF records"),
        (["v=spf1 ip4:192.0.2.99 -all"], "does not allow 192.0.2.10"),
        (["v=spf1 " + " ".join(f"include:i{n}.esp.example" for n in range(11)) + " -all"], "10 DNS look-ups"),
        ([], "has no SPF record"),
    ],
)
def test_every_slip_with_spf_is_explained(
    now: datetime, domain: SendingDomain, zones: Zones, records: list[str], words: str
) -> None:
    zones.add("\n".join(f'i{n}.esp.example. 300 IN TXT "v=spf1 -all"' for n in range(11)))
    _text(zones, domain.return_path_host, *records)
    finding = _result(domains.check_domain(now=now, domain_id=domain.pk), "spf")
    assert finding.result == "fail"
    assert words in finding.detail


def test_spf_is_evaluated_for_every_address(now: datetime, domain: SendingDomain) -> None:
    SendingAddress.objects.create(ip="192.0.2.11", ehlo_name="out2.shop.example")
    finding = _result(domains.check_domain(now=now, domain_id=domain.pk), "spf")
    assert (finding.result, "192.0.2.11" in finding.detail, "192.0.2.10 " in finding.detail) == ("fail", True, False)
    assert finding.expected == "v=spf1 ip4:192.0.2.10 ip4:192.0.2.11 -all"


def test_behind_a_relay_our_own_addresses_do_not_matter(now: datetime, domain: SendingDomain, zones: Zones) -> None:
    zones.put(f"{domain.return_path_host}. 300 IN MX 10 out1.shop.example.")
    checked = domains.check_domain(now=now, domain_id=domain.pk, direct=False)
    assert checked.state == "verified"
    assert not checked.findings.filter(check_name="spf").exists()


def test_bounces_must_come_back_to_us(now: datetime, domain: SendingDomain, zones: Zones) -> None:
    zones.put(f"{domain.return_path_host}. 300 IN MX 10 mx.else.example.\nmx.else.example. 300 IN A 192.0.2.77")
    finding = _result(domains.check_domain(now=now, domain_id=domain.pk), "return_path")
    assert finding.result == "fail"
    assert "mx.else.example" in finding.detail
    zones.put("mx.else.example. 300 IN A 192.0.2.10")  # another name of the same machine
    assert _result(domains.check_domain(now=now, domain_id=domain.pk), "return_path").result == "pass"


@pytest.fixture
def rotating(now: datetime, domain: SendingDomain, zones: Zones) -> DkimKey:
    """The domain is verified, and its next key is published."""
    domains.check_domain(now=now, domain_id=domain.pk)
    second = dkim_keys.rotate(now=now, domain=domain)
    checked = domains.check_domain(now=now, domain_id=domain.pk)
    assert (checked.state, _result(checked, "dkim_next").result) == ("verified", "fail")
    for record in domains.records_to_publish(domain=domain, addresses=[IP]):
        if record.name.startswith(second.selector):
            _publish(zones, record)
    return second


def _states(domain: SendingDomain) -> list[str]:
    return list(domain.keys.order_by("id").values_list("state", flat=True))


def test_the_next_key_signs_once_its_record_was_there_for_two_days(
    now: datetime, domain: SendingDomain, rotating: DkimKey
) -> None:
    states = []
    for hours in (0, 1, 47, 48):
        domains.check_domain(now=now + timedelta(hours=hours), domain_id=domain.pk)
        states.append(_states(domain))
    assert states == [["active", "pending"]] * 3 + [["retired", "active"]]
    checked = domains.check_domain(now=now + timedelta(hours=49), domain_id=domain.pk)
    assert not checked.findings.filter(check_name="dkim_next").exists()
    assert checked.state == "verified"


def test_a_record_that_was_away_in_between_waits_anew_and_one_nobody_could_look_up_does_not(
    now: datetime, domain: SendingDomain, rotating: DkimKey, zones: Zones
) -> None:
    name = dkim_keys.record_name(rotating, domain)
    domains.check_domain(now=now, domain_id=domain.pk)
    zones.fails.add(name)
    domains.check_domain(now=now + timedelta(hours=24), domain_id=domain.pk)
    zones.fails.clear()
    rotating.refresh_from_db()
    assert rotating.seen_since == now
    kept = zones.records.pop(name)
    domains.check_domain(now=now + timedelta(hours=30), domain_id=domain.pk)
    zones.records[name] = kept
    domains.check_domain(now=now + timedelta(hours=49), domain_id=domain.pk)
    assert _states(domain) == ["active", "pending"]


def test_a_person_may_switch_as_soon_as_the_record_is_there(
    now: datetime, domain: SendingDomain, rotating: DkimKey
) -> None:
    domains.check_domain(now=now, domain_id=domain.pk, switch=True)
    assert _states(domain) == ["retired", "active"]


@pytest.mark.parametrize(
    ("days", "record", "result", "said"),
    [
        (1, "kept", "pass", "Keep it until"),
        (1, "gone", "fail", "Keep it until"),
        (1, "silent", "unknown", "could not be looked up"),
        (8, "kept", "fail", "Empty its p="),
        (8, "emptied", "pass", ""),
        (8, "gone", "pass", ""),
    ],
)
def test_the_last_key_stays_published_for_a_week_and_can_go_then(
    now: datetime,
    domain: SendingDomain,
    rotating: DkimKey,
    zones: Zones,
    days: int,
    record: str,
    result: str,
    said: str,
) -> None:
    domains.check_domain(now=now, domain_id=domain.pk, switch=True)
    name = dkim_keys.record_name(domain.keys.get(state="retired"), domain)
    if record == "silent":
        zones.fails.add(name)
    elif record != "kept":
        _text(zones, name, *(["v=DKIM1; p="] if record == "emptied" else []))
    finding = _result(domains.check_domain(now=now + timedelta(days=days), domain_id=domain.pk), "dkim_old")
    assert (finding.result, finding.required, said in finding.detail) == (result, False, True)


def test_a_weak_key_passes_with_the_advice_to_change_it(now: datetime, domain: SendingDomain, zones: Zones) -> None:
    domain.keys.all().delete()
    private = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    key = dkim_keys.adopt(domain=domain, selector="old", private_key_pem=pem)
    _text(zones, dkim_keys.record_name(key, domain), dkim_keys.record_value(key))
    finding = _result(domains.check_domain(now=now, domain_id=domain.pk), "dkim")
    assert (finding.result, "1,024 bits" in finding.detail) == ("pass", True)


def test_an_address_with_its_names_in_order_passes(
    now: datetime, address: SendingAddress, domain: SendingDomain
) -> None:
    findings = domains.check_address(now=now, address_id=address.pk)
    assert {finding.check_name: finding.result for finding in findings} == {
        "ptr": "pass",
        "forward": "pass",
        "ehlo": "pass",
    }


@pytest.mark.parametrize(
    ("zone", "results"),
    [
        ("", {"ptr": "fail", "forward": "fail", "ehlo": "fail"}),
        ("10.2.0.192.in-addr.arpa. 300 IN PTR out1.shop.example.", {"ptr": "pass", "forward": "fail", "ehlo": "fail"}),
        ("out1.shop.example. 300 IN A 192.0.2.10", {"ptr": "fail", "forward": "fail", "ehlo": "pass"}),
        (
            "10.2.0.192.in-addr.arpa. 300 IN PTR host.else.example.\nhost.else.example. 300 IN A 192.0.2.10",
            {"ptr": "pass", "forward": "pass", "ehlo": "fail"},
        ),
    ],
)
def test_what_is_missing_of_an_address(
    now: datetime, address: SendingAddress, zones: Zones, zone: str, results: dict[str, str]
) -> None:
    zones.add(zone)
    findings = domains.check_address(now=now, address_id=address.pk)
    assert {finding.check_name: finding.result for finding in findings} == results


def test_an_address_nobody_can_look_up_is_unknown(now: datetime, address: SendingAddress, zones: Zones) -> None:
    zones.fails.update(["10.2.0.192.in-addr.arpa", "out1.shop.example"])
    findings = domains.check_address(now=now, address_id=address.pk)
    assert {finding.result for finding in findings} == {"unknown"}


def test_a_reverse_name_handed_out_to_everybody_is_warned_about(
    now: datetime, address: SendingAddress, zones: Zones
) -> None:
    zones.add("10.2.0.192.in-addr.arpa. 300 IN PTR ip-192-0-2-10.isp.example.")
    domains.check_address(now=now, address_id=address.pk)
    detail = address.findings.get(check_name="ptr").detail
    assert "everybody" in detail
    assert "say hello" in detail


def test_the_round_checks_only_whose_turn_it_is(now: datetime, domain: SendingDomain, zones: Zones) -> None:
    domains.check_all(now=now)
    domain.refresh_from_db()
    assert (domain.state, Finding.objects.filter(address__isnull=False).count()) == ("verified", 3)
    zones.asked.clear()
    domains.check_all(now=now + timedelta(minutes=30))
    assert not zones.asked
    domains.check_all(now=now + timedelta(minutes=61))
    assert zones.asked


@pytest.mark.usefixtures("_impatient")
def test_a_check_asks_everything_at_once_so_that_silence_costs_one_wait(domain: SendingDomain, zones: Zones) -> None:
    zones.silent.update([*zones.records])
    began = monotonic()
    authentication.check_domain(domains._subject(domain, list(domain.keys.all()), [IP]))
    one_by_one = 8 * (2 * 0.15 + 0.5)
    assert monotonic() - began < one_by_one / 2
