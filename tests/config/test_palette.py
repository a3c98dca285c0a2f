import re

import pytest
from django.utils import timezone

from campaigns.models import Campaign
from config.roles import Role
from reputation.models import Finding, SendingDomain
from tests.campaigns.world import ready_campaign
from tests.cast import EPOCH, people, shop, verified_domain
from tests.visitors import admin, colleague, visitor

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


def found(client, typed):
    """The rows of the palette: (words, where they lead)."""
    page = client.get("/find/", {"q": typed}, headers=HTMX).content.decode()
    return re.findall(r'data-href="([^"]+)".*?lp-clip">([^<]*)<', page, re.S)


def test_pages_are_found_by_their_name_and_by_what_they_are_about():
    assert found(admin(), "warm")[0] == ("/warmup/", "Warm-up")
    assert ("/domains/", "Sending domains") in found(admin(), "dkim")


def test_with_nothing_typed_it_offers_what_is_done_most():
    words = [words for _, words in found(colleague(), "")]
    assert words[0] == "New campaign"
    assert "Home" in words


def test_it_offers_nothing_that_the_role_may_not_do():
    assert found(admin(), "stop all")
    assert not found(colleague(), "stop all")
    assert not found(visitor("viewer", Role.VIEWER), "new campaign")


def test_campaigns_are_found_by_a_piece_of_their_name():
    draft = ready_campaign(timezone.now(), name="Winter reading list")
    assert (f"/campaigns/{draft.pk}/", "Winter reading list") in found(colleague(), "reading")


def test_a_name_is_shown_as_text():
    shop()
    Campaign.objects.create(name="<b>bold</b> one", from_name="x")
    page = colleague().get("/find/", {"q": "bold"}, headers=HTMX).content.decode()
    assert "&lt;b&gt;bold" in page and "<b>bold" not in page


def test_people_are_found_by_the_beginning_of_their_address_from_two_letters_on():
    person = people(1, prefix="ada")[0]
    assert (f"/people/{person.pk}/", person.email) in found(colleague(), "ad")
    assert not [href for href, _ in found(colleague(), "a") if href == f"/people/{person.pk}/"]


def test_without_script_it_is_a_page_of_its_own():
    page = colleague().get("/find/", {"q": "lists"}).content.decode()
    assert '<a href="/lists/">Lists</a>' in page


def test_a_domain_that_broke_is_told_on_every_page():
    domain = verified_domain()
    client = colleague()
    assert "may not send" not in client.get("/lists/").content.decode()
    SendingDomain.objects.filter(pk=domain.pk).update(state=SendingDomain.State.HELD)
    Finding.objects.create(domain=domain, check_name="dmarc", result="fail", checked_at=EPOCH)
    assert f"{domain.name} may not send" in client.get("/lists/").content.decode()


def test_a_rehearsal_is_told_on_every_page(settings):
    settings.LAB = True
    assert "Nothing leaves it" in colleague().get("/lists/").content.decode()


def test_single_keys_can_be_switched_off():
    client = colleague()
    assert "data-shortcuts" in client.get("/lists/").content.decode()
    client.post("/account/", {"first_name": "Mara"})
    assert "data-shortcuts" not in client.get("/lists/").content.decode()
    client.post("/account/", {"first_name": "Mara", "shortcuts": "on"})
    assert "data-shortcuts" in client.get("/lists/").content.decode()
