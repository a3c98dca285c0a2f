"""A Letterpace of its own for a benchmark: embedded PostgreSQL and broker in a folder that is deleted afterwards."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent
UNLIMITED = 10_000_000


def end_as_on_ctrl_c() -> None:
    """SIGTERM ends a benchmark as Ctrl-C does: what it started is ended, its folder deleted. In the background too,
    where a shell has SIGINT ignored."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def installed(settings: Mapping[str, str]) -> Iterator[Path]:
    """Servers started and the database migrated, in this process too; yields the folder."""
    end_as_on_ctrl_c()
    folder = Path(tempfile.mkdtemp(prefix="letterpace-bench-"))
    own = {
        "VAR_DIR": str(folder),
        "KEYS_DIR": str(folder / "keys"),
        # As operators run it: with it Django writes down every statement, thousands a connection.
        "DEBUG": "no",
        "LAB": "yes",
        "LOG_LEVEL": "WARNING",
    }
    os.environ.update({**own, **settings})
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    for name in ("DATABASE_URL", "CELERY_BROKER_URL"):
        os.environ.pop(name, None)
    import django

    django.setup()
    from django.core.management import call_command

    from config import embedded

    embedded.join(folder, postgres=True, broker=True)
    try:
        call_command("migrate", verbosity=0)
        yield folder
    finally:
        embedded.leave(folder)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def started(commands: Mapping[str, Sequence[str]], folder: Path) -> Iterator[dict[str, int]]:
    """Processes for the length of a block; yields their pids by name. What they say is in `folder`/NAME.log."""
    running: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for name, command in commands.items():
            with (folder / f"{name}.log").open("wb") as out:
                running[name] = subprocess.Popen(
                    list(command), cwd=BASE_DIR, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
                )
        yield {name: process.pid for name, process in running.items()}
    except BaseException:
        for name in running:
            print(f"-- {name}: {(folder / f'{name}.log').read_text(errors='replace')[-2000:]}", file=sys.stderr)
        raise
    finally:
        for process in running.values():
            process.terminate()
        for process in running.values():
            try:
                process.wait(40)
            except subprocess.TimeoutExpired:
                process.kill()


def kind(name: str) -> list[str]:
    """The command that starts a kind of process as an operator does."""
    return [sys.executable, str(BASE_DIR / "manage.py"), "run", name]


def readers(n: int, *, now: datetime, name: str = "Newsletter") -> int:
    """`n` people with twelve fields on one list, whose mail server is the sink; returns the list's id."""
    from django.db import connection

    from benchmarks.compose import FIELDS
    from tests.cast import domains_known, newsletter
    from tests.sending.engine import point

    made = newsletter(name)
    domains_known()
    point("yahoo.com", "127.0.0.1")
    fields = ", ".join(f"'{field}', '{field.title()} ' || n" for field in FIELDS)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH people AS (
                INSERT INTO audiences_subscriber (email, address_key, domain, fields, language)
                SELECT lower(%s) || n || '@yahoo.com', md5(%s || n)::uuid, 'yahoo.com',
                       jsonb_build_object({fields}), ''
                FROM generate_series(1, %s) n RETURNING id
            )
            INSERT INTO audiences_subscription (subscriber_id, list_id, state, since, source)
            SELECT id, %s, 'subscribed', %s, 'benchmark' FROM people
            """,
            [name, name, n, made.pk, now],
        )
        cursor.execute("ANALYZE")
    return made.pk


def without_limits(*, now: datetime, connections: int, batch_size: int = 1000) -> None:
    """The engine at its own pace: what limits it is the machine."""
    from reputation import budgets
    from reputation.models import SendingDomain
    from tests.cast import direct_route, verified_domain

    # No DNS has the records of this domain: a check would hold a campaign of more than some minutes.
    SendingDomain.objects.filter(pk=verified_domain().pk).update(checked_at=now + timedelta(days=1))
    address = direct_route().address
    assert address is not None
    scopes = [("ip", address.ip), ("dkim_domain", verified_domain().name)]
    everywhere = [
        budget
        for provider in ("yahoo", budgets.ALL)
        for budget in budgets.budgets_for(now=now, kind_scopes=scopes, provider=provider)
    ]
    for budget in everywhere:
        limits = {"per_minute": UNLIMITED, "per_hour": UNLIMITED, "per_day": UNLIMITED, "per_connection": UNLIMITED}
        budgets.edit(
            now=now, budget=budget, actor=None, reason="A benchmark", connections=connections, batch_size=batch_size,
            batch_pause=0.0, **limits,
        )  # fmt: skip


# What plans, sweeps and ticks.
ENGINE = {"control": kind("control"), "beat": kind("beat")}
