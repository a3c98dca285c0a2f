import re
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse

from reputation import dkim_keys, domains, findings, handing_on
from reputation.add_domain import add_domain
from reputation.findings import Check
from reputation.models import DkimKey, SendingAddress, SendingDomain
from tests.visitors import admin, colleague

pytestmark = pytest.mark.django_db
NAME = "news.harbour.example"


@pytest.fixture
def domain(now):
    return add_domain(now=now, name=NAME, return_path_host=f"bounce.{NAME}")


def publish(zones, domain, key):
    value = dkim_keys.zone_file_value(dkim_keys.record_value(key))
    zones.put(f"{dkim_keys.record_name(key, domain)} 60 IN TXT {value}")


def publish_the_rest(zones, domain):
    zones.add(f"{NAME} 60 IN SOA ns.{NAME} a.{NAME} 1 2 3 4 5\n{NAME} 60 IN MX 10 mx.{NAME}")
    zones.add(f'_dmarc.{NAME} 60 IN TXT "v=DMARC1; p=none"')
    host = domain.return_path_host
    zones.add(f"{host} 60 IN MX 10 {host}\n{host} 60 IN SOA ns.{NAME} a.{NAME} 1 2 3 4 5")


def test_an_admin_adds_a_domain_and_sees_each_record_to_copy():
    client = admin()
    form = {"name": " News.Harbour.example. ", "return_path_host": ""}
    answer = client.post(reverse("domain-new"), form, follow=True)
    made = SendingDomain.objects.get()
    assert (made.name, made.return_path_host) == (NAME, f"bounce.{NAME}")
    page = answer.content.decode()
    key = made.keys.get()
    assert f"{key.selector}._domainkey.{NAME}" in page
    assert f"p={key.public_key}" in page
    assert "Nothing is sent from it" in page
    assert page.count("data-copy=") == 8  # name and value of three records, the link, the zone file


@pytest.mark.parametrize("name", ["https://x.example", "me@x.example", "localhost", "a b.example", ""])
def test_what_is_no_domain_is_refused_with_a_sentence(name):
    answer = admin().post(reverse("domain-new"), {"name": name})
    assert answer.status_code == 422
    assert 'class="lp-error"' in answer.content.decode()
    assert not SendingDomain.objects.exists()


def test_a_domain_in_letters_of_its_own_is_kept_as_dns_has_it():
    admin().post(reverse("domain-new"), {"name": "news.bücher.example", "return_path_host": ""})
    assert SendingDomain.objects.get().name == "news.xn--bcher-kva.example"


def test_the_check_shows_expected_and_found_side_by_side(domain, zones):
    publish(zones, domain, domain.keys.get())
    zones.add(f"{domain.return_path_host} 60 IN MX 10 elsewhere.example\nelsewhere.example 60 IN A 127.0.9.9")
    page = admin().post(reverse("domain-check", args=[domain.pk]), follow=True).content.decode()
    assert f">10 {domain.return_path_host}</pre>" in page
    assert ">10 elsewhere.example</pre>" in page
    assert "leads to elsewhere.example, so bounces do not come back" in page
    assert "Nothing is sent from it" in page


def test_a_domain_that_passes_may_send_and_its_key_signs(domain, zones):
    publish(zones, domain, domain.keys.get())
    publish_the_rest(zones, domain)
    page = admin().post(reverse("domain-check", args=[domain.pk]), follow=True).content.decode()
    assert "Letters may leave from it" in page
    assert domain.keys.get().state == DkimKey.State.ACTIVE


def test_a_new_key_takes_over_only_when_its_record_is_there(domain, zones):
    first = domain.keys.get()
    publish(zones, domain, first)
    publish_the_rest(zones, domain)
    client, url = admin(), reverse("domain-key", args=[domain.pk])
    client.post(reverse("domain-check", args=[domain.pk]))
    client.post(url, {"new": "1"})
    second = domain.keys.get(state=DkimKey.State.PENDING)
    assert "not there yet" in client.post(url, follow=True).content.decode()
    first.refresh_from_db()
    assert first.state == DkimKey.State.ACTIVE
    publish(zones, domain, second)
    assert "the new key signs" in client.post(url, follow=True).content.decode()
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.state, second.state) == (DkimKey.State.RETIRED, DkimKey.State.ACTIVE)


def test_no_page_shows_a_private_key(domain):
    page = admin().get(reverse("domain", args=[domain.pk])).content.decode()
    assert "PRIVATE" not in page
    assert bytes(domain.keys.get().private_key_sealed).hex() not in page


def test_an_address_is_added_and_its_names_are_looked_at(zones):
    zones.add("9.1.0.127.in-addr.arpa 60 IN PTR out1.harbour.example\nout1.harbour.example 60 IN A 127.0.1.9")
    client = admin()
    client.post(reverse("address-new"), {"ip": "127.0.1.9", "ehlo_name": "out1.harbour.example", "egress_host": "main"})
    made = SendingAddress.objects.get()
    page = client.post(reverse("address-check", args=[made.pk]), follow=True).content.decode()
    assert "All names lead to each other" in page
    assert "9.1.0.127.in-addr.arpa" in page


@pytest.mark.parametrize("form", [{"ip": "300.1.1.1"}, {"ehlo_name": "out"}])
def test_a_wrong_address_is_refused(form):
    right = {"ip": "127.0.1.9", "ehlo_name": "out1.harbour.example", "egress_host": "main"}
    assert admin().post(reverse("address-new"), right | form).status_code == 422
    assert not SendingAddress.objects.exists()


def test_a_colleague_looks_and_changes_nothing(domain):
    client = colleague()
    assert client.get(reverse("domain", args=[domain.pk])).status_code == 200
    for name in ("domain-check", "domain-key"):
        assert client.post(reverse(name, args=[domain.pk]), {"new": "1"}).status_code == 403
    assert client.post(reverse("domain-new"), {"name": "x.example"}).status_code == 403
    assert domain.keys.count() == 1


def test_ten_domains_cost_as_many_queries_as_one(now, django_assert_max_num_queries):
    names = (f"d{n}.example" for n in range(10))
    SendingDomain.objects.bulk_create(SendingDomain(name=name, return_path_host="b.example") for name in names)
    client = colleague()
    with django_assert_max_num_queries(8):
        client.get(reverse("domains"))


def listed(zones, name):
    zones.add("dbltest.com.dbl.spamhaus.org 60 IN A 127.0.1.2")
    zones.add(f"{name}.dbl.spamhaus.org 60 IN A 127.0.1.2")


def test_the_check_of_a_domain_asks_the_blocklists_too(domain, zones, settings):
    settings.DNSBL_LISTS = ["dbl"]
    listed(zones, "harbour.example")
    page = admin().post(reverse("domain-check", args=[domain.pk]), follow=True).content.decode()
    assert "harbour.example is on Spamhaus DBL" in page
    assert 'href="https://check.spamhaus.org/"' in page
    assert "On 1" in colleague().get(reverse("domains")).content.decode()


def test_a_list_that_could_not_be_asked_is_not_shown_as_a_listing(domain, zones, settings):
    settings.DNSBL_LISTS = ["dbl"]
    listed(zones, "harbour.example")
    zones.fails.add("dbltest.com.dbl.spamhaus.org")
    page = admin().post(reverse("domain-check", args=[domain.pk]), follow=True).content.decode()
    assert "Spamhaus DBL could not be asked: its test entries could not be looked up" in page
    assert "is on Spamhaus" not in page


def test_no_list_is_asked_about_an_address_nobody_outside_sees(zones):
    made = SendingAddress.objects.create(ip="127.0.1.9", ehlo_name="out1.harbour.example")
    page = admin().get(reverse("address", args=[made.pk])).content.decode()
    assert "Nobody outside sees this address" in page


def test_what_broke_is_said_above_every_page_and_kept_as_history(domain, now):
    for minutes, result in ((0, "pass"), (15, "fail"), (30, "fail")):
        check = Check("replies", result, detail="It takes no mail.", required=False)
        findings.store(now=now + timedelta(minutes=minutes), about=domain, checks=[check])
    client = colleague()
    assert f"Answers of {NAME} no longer passes" in client.get(reverse("lists")).content.decode()
    page = client.get(reverse("domain", args=[domain.pk])).content.decode()
    assert "What changed" in page
    assert page.count("It takes no mail.") == 2  # the row, and the history


def test_what_never_passed_is_no_banner(domain, now):
    for minutes in (0, 15):
        check = Check("replies", "fail", required=False)
        findings.store(now=now + timedelta(minutes=minutes), about=domain, checks=[check])
    assert "no longer passes" not in colleague().get(reverse("lists")).content.decode()


def test_whoever_keeps_the_dns_sees_the_records_by_a_link_without_an_account(domain):
    page = admin().get(reverse("domain", args=[domain.pk])).content.decode()
    [link] = re.findall(r"/records/[^<]+/", page)
    answer = Client().get(link)
    shown = answer.content.decode()
    assert answer.status_code == 200
    assert f"p={domain.keys.get().public_key}" in shown
    assert f"{domain.return_path_host}.\t3600\tIN\tMX\t10 " in shown
    assert "PRIVATE" not in shown
    assert answer.headers["Referrer-Policy"] == "no-referrer"


def test_a_link_that_was_forged_or_is_old_shows_nothing(domain, monkeypatch):
    token = handing_on.link_token(domain.pk)
    for wrong in (token[:-1] + ("A" if token[-1] != "A" else "B"), "x"):
        assert Client().get(reverse("domain-records", args=[wrong])).status_code == 404
    monkeypatch.setattr(handing_on, "LINK_DAYS", -1)
    assert Client().get(reverse("domain-records", args=[token])).status_code == 404


def test_a_long_key_is_cut_into_strings_in_the_zone_file(domain):
    text = handing_on.zone_file(domains.records_to_publish(domain=domain, addresses=["192.0.2.10"]))
    longest = max(re.findall(r'"([^"]*)"', text), key=len)
    assert len(longest) == 255
    assert f'{domain.return_path_host}.\t3600\tIN\tTXT\t"v=spf1 ip4:192.0.2.10 -all"' in text
