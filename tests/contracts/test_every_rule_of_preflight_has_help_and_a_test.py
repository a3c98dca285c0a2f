"""Each rule of preflight: a stable id, a text that says why, a link to it, and a test that names it."""

import ast
import re
from pathlib import Path

import pytest
from django.utils import timezone

from config.handbook import pages
from config.handbook.pages import anchor_of
from config.roles import Role
from tests.campaigns.world import ready_campaign
from tests.visitors import visitor

ROOT = Path(__file__).resolve().parents[2]
LEVELS = {"must", "should", "fine", "level", "Finding"}
# Ids that are put together: by the place of what is wrong, and by the mailbox or the thing that is listed.
MADE = {
    "f\"content.{problem.place or 'body'}\"": {
        f"content.{at}" for at in ("body", "subject", "preheader", "from", "reply_to")
    },
    "f'content.{problem.place or \"body\"}'": set(),
    "f'sender.{fact.check_name}'": {"sender.postmaster", "sender.postmaster_bounces", "sender.abuse"},
    "id": {"route.listed", "sender.listed"},
}


def ids() -> set[str]:
    found: set[str] = set()
    for path in (ROOT / "campaigns").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and node.args and getattr(node.func, "id", "") in LEVELS:
                first = node.args[0]
                found |= {str(first.value)} if isinstance(first, ast.Constant) else MADE[ast.unparse(first)]
    return found


def texts() -> dict[str, str]:
    """id → what docs/preflight.md says below it."""
    source = (ROOT / "docs" / "preflight.md").read_text(encoding="utf-8")
    return {
        part.split("\n", 1)[0].strip(): re.split(r"\n#", part.split("\n", 1)[1])[0].strip()
        for part in re.split(r"^### ", source, flags=re.MULTILINE)[1:]
    }


def test_every_rule_says_why_and_nothing_is_explained_that_is_no_rule():
    assert set(texts()) == ids()
    assert len(ids()) > 70
    assert all(len(text) > 20 and text.endswith((".", "`.")) for text in texts().values())


@pytest.mark.parametrize("id", sorted(ids()))
def test_a_rule_has_a_test_that_names_it(id):
    here = Path(__file__).name
    named = re.compile(rf"""["'`]{re.escape(id)}["'`]""")
    files = (path for path in (ROOT / "tests").rglob("test_*.py") if path.name != here)
    assert any(named.search(path.read_text(encoding="utf-8")) for path in files)


def test_an_id_is_two_words_for_good():
    assert all(re.fullmatch(r"[a-z]+\.[a-z_]+", id) for id in ids())
    anchors = {heading.anchor for heading in pages.read("preflight").headings}
    assert {anchor_of(id) for id in ids()} <= anchors


@pytest.mark.django_db
def test_the_review_page_leads_from_each_finding_to_its_reason():
    campaign = ready_campaign(timezone.now())
    campaign.pool = None
    campaign.save(update_fields=["pool"])
    page = visitor("mike", Role.MARKETER).get(f"/campaigns/{campaign.pk}/review/").content.decode()
    shown = re.findall(r'href="/help/preflight/#([a-z_]+)"', page)
    assert "routenone" in shown
    assert set(shown) <= {heading.anchor for heading in pages.read("preflight").headings}
