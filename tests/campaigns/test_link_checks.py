"""Links of letters are asked whether they work: by a program, in the background, never our own network."""

import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from django.db import transaction
from django.utils import timezone

from campaigns import link_checks, link_probe, standing
from campaigns.link_probe import Probed, probe
from campaigns.models import LinkCheck
from campaigns.preflight import preflight
from campaigns.pure.link_results import Result, Why
from lab.certificates import make_server_context
from reputation import resolver
from sending.egress import InsideTransaction
from tests.campaigns.world import ready_campaign, write

pytestmark = pytest.mark.django_db


class Page(BaseHTTPRequestHandler):
    """/404 answers so; /get knows no HEAD; /circle leads to itself; /on leads to /ok; /in leads into our network."""

    asked: list[tuple[str, str]] = []

    def do_HEAD(self) -> None:
        self.asked.append((self.command, self.path))
        status, to = 200, ""
        if self.path[1:].isdigit():
            status = int(self.path[1:])
        elif self.path == "/get" and self.command == "HEAD":
            status = 405
        elif self.path in ("/circle", "/on", "/in"):
            status, to = 302, {"/circle": "/circle", "/on": "/ok", "/in": "http://10.0.0.1/"}[self.path]
        self.send_response(status)
        if to:
            self.send_header("Location", to)
        self.end_headers()

    do_GET = do_HEAD  # noqa: N815

    def log_message(self, *said: object) -> None:
        pass


@pytest.fixture
def site() -> Iterator[str]:
    """A server of the public web, as far as the lab goes: on loopback."""
    Page.asked = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def _in_the_lab(settings) -> None:
    settings.LAB = True


# -- One link ----------------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/ok", Probed(Result.OK, 200)),
        ("/on", Probed(Result.OK, 200)),
        ("/get", Probed(Result.OK, 200)),
        ("/404", Probed(Result.BROKEN, 404)),
        ("/500", Probed(Result.BROKEN, 500)),
        ("/403", Probed(Result.UNKNOWN, 403)),
        ("/429", Probed(Result.UNKNOWN, 429)),
        ("/circle", Probed(Result.BROKEN, why=Why.CIRCLES)),
        ("/in", Probed(Result.UNKNOWN, why=Why.INSIDE)),
    ],
)
def test_a_link_is_asked_and_judged(site: str, path: str, found: Probed) -> None:
    assert probe(site + path) == found


@pytest.mark.django_db(transaction=True)
def test_head_is_asked_first_and_get_only_where_it_does_not_do(site: str) -> None:
    probe(site + "/ok")
    probe(site + "/get?a=ä")
    assert Page.asked == [("HEAD", "/ok"), ("HEAD", "/get?a=%C3%A4")]
    probe(site + "/404")
    assert Page.asked[2:] == [("HEAD", "/404"), ("GET", "/404")]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://127.0.0.1:9999/", Why.INSIDE),
        ("http://169.254.169.254/latest/meta-data/", Why.INSIDE),
        ("http://192.168.0.1/", Why.INSIDE),
        ("http://[::1]/", Why.INSIDE),
        ("https://mara:secret@harbour.example/", Why.NOT_ASKED),
        ("http://192.0.2.1:25/", Why.NOT_ASKED),
        ("file:///etc/passwd", Why.NOT_ASKED),
    ],
)
def test_nothing_of_our_own_network_is_asked(settings, url: str, why: Why) -> None:
    settings.LAB = False
    assert probe(url) == Probed(Result.UNKNOWN, why=why)


@pytest.mark.django_db(transaction=True)
def test_a_host_that_is_not_there_breaks_a_link_and_one_that_could_not_be_looked_up_does_not(monkeypatch) -> None:
    monkeypatch.setattr(resolver, "addresses", lambda host: [])
    assert probe("https://gone.example/") == Probed(Result.BROKEN, why=Why.NO_HOST)
    away = resolver.CouldNotLookUp("no answer")
    monkeypatch.setattr(resolver, "addresses", lambda host: away)
    assert probe("https://gone.example/") == Probed(Result.UNKNOWN, why=Why.SILENT)


@pytest.mark.django_db(transaction=True)
def test_a_certificate_that_no_browser_would_trust_breaks_a_link(site: str, tmp_path: Path) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    context = make_server_context(tmp_path, ["localhost"], datetime.now(UTC))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        assert probe(f"https://127.0.0.1:{server.server_port}/ok") == Probed(Result.BROKEN, why=Why.CERTIFICATE)
        # To speak TLS with a server that knows none says nothing of the page.
        assert probe(site.replace("http:", "https:")) == Probed(Result.UNKNOWN, why=Why.SILENT)
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.django_db(transaction=True)
def test_a_server_that_says_nothing_is_not_waited_for(monkeypatch) -> None:
    monkeypatch.setattr(link_probe, "AT_MOST_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert probe(f"http://127.0.0.1:{silent.getsockname()[1]}/") == Probed(Result.UNKNOWN, why=Why.SILENT)


def test_nothing_is_asked_inside_a_transaction() -> None:
    with transaction.atomic(), pytest.raises(InsideTransaction):
        probe("http://127.0.0.1:9999/")


# -- Those of letters --------------------------------------------------------------------------------------------------


def links(*urls: str) -> str:
    return "Dear reader,\n\n" + "\n\n".join(f"[What came in]({url})" for url in urls)


def test_saving_a_letter_lets_its_links_be_asked_about(now: datetime) -> None:
    campaign = ready_campaign(now)
    write(now, campaign, letter=links("https://harbour.example/a#top", "https://harbour.example/{{ contact.id }}",
                                      "mailto:mara@harbour.example", "https://harbour.example/a"))  # fmt: skip
    waiting = LinkCheck.objects.filter(url__startswith="https://harbour.example/")
    assert list(waiting.values_list("url", "result")) == [("https://harbour.example/a", "waiting")]


def test_fifty_links_of_a_letter_and_no_more_are_asked_about(now: datetime) -> None:
    found = link_checks.links_of(links(*(f"https://harbour.example/{n}" for n in range(60))), "letter")
    assert len(found) == 50


def test_where_no_request_may_leave_none_does(now: datetime, settings) -> None:
    settings.LINK_CHECKS = False
    ready_campaign(now)
    assert not LinkCheck.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_those_whose_turn_it_is_are_asked_once_and_again_later(site: str) -> None:
    now = timezone.now()
    link_checks.watch(now=now, urls=[site + "/ok", site + "/404"])
    assert link_checks.check_due(now=now) == 2
    assert link_checks.check_due(now=now) == 0
    assert dict(LinkCheck.objects.values_list("url", "status")) == {site + "/ok": 200, site + "/404": 404}
    assert link_checks.check_due(now=now + timedelta(minutes=31)) == 1
    assert link_checks.check_due(now=now + timedelta(days=1, minutes=1)) == 2
    assert link_checks.check_due(now=now + timedelta(days=3)) == 0


def test_letters_that_wait_keep_their_links_asked_about_and_others_are_forgotten(now: datetime) -> None:
    ready_campaign(now)
    url = "https://www.harbour.example/autumn"
    standing.watch_links(now=now + timedelta(days=2))
    assert LinkCheck.objects.get(url=url).wanted_until == now + timedelta(days=4)
    link_checks.forget(now=now + timedelta(days=40))
    assert not LinkCheck.objects.exists()


def told(campaign, now: datetime) -> dict[str, str]:
    return {row.id: row.sentence for row in preflight(now=now, campaign=campaign) if row.id.startswith("link.")}


def test_preflight_names_what_is_broken_with_its_line_and_asks_nobody(now: datetime) -> None:
    campaign = ready_campaign(now)
    write(now, campaign, letter=links("https://harbour.example/a", "https://harbour.example/b", "https://c.example/"))
    assert told(campaign, now) == {"link.waiting": "3 links are still being checked."}
    for url, found in {
        "https://harbour.example/a": {"result": "ok", "status": 200},
        "https://harbour.example/b": {"result": "broken", "status": 404},
        "https://c.example/": {"result": "unknown", "status": 403},
    }.items():
        LinkCheck.objects.filter(url=url).update(**found)
    assert told(campaign, now) == {
        "link.broken": "The link https://harbour.example/b leads to a page that is not there (404).",
        "link.unknown": "1 link could not be checked (c.example: answers programs with 403). "
        "It may be fine; click it once yourself.",
        "link.works": "1 link works.",
    }
    [broken] = [row for row in preflight(now=now, campaign=campaign) if row.id == "link.broken"]
    assert (broken.line, broken.level, broken.can_be_ignored) == (5, "should", True)
