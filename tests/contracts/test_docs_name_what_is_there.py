"""What the documentation tells people to press, call or run is there, by the name it has."""

import re
from importlib.util import find_spec
from pathlib import Path

import pytest
from django.core.management import get_commands
from django.urls import Resolver404, resolve

ROOT = Path(__file__).resolve().parents[2]
# For people at the site; the italics of other pages are no buttons.
GUIDES = [ROOT / "docs" / f"{name}.md" for name in ("marketers", "admins", "operators")]
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("lab/*.md")]
# A word that is explained there, or that stands on somebody else's pages.
NOT_OURS = {"budget", "HTTP webhook signing key"}
EN = ROOT / "locale" / "de" / "LC_MESSAGES" / "site.po"


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def told(page: Path) -> list[str]:
    """What stands in italics."""
    plain = re.sub(r"```.*?```|`[^`\n]*`", "", text_of(page), flags=re.DOTALL)
    found = re.findall(r"(?<![*\w])\*([^*\n]+)\*(?![*\w])", plain)
    return [words.strip(" .,:") for words in found if words not in NOT_OURS]


def said() -> str:
    """All sentences of the site, one a line, without what is written into them."""
    entries = re.findall(r"^msgid(?:_plural)? ((?:\".*\"\n)+)", text_of(EN), re.MULTILINE)
    lines = ["".join(re.findall(r'"(.*)"', entry)).replace('\\"', '"') for entry in entries]
    plain = [re.sub(r"<[^>]{1,60}>", "", line) for line in lines]
    return "\n".join(re.sub(r"%\(\w+\)s", "…", line) for line in plain).lower()


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.name)
def test_what_stands_in_italics_can_be_read_on_the_site(page: Path) -> None:
    site, words = said(), told(page)
    assert len(words) > 5
    assert [each for each in words if re.sub(r"\d+", "…", each.lower()) not in site] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_is_there(page: Path) -> None:
    text = text_of(page)
    targets = set(re.findall(r"^([a-z]+):", text_of(ROOT / "Makefile"), re.MULTILINE))
    commands = {name for code in re.findall(r"`[^`]+`", text) for name in re.findall(r"manage\.py ([a-z_]+)", code)}
    assert commands - set(get_commands()) == set()
    assert set(re.findall(r"`make ([a-z]+)", text)) - targets == set()
    modules = {name.strip(".") for name in re.findall(r"python -m ([a-z_.]+)", text)}
    assert [name for name in modules if find_spec(name) is None] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_address_of_the_site_is_there(page: Path) -> None:
    asked = re.findall(r"`(/[a-z0-9/-]*)`", text_of(page))
    elsewhere = ("/etc/", "/opt/", "/usr/", "/var/", "/run/", "/tmp/")
    assert [path for path in asked if not path.startswith(elsewhere) and not leads_somewhere(path)] == []


def leads_somewhere(path: str) -> bool:
    try:
        return bool(resolve(path))
    except Resolver404:
        return False


def test_every_picture_is_shown_somewhere_and_is_light() -> None:
    shown = {name for page in PAGES for name in re.findall(r"pictures/([\w-]+\.\w+)", text_of(page))}
    there = {path.name: path.stat().st_size for path in (ROOT / "docs" / "pictures").iterdir()}
    assert set(there) == shown
    assert [name for name, size in there.items() if size > 150_000] == []
