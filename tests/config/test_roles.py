from html.parser import HTMLParser
from urllib.parse import urlsplit

import pytest
from django.urls import Resolver404, resolve
from django.utils import timezone

from campaigns.launch import launch
from campaigns.models import Campaign
from config import roles
from config.roles import Role
from sending.models import Pool, Route
from tests.campaigns.world import ready_campaign
from tests.cast import newsletter
from tests.site_map import paths
from tests.visitors import visitor

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("role", Role)
def test_every_route_is_open_to_the_roles_of_the_table_and_closed_to_the_others(role):
    client = visitor(role.value, role)
    for route, path in paths().items():
        for changes, ask in ((False, client.get), (True, client.post)):
            if route in roles.PUBLIC or route in {"account_logout", "usersessions_list"}:
                continue
            answer = ask(path)
            refused = answer.status_code == 403 and route not in roles.OWN
            may = roles.may(role, route, changes=changes, second_person=False)
            assert refused is not may, f"{role} {'changes' if changes else 'reads'} {route}"


def test_where_a_second_person_sends_marketers_prepare_only():
    for route in ("campaign-schedule", "campaign-resume"):
        for role, sends in ((Role.MARKETER, False), (Role.APPROVER, True), (Role.ADMIN, True)):
            assert roles.may(role, route, changes=True, second_person=True) is sends
            assert roles.may(role, route, changes=True, second_person=False)


class Offers(HTMLParser):
    """Where the links and forms of a page lead: (path, changes something)."""

    def __init__(self, page: str, here: str) -> None:
        super().__init__()
        self.found: set[tuple[str, bool]] = set()
        self._here = here
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag == "a" and given.get("href"):
            self.found.add((given["href"], False))
        if tag == "form":
            self.found.add((given.get("action") or self._here, given.get("method", "get").lower() == "post"))
        for name in ("hx-get", "hx-post"):
            if given.get(name):
                self.found.add((given[name], name == "hx-post"))


@pytest.fixture
def full_site(settings) -> dict[str, int]:
    """A draft, a campaign on its way, and one of everything else; the ids that paths take."""
    settings.PUBLIC_URL = "https://letters.harbour.example"
    now = timezone.now()
    draft = ready_campaign(now, name="Draft")
    running = ready_campaign(now, name="On its way")
    Campaign.objects.filter(pk=running.pk).update(state="scheduled", scheduled_for=now, undo_until=now)
    launch(now=now, campaign_id=running.pk)
    return {
        "draft": draft.pk,
        "campaign_id": running.pk,
        "list_id": newsletter().pk,
        "person_id": newsletter().subscriptions.earliest("pk").subscriber_id,
        "domain_id": draft.sending_domain_id or 0,
        "route_id": Route.objects.earliest("pk").pk,
        "pool_id": Pool.objects.earliest("pk").pk,
    }


@pytest.mark.parametrize("role", [Role.VIEWER, Role.MARKETER])
def test_no_page_offers_what_the_role_may_not_do(role, full_site):
    client = visitor(role.value, role)
    seen = 0
    for campaign_id in (full_site["draft"], full_site["campaign_id"]):
        for route, path in paths({**full_site, "campaign_id": campaign_id}).items():
            if route in roles.PUBLIC or not roles.may(role, route, changes=False, second_person=False):
                continue
            answer = client.get(path)
            if answer.status_code != 200 or "text/html" not in answer.headers["Content-Type"]:
                continue
            seen += 1
            for offered, changes in Offers(answer.content.decode(), path).found:
                there = _route_of(offered)
                allowed = there is None or roles.may(role, there, changes=changes, second_person=False)
                assert allowed, f"{route} offers {role} {there}"
    assert seen > 40


def _route_of(link: str) -> str | None:
    """None: not a page of ours."""
    split = urlsplit(link)
    if split.scheme or split.netloc or not split.path.startswith("/"):
        return None
    try:
        return resolve(split.path).view_name
    except Resolver404:
        return None
