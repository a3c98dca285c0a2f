"""Where the workspace masks addresses, no answer that a viewer can get holds one in full."""

from html import unescape
from urllib.parse import unquote

import pytest
from django.utils import timezone

from audiences.models import PersonNote, Subscriber, Suppression
from campaigns.models import Campaign
from config import roles
from config.roles import Role
from reputation.models import UnreadReply, Workspace
from tests.browser import furnish
from tests.cast import newsletter, people
from tests.site_map import SAMPLES, paths
from tests.visitors import visitor

pytestmark = pytest.mark.django_db
OTHERS = ("stranger@elsewhere.example", "o'neil@elsewhere.example")


@pytest.fixture
def told(settings):
    settings.PUBLIC_URL = "https://letters.harbour.example"
    now = timezone.now()
    furnish.bare(now)
    told = furnish.full(now)
    person = Subscriber.objects.get(pk=told["person_id"])
    Subscriber.objects.filter(pk=person.pk).update(fields=person.fields | {"city": f"ask {OTHERS[0]}"})
    PersonNote.objects.create(subscriber=person, text=f"Writes from {OTHERS[1]} too", at=now)
    Suppression.objects.update(source=f"asked by {OTHERS[0]}")
    UnreadReply.objects.update(sample=f"550 <{OTHERS[0]}> is unknown")
    Campaign.objects.filter(pk=told["sent"]).update(name=f"For {OTHERS[0]}")
    Workspace.objects.update(masks_addresses=True)
    return told


def asked(told):
    """Every path a viewer may read, with each campaign there is, and searches for people."""
    person = Subscriber.objects.get(pk=told["person_id"])
    looks = [("running", "everyone"), ("draft", "x"), ("sent", "accepted"), ("sent", "opened"), ("sent", "clicked")]
    for campaign, topic in looks:
        known = {**SAMPLES, **told, "campaign_id": told[campaign], "topic": topic, "upload_id": told["done"]}
        for route, path in paths(known).items():
            if route not in roles.PUBLIC and roles.may(Role.VIEWER, route, changes=False, second_person=False):
                yield path
    for start in (person.email[:3], person.email.split("@")[0], "reader"):
        yield from (f"/people/?q={start}", f"/lists/{newsletter().pk}/?q={start}", f"/messages/?q={start}")
        yield f"/find/?q={start}"
        yield f"/campaigns/{told['sent']}/people/everyone/?q={start}"


def test_no_page_file_or_search_gives_a_viewer_a_whole_address(told):
    known = {*Subscriber.objects.values_list("email", flat=True), *OTHERS}
    viewer, marketer, hidden = visitor("vera", Role.VIEWER), visitor("mike", Role.MARKETER), 0
    for path in sorted(set(asked(told))):
        answer = viewer.get(path)
        assert answer.status_code != 500, path
        assert not _read(answer) & known, path
        hidden += bool(_read(marketer.get(path)) & known)
    # The same pages do hold them for others: more than a handful, or this test looks at nothing.
    assert hidden > 15


def _read(answer) -> set[str]:
    """All words of the answer, found otherwise than the mask does."""
    if getattr(answer, "streaming", False):
        text = b"".join(answer.streaming_content).decode()
    else:
        text = answer.content.decode("utf-8", "replace")
    split = str.maketrans(dict.fromkeys('<>"=?;,()&', " "))
    text = unescape(unquote(f"{text} {answer.headers}")).lower().translate(split)
    return {word.strip(".:") for word in text.split() if "@" in word}


def test_a_viewer_finds_people_by_the_whole_address_only(told):
    viewer = visitor("vera", Role.VIEWER)
    person = Subscriber.objects.get(pk=told["person_id"])
    for path in ("/people/", "/messages/", "/find/"):
        link = f'href="/people/{person.pk}/"'
        assert link not in viewer.get(path, {"q": person.email[:-1]}).content.decode()
        assert link in viewer.get(path, {"q": person.email}).content.decode()


def test_pages_of_a_search_are_told_by_number_and_miss_nobody():
    people(60)
    marketer = visitor("mike", Role.MARKETER)
    first = marketer.get("/people/?q=reader")
    after = first.context["page"].after
    assert after.isdigit()
    second = marketer.get(f"/people/?q=reader&after={after}")
    shown = [*first.context["page"].people, *second.context["page"].people]
    assert sorted({person.email for person in shown}) == [person.email for person in shown]
    assert len(shown) == Subscriber.objects.filter(email__startswith="reader").count()


def test_others_see_whole_addresses_as_before(told):
    page = visitor("mike", Role.MARKETER).get(f"/people/{told['person_id']}/").content.decode()
    assert Subscriber.objects.get(pk=told["person_id"]).email in page
