"""What the palette finds: pages and actions open to whoever asks, campaigns by name, people by address."""

from collections.abc import Iterator
from typing import NamedTuple

from django.urls import reverse

from audiences.models import Subscriber
from campaigns.models import Campaign
from campaigns.status import page_of
from config.gatekeeper import Visitor
from words import gettext, marked

MOST = 12
MOST_OF_A_KIND = 6
# A person's address is looked up from so many letters on.
LETTERS = 2


class Hit(NamedTuple):
    """A row: where it leads, and the keys that lead there without the palette."""

    words: str
    what: str
    icon: str
    href: str
    keys: str = ""


class Place(NamedTuple):
    """`also`: other words people look for it by."""

    route: str
    words: str
    what: str
    icon: str
    keys: str = ""
    also: str = ""


WHAT = (marked("action"), marked("page"))
PLACES = (
    Place("campaign-new", "New campaign", "action", "plus", "c", "write letter create"),
    Place("import-new", "Import people", "action", "user-plus", "", "upload csv file"),
    Place("person-new", "Add a person", "action", "user-plus", "", "subscriber"),
    Place("list-new", "New list", "action", "plus", "", "create"),
    Place("stop-sending", "Stop all sending", "action", "hand-stop", "", "halt emergency pause"),
    Place("home", "Home", "page", "home", "g h", "dashboard"),
    Place("campaigns", "Campaigns", "page", "send", "g c", "letters mailings"),
    Place("people", "People", "page", "users", "g p", "subscribers contacts"),
    Place("lists", "Lists", "page", "list", "g l", "audience"),
    Place("fields", "Personal fields", "page", "list", "", "columns attributes custom"),
    Place("messages", "Messages", "page", "mailbox", "", "did somebody get it log timeline delivery search"),
    Place("pictures", "Pictures", "page", "photo", "", "images media library photos"),
    Place("imports", "Imports", "page", "history", "", "upload csv"),
    Place("domains", "Sending domains", "page", "world", "g d", "dkim spf dmarc dns addresses"),
    Place("routes", "Routes and limits", "page", "arrow-up-right", "", "smtp relay pools"),
    Place("warmup", "Warm-up", "page", "stairs-up", "", "plans ip"),
    Place("privacy-requests", "Privacy requests", "page", "shield-x", "", "gdpr erase export data deadline"),
    Place("suppressions", "Suppressions", "page", "shield-x", "", "blocked bounced complained"),
    Place("answers", "Answers", "page", "arrow-down-left", "", "receivers replies unclassified storms rules"),
    Place("deliverability", "Deliverability", "page", "heart-rate-monitor", "", "score reputation complaints bounces"),
    Place("outside-figures", "Postmaster figures", "page", "file-analytics", "", "snds google yahoo spam rate csv"),
    Place("outside", "Reports from outside", "page", "file-analytics", "", "dmarc tls-rpt aggregate evidence rua"),
    Place("team", "Team", "page", "users", "", "invite roles members"),
    Place("settings", "Settings", "page", "settings", "", "time zone postal address tracking"),
    Place("help", "Help", "page", "help", "?", "documentation manual handbook docs"),
    Place("profile", "Your account", "page", "user-circle", "", "password passkey second factor sessions shortcuts"),
)


def find(visitor: Visitor, typed: str) -> list[Hit]:
    """At most MOST rows, those whose words begin with what was typed first."""
    wanted = typed.strip().lower()
    places = sorted(_places(visitor, wanted), key=lambda hit: not hit.words.lower().startswith(wanted))
    if not wanted:
        return places[:MOST]
    return [*places[:MOST_OF_A_KIND], *_campaigns(wanted), *_people(wanted)][:MOST]


def _places(visitor: Visitor, wanted: str) -> Iterator[Hit]:
    for place in PLACES:
        words = gettext(place.words)
        known_as = f"{words} {place.words} {place.also}".lower()
        if visitor.may(place.route, changes=False) and all(word in known_as for word in wanted.split()):
            yield Hit(words, gettext(place.what), place.icon, reverse(place.route), place.keys)


def _campaigns(wanted: str) -> Iterator[Hit]:
    found = Campaign.objects.filter(name__icontains=wanted).select_related("mailing").order_by("-pk")
    for campaign in found[:MOST_OF_A_KIND]:
        yield Hit(campaign.name, gettext("campaign"), "send", reverse(page_of(campaign), args=[campaign.pk]))


def _people(wanted: str) -> Iterator[Hit]:
    if len(wanted) < LETTERS or " " in wanted:
        return
    for person in Subscriber.objects.matching(wanted).order_by("email")[:MOST_OF_A_KIND]:
        yield Hit(person.email, gettext("person"), "user", reverse("person", args=[person.pk]))
