"""A real PostgreSQL for every test: the one of DATABASE_URL, else an embedded one outside the repository."""

import hashlib
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


def _own_var_dir() -> str:
    mark = hashlib.sha256(f"{os.geteuid()}:{REPOSITORY}".encode()).hexdigest()[:8]
    return f"/tmp/letterpace-tests-{mark}"


# Before Django's settings are read. The folder stays between runs: a cluster takes a second to make.
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
os.environ.setdefault("VAR_DIR", _own_var_dir())
os.environ.setdefault("KEYS_DIR", f"{os.environ['VAR_DIR']}/keys")
os.environ.setdefault("EMBEDDED_FSYNC", "off")
os.environ.setdefault("CELERY_BROKER_URL", "memory://")
os.environ.setdefault("LAB", "yes")
os.environ["DEBUG"] = "yes"


def pytest_configure() -> None:
    import django

    django.setup()


@pytest.fixture
def steady(monkeypatch: pytest.MonkeyPatch) -> None:
    """Days and hours of a warm-up exactly as its plan has them."""
    from reputation.pure import warmup

    monkeypatch.setattr(warmup, "DAY_SWAY", 0.0)
    monkeypatch.setattr(warmup, "HOUR_SWAY", 0.0)


@pytest.fixture(autouse=True)
def _visits_wait(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No thread writes visits down behind a test's back: it calls `waiting.flush()` on its own connection."""
    from sending.doors.waiting_visits import WaitingVisits, waiting

    monkeypatch.setattr(WaitingVisits, "start", lambda _self: None)
    yield
    waiting.forget()


@pytest.fixture(autouse=True)
def _first_start() -> None:
    """Each test begins with an empty database; a file of one before it would make it a restored one."""
    from sending import journal

    for path in journal.folder().glob("identity-*"):
        path.unlink(missing_ok=True)


@pytest.fixture
def now() -> datetime:
    """One fixed instant, a Tuesday morning in UTC, for everything that takes the business clock."""
    return datetime(2026, 3, 10, 9, 0, tzinfo=UTC)
