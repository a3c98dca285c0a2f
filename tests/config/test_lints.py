"""Each lint has a case it must refuse and a case it must let pass."""

import json
from pathlib import Path

import pytest

from config.lint import clock, packages, shape
from config.lint.source import parse


def source(text, path="sending/plan.py"):
    return parse(Path(path), text)


LONG = "def walk():\n" + "    x = 1\n" * 60


@pytest.mark.parametrize(
    ("path", "text", "finding"),
    [
        ("sending/plan.py", LONG, "a function has at most 60"),
        ("sending/utils.py", "x = 1\n", "a file is named for what it does"),
        ("sending/plan.py", "x = 1\n" * 501, "a file has at most 500"),
        ("campaigns/views.py", "def show(request):\n" + "    x = 1\n" * 20, "a view has at most 20"),
        ("sending/tasks.py", "@shared_task(name='a')\ndef tick():\n" + "    x = 1\n" * 4, "a task has at most 3"),
    ],
)
def test_the_shape_lint_refuses(path, text, finding):
    assert [finding in sentence for sentence in shape.find(source(text, path))] == [True]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("sending/plan.py", LONG.replace("walk():", "walk():  # shape: a table reads best in one piece")),
        ("sending/views.py", "def helper(rows):\n" + "    x = 1\n" * 30),
        ("sending/tasks.py", "@shared_task\ndef tick():\n    '''Why.\n\n    Much of it.\n    '''\n    a()\n    b()\n"),
    ],
)
def test_the_shape_lint_lets_pass(path, text):
    assert list(shape.find(source(text, path))) == []


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("at = timezone.now()", "sending/plan.py"),
        ("at = timezone.now()  # clock: entry", "sending/plan.py"),
        ("at = timezone.now()", "sending/tasks.py"),
        ("at = datetime.now(UTC)", "campaigns/launch.py"),
        ("at = time.time()", "reputation/ledger.py"),
        ("rows.filter(due_at__lte=Now())", "sending/claim.py"),
        ('SQL = """\nUPDATE batch SET due_at = now()\n"""', "sending/claim.py"),
        ('SQL = "SELECT 1 WHERE due_at < CURRENT_TIMESTAMP"', "sending/claim.py"),
    ],
)
def test_the_clock_lint_refuses(text, path):
    assert len(list(clock.find(source(text, path)))) == 1


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("at = timezone.now()  # clock: entry", "sending/tasks.py"),
        ("at = timezone.now()  # clock: entry", "campaigns/management/commands/seed.py"),
        ("created_at = DateTimeField(db_default=Now())", "sending/models.py"),
        ('SQL = "UPDATE batch SET lease_until = clock_timestamp() + %s"', "sending/claim.py"),
        ('TEXT = "We know now (or never) what to do"', "sending/plan.py"),
        ("at = datetime.now(UTC)", "lab/clock.py"),
        ("left = time.monotonic()", "sending/transmit.py"),
    ],
)
def test_the_clock_lint_lets_pass(text, path):
    assert list(clock.find(source(text, path))) == []


def test_a_pin_without_hash_and_a_range_are_found():
    text = "a==1 \\\n    --hash=sha256:00\nb==2\nc>=3\n"
    assert list(packages.unhashed(text)) == ["b==2: no hash", "c>=3: not an exact pin"]


def test_a_host_in_a_lock_file_is_found():
    assert list(packages.registry_hosts("--index-url https://packages.example.com/simple\na==1"))


def test_an_unwelcome_licence_is_found(monkeypatch):
    monkeypatch.setattr(packages, "licence", lambda name: {"good": "MIT", "bad": "GPL-3.0-only"}[name])
    assert [found.split(":")[0] for found in packages.unwelcome(["good", "bad"])] == ["bad"]


def test_a_known_vulnerability_fails_the_audit():
    hole = {"id": "CVE-1", "fix_versions": ["2"]}
    judged = packages.judge(json.dumps({"dependencies": [{"name": "a", "version": "1", "vulns": [hole]}]}))
    assert judged is not None
    passed, text = judged
    assert not passed
    assert "a 1: CVE-1" in text


def test_a_service_that_knows_nothing_has_not_audited():
    answer = json.dumps({"dependencies": [{"name": "a", "skip_reason": "not found"}]})
    assert packages.judge(answer) is None
    assert packages.judge("no json") is None


def test_an_unreachable_service_is_said_plainly(monkeypatch):
    monkeypatch.setattr(packages, "_ask", lambda root, service: None)
    passed, text = packages.audit(Path())
    assert passed
    assert text.startswith("NOT CHECKED")


def test_the_lock_files_of_this_repository_are_in_order():
    root = Path(__file__).resolve().parents[2]
    assert packages.check(root) == []
