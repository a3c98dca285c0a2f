"""What the lab's DNS answers, over UDP and TCP."""

import functools

import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.resolver
import pytest

from lab.running import Lab
from lab.zone import BadRecord, Zone
from tests.lab.conftest import OpenLab


def resolver(lab: Lab) -> dns.resolver.Resolver:
    found = dns.resolver.Resolver(configure=False)
    found.nameservers, found.port = ["127.0.0.1"], lab.dns_port
    found.timeout = found.lifetime = 0.5
    return found


@pytest.fixture
def lab(open_lab: OpenLab) -> Lab:
    return open_lab(domains={"my-company.example": "google"})


@pytest.mark.parametrize(
    ("domain", "exchangers"),
    [
        ("gmail.com", ["gmail-smtp-in.l.google.com.", "alt1.gmail-smtp-in.l.google.com."]),
        ("my-company.example", ["gmail-smtp-in.l.google.com.", "alt1.gmail-smtp-in.l.google.com."]),
        ("hotmail.com", ["hotmail-com.olc.protection.outlook.com."]),
        ("quarry-engineering.example", ["quarry-engineering-example.mail.protection.outlook.com."]),
        ("aol.com", ["mta5.am0.yahoodns.net.", "mta6.am0.yahoodns.net."]),
        ("me.com", ["mx01.mail.icloud.com.", "mx02.mail.icloud.com."]),
        ("web.de", ["mx00.gmx.net.", "mx01.gmx.net."]),
        ("wanadoo.fr", ["smtp-in.orange.fr."]),
        ("tessera-insurance.example", ["eu-smtp-inbound-1.mimecast.com.", "eu-smtp-inbound-2.mimecast.com."]),
        ("hoster-0003.example", ["mx1.hoster-0003.example."]),
    ],
)
def test_recipient_domains_have_their_real_mx_names_on_the_labs_addresses(
    lab: Lab, domain: str, exchangers: list[str]
) -> None:
    asking = resolver(lab)
    found = sorted(asking.resolve(domain, "MX"), key=lambda answer: answer.preference)
    assert [str(answer.exchange) for answer in found][:2] == exchangers
    for host in exchangers:
        (address,) = asking.resolve(host, "A")
        assert str(address).startswith("127.9.")
        assert lab.host(host.rstrip(".")).address == str(address)
        assert str(asking.resolve_address(str(address))[0]) == host


def test_a_client_has_forward_confirmed_reverse_dns(lab: Lab) -> None:
    asking = resolver(lab)
    (name,) = asking.resolve_address("127.0.0.21")
    assert str(asking.resolve(str(name), "A")[0]) == "127.0.0.21"


def test_sending_domains_have_spf_dkim_dmarc_and_soa(lab: Lab) -> None:
    asking = resolver(lab)
    assert asking.resolve("sender.example", "TXT")[0].to_text().startswith('"v=spf1 ip4:127.0.0.21')
    assert b"".join(asking.resolve("s1._domainkey.sender.example", "TXT")[0].strings).startswith(b"v=DKIM1")
    assert "p=reject" in asking.resolve("_dmarc.sender.example", "TXT")[0].to_text()
    assert asking.resolve("sender.example", "SOA")[0].mname
    with pytest.raises(dns.resolver.NoAnswer):
        asking.resolve("sender.example", "MX")


def test_what_is_not_in_the_lab_does_not_exist(lab: Lab) -> None:
    with pytest.raises(dns.resolver.NXDOMAIN):
        resolver(lab).resolve("example.org", "A")


@pytest.mark.parametrize(
    ("mode", "error"),
    [
        ("servfail", dns.resolver.NoNameservers),
        ("refused", dns.resolver.NoNameservers),
        ("timeout", dns.resolver.LifetimeTimeout),
        ("nxdomain", dns.resolver.NXDOMAIN),
    ],
)
def test_failures_by_name_are_lifted_again(lab: Lab, mode: str, error: type[Exception]) -> None:
    lab.call(lambda: lab.zone.fail("gmail.com", mode))
    with pytest.raises(error):
        resolver(lab).resolve("gmail.com", "MX")
    assert resolver(lab).resolve("googlemail.com", "MX")
    lab.call(lambda: lab.zone.fail("gmail.com", None))
    assert resolver(lab).resolve("gmail.com", "MX")


def test_null_mx_private_mx_and_a_cname_loop(lab: Lab) -> None:
    for name, mode in (("gmx.de", "null_mx"), ("web.de", "private_mx"), ("orange.fr", "cname_loop")):
        lab.call(functools.partial(lab.zone.fail, name, mode))
    asking = resolver(lab)
    assert asking.resolve("gmx.de", "MX")[0].to_text() == "0 ."
    host = asking.resolve("web.de", "MX")[0].exchange
    assert asking.resolve(host, "A")[0].to_text() == "10.1.2.3"
    query = dns.message.make_query("orange.fr", "MX")
    answer = dns.query.udp(query, "127.0.0.1", port=lab.dns_port, timeout=1)
    assert len(answer.answer) == 2
    with pytest.raises((dns.exception.DNSException, dns.resolver.NoAnswer)):
        asking.resolve("orange.fr", "MX")


def test_a_truncated_answer_comes_whole_over_tcp(lab: Lab) -> None:
    lab.call(lambda: lab.zone.fail("gmail.com", "truncate"))
    query = dns.message.make_query("gmail.com", "MX")
    assert dns.query.udp(query, "127.0.0.1", port=lab.dns_port, timeout=1).flags & dns.flags.TC
    assert len(resolver(lab).resolve("gmail.com", "MX")) == 5


def test_records_have_their_ttl_and_replace_each_other() -> None:
    zone = Zone()
    zone.add("a.example", "A", "127.0.0.1", ttl=5)
    zone.put("a.example", "A", ["127.0.0.2"], ttl=0)
    assert [(record.value, record.ttl) for record in zone.answer("A.example.", "a").records] == [("127.0.0.2", 0)]
    zone.add("alias.example", "CNAME", "a.example")
    assert zone.addresses("alias.example") == ["127.0.0.2"]


@pytest.mark.parametrize(
    ("type", "value", "words"),
    [("A", "::1", "type A"), ("A", "x", "not an address"), ("MX", "mx.example", "10 mx"), ("HINFO", "x", "no type")],
)
def test_bad_records_are_refused_in_words(type: str, value: str, words: str) -> None:
    with pytest.raises(BadRecord, match=words):
        Zone().add("a.example", type, value)
