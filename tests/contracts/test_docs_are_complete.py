"""The documentation says every word the code uses, and none that it does not; its links lead somewhere."""

import ast
import re
from pathlib import Path

import pytest
from django.core.management import get_commands
from django.db import models

from audiences.models import Import, Subscription, Suppression
from campaigns.models import Campaign
from config import environment
from config.celery import SCHEDULE
from config.handbook.pages import anchor_of
from config.processes import KINDS
from reputation.models import Budget, RecipientDomain, SendingDomain
from sending.esp.catalogue import ESPS
from sending.models import Event, Excluded, Inbound, Mailing, MailingLane, OutcomeKind
from sending.pure.liquid_filters import FILTER_NAMES
from sending.pure.liquid_scan import TAG_NAMES
from sending.pure.personalise import SYSTEM_NAMES, check

ROOT = Path(__file__).resolve().parents[2]
OPERATORS, MARKETERS, ADMINS = (ROOT / "docs" / f"{name}.md" for name in ("operators", "marketers", "admins"))
OURS = {"audiences", "campaigns", "config", "reputation", "sending"}
NOT_OURS = {".venv", "var", "staticfiles", "node_modules", ".pytest_cache"}
PAGES = sorted(path for path in ROOT.rglob("*.md") if not NOT_OURS & set(path.relative_to(ROOT).parts))


def section(page, heading):
    """The text below a heading, up to the next one that is not below it."""
    lines = page.read_text(encoding="utf-8").splitlines()
    start = next(n for n, line in enumerate(lines) if re.fullmatch(rf"#+ {re.escape(heading)}", line))
    level = lines[start].index(" ")
    rest = lines[start + 1 :]
    end = next((n for n, line in enumerate(rest) if re.match(rf"#{{1,{level}}} ", line)), len(rest))
    return rest[:end]


def rows(page, heading):
    """The cells of the table rows below a heading, without their heads."""
    lines = [line for line in section(page, heading) if line.startswith("|")]
    cells = [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines]
    return [
        row for row, following in zip(cells, [*cells[1:], []], strict=True) if not (is_rule(row) or is_rule(following))
    ]


def is_rule(row):
    return bool(row) and all(re.fullmatch(r"\s*-+\s*", cell) for cell in row)


def named(page, heading):
    """The words in code type of the first column below a heading, each once."""
    words = [word for row in rows(page, heading) for word in re.findall(r"`([^`]+)`", row[0])]
    assert len(words) == len(set(words)), "a word is explained twice"
    return set(words)


def settings_read():
    """name → the call that reads it in config/settings.py."""
    readers = {name for name in vars(environment) if not name.startswith("_")} - {"wrong"}
    found: dict[str, list[ast.Call]] = {}
    for node in ast.walk(ast.parse((ROOT / "config" / "settings.py").read_text(encoding="utf-8"))):
        if not (isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant)):
            continue
        called = node.func.value if isinstance(node.func, ast.Attribute) else node.func
        if isinstance(called, ast.Name) and called.id in readers and isinstance(node.args[0].value, str):
            found.setdefault(node.args[0].value, []).append(node)
    return found


def default_of(calls):
    """The default as it is written in the docs, where it is a plain value."""
    for call in calls:
        candidates = [*call.args[1:2], *(word.value for word in call.keywords if word.arg == "default")]
        for value in candidates:
            if isinstance(value, ast.Constant) and value.value not in ("", None):
                return ("no", "yes")[value.value] if isinstance(value.value, bool) else str(value.value)
    return None


def test_every_setting_is_documented_and_nothing_else():
    assert len(settings_read()) > 25
    assert named(OPERATORS, "Settings") == set(settings_read())


@pytest.mark.parametrize("name", sorted(settings_read()))
def test_a_setting_has_its_default_an_effect_and_an_example(name):
    [row] = [row for row in rows(OPERATORS, "Settings") if row[0].strip() == f"`{name}`"]
    default = default_of(settings_read()[name])
    assert len(row) == 4
    assert all(cell.strip() for cell in row)
    assert default is None or f"`{default}`" in row[1]
    assert f"`{name}=" in row[3] or "not set by hand" in row[3]


def test_every_kind_of_process_is_documented():
    assert named(OPERATORS, "The six processes") - named(OPERATORS, "What beat ticks") == set(KINDS)
    assert len(KINDS) == 6, "the docs count six"


def test_every_scheduled_task_is_documented_with_how_often_it_runs():
    told = {row[0].strip().strip("`"): seconds_of(row[1]) for row in rows(OPERATORS, "What beat ticks")}
    assert told == dict(SCHEDULE.values())


def seconds_of(text):
    number, unit = text.split()
    return float(number) * {"s": 1, "min": 60, "h": 3600}[unit]


def test_every_command_is_documented():
    ours = {name for name, app in get_commands().items() if app in OURS}
    assert named(OPERATORS, "Commands") == ours


@pytest.mark.parametrize(
    ("page", "heading", "words"),
    [
        (OPERATORS, "Campaign states", Campaign.State),
        (OPERATORS, "Mailing states", Mailing.State),
        (OPERATORS, "Lane states", MailingLane.State),
        (OPERATORS, "Budget states", Budget.State),
        (OPERATORS, "Sending domain states", SendingDomain.State),
        (OPERATORS, "Recipient domain states", RecipientDomain.State),
        (OPERATORS, "Import states", Import.State),
        (OPERATORS, "Incoming message states", Inbound.State),
        (MARKETERS, "Subscription states", Subscription.State),
        (MARKETERS, "Outcome kinds", OutcomeKind),
        (MARKETERS, "Later events", Event.Kind),
        (MARKETERS, "Left out at launch", Excluded.Reason),
        (MARKETERS, "Suppression reasons", Suppression.Reason),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_word_for_a_state_is_documented_and_nothing_else(page, heading, words):
    assert issubclass(words, models.TextChoices)
    assert named(page, heading) == set(words.values)


@pytest.mark.parametrize(
    ("heading", "words"), [("Names", SYSTEM_NAMES), ("Tags", TAG_NAMES), ("Filters", FILTER_NAMES)]
)
def test_all_of_the_liquid_subset_is_documented_and_nothing_else(heading, words):
    assert named(MARKETERS, heading) == set(words)


def test_the_examples_of_personal_fields_can_be_sent():
    text = "\n".join(section(MARKETERS, "Personal fields"))
    examples = [block for block in re.findall(r"```\n(.*?)```", text, re.DOTALL) if "{" in block]
    examples += [example.replace("\\|", "|") for example in re.findall(r"`(\{\{.*?\}\})`", text)]
    assert len(examples) > 8
    fields = {field for example in examples for field in re.findall(r"contact\.(\w+)", example)}
    assert [str(problem) for example in examples for problem in check(example, fields) if problem.blocks] == []


def test_every_provider_with_an_api_is_named():
    text = "\n".join(section(ADMINS, "Routes and pools"))
    assert [esp.title for esp in ESPS.values() if esp.title not in text] == []


def anchors(page):
    """The ids that headings of a page get where it is shown."""
    heads = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {anchor_of(head) for head in heads}


def links(page):
    text = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    found = re.findall(r"\]\(([^)\s]+)[^)]*\)", text)
    return [link for link in found if not re.match(r"[a-z]+:", link)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_to_a_file_and_a_heading(page):
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_the_links_of_the_pages_are_found():
    assert {"docs/operators.md", "ARCHITECTURE.md"} <= set(links(ROOT / "README.md"))
