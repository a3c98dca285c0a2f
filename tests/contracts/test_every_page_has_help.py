"""Every page has its help: a “?” at the same place, which leads to a section that is there."""

from html.parser import HTMLParser

import pytest
from django.contrib.staticfiles import finders
from django.urls import resolve

from config import roles
from config.handbook import pages
from config.handbook.sections import SECTIONS, help_for
from config.roles import Role
from tests.site_map import paths
from tests.visitors import visitor


def test_every_route_of_the_site_has_a_section_and_nothing_else_does():
    assert set(SECTIONS) == (roles.OWN | set(roles.ROUTES))


@pytest.mark.parametrize("section", sorted(set(SECTIONS.values())))
def test_the_section_is_there(section):
    name, _, anchor = section.partition("#")
    assert name in pages.PAGES
    assert not anchor or anchor in {heading.anchor for heading in pages.read(name).headings}


@pytest.mark.parametrize("name", pages.PAGES)
def test_no_two_headings_of_a_page_share_an_anchor(name):
    anchors = [heading.anchor for heading in pages.read(name).headings]
    assert len(anchors) == len(set(anchors))


def test_every_page_of_the_documentation_is_shown():
    assert {path.stem for path in pages.FOLDER.glob("*.md")} == set(pages.PAGES)


class Links(HTMLParser):
    """What a page links to, its ids, and the links of its header bar in their order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.pictures: list[str] = []
        self.help: str | None = None
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if "id" in given:
            self.ids.append(given["id"])
        if tag == "img":
            self.pictures.append(given["src"])
        if tag == "a":
            self.links.append(given.get("href", ""))
            if given.get("id") == "help":
                self.help = given["href"]


# It opens every page of the site.
@pytest.mark.timeout(600)
@pytest.mark.django_db
def test_the_help_of_every_page_leads_to_its_section():
    client, seen = visitor("admin", Role.ADMIN), 0
    for route, path in paths().items():
        if route in roles.PUBLIC:
            continue
        answer = client.get(path)
        if answer.status_code != 200 or answer.streaming:
            continue  # a file, or nothing to see
        if b"<!doctype html>" in answer.content[:20].lower():
            assert Links(answer.content.decode()).help == help_for(route), route
            seen += 1
    assert seen > 25


@pytest.mark.django_db
def test_a_page_that_is_not_there_has_help_too():
    answer = visitor("viewer", Role.VIEWER).get("/help/nothing/")
    assert answer.status_code == 404


def leads_somewhere(link: str, here: str) -> bool:
    """Does a link of the help page `here` lead to a section of the documentation, or to a page of the site?"""
    path, _, anchor = link.partition("#")
    found = resolve(path) if path else None
    if found is not None and not (found.view_name or "").startswith("help"):
        return True
    page = pages.read(found.kwargs.get("name", pages.FIRST) if found else here)
    return not anchor or anchor in {heading.anchor for heading in page.headings} | {"main"}


@pytest.mark.django_db
@pytest.mark.parametrize("name", pages.PAGES)
def test_links_and_pictures_of_the_help_lead_somewhere(name, settings):
    page = Links(visitor("viewer", Role.VIEWER).get(pages.address(name)).content.decode())
    assert {heading.anchor for heading in pages.read(name).headings} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))
    assert all(finders.find(picture.removeprefix(settings.STATIC_URL)) for picture in page.pictures)
    ours = [link for link in page.links if link.startswith(("/", "#"))]
    assert [link for link in page.links if link not in ours and not link.startswith("https://")] == []
    assert [link for link in ours if not leads_somewhere(link, name)] == []
