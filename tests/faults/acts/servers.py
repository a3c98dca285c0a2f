"""PostgreSQL and the broker are killed, stopped, slow, full, or lose what they have said."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
from celery import current_app
from django.conf import settings
from django.db import connection
from kombu import Queue

from config import embedded, embedded_broker, embedded_postgres
from config.embedded_process import run_as, unprivileged_account
from lab.proxy import Trouble
from tests.faults.acts.processes import send
from tests.faults.world import World

# CommandComplete of a gate's statement with one question, and of a transaction.
ANSWERS = (b"SELECT 1\x00", b"COMMIT\x00", b"UPDATE 1\x00")


def database(world: World, *, times: int) -> Iterator[None]:
    """PostgreSQL is stopped (fast, immediate) or killed, or loses all its sessions, and comes back."""
    run = world.going
    yield
    for _ in range(times):
        world.pause(run.source.uniform(0.5, 3.0))
        how = run.source.choice(["fast", "immediate", "killed", "a backend killed", "sessions ended"])
        _strike(world, how)
        run.notes.append(f"PostgreSQL: {how}")


def _strike(world: World, how: str) -> None:
    pid = embedded_postgres.running_pid(_place().postgres_data)
    assert pid is not None
    if how == "sessions ended":
        world.ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
        return
    if how == "a backend killed":
        backends = world.ask("SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'letterpace-transmit%%'")
        if backends:
            send(world.going.source.choice(backends)[0], signal.SIGKILL)
        return
    send(pid, {"fast": signal.SIGINT, "immediate": signal.SIGQUIT, "killed": signal.SIGKILL}[how])
    connection.close()
    world.pause_blind(world.going.source.uniform(0.0, 3.0))
    start_database()


def start_database() -> None:
    here = _place()
    embedded_postgres.start(
        data=here.postgres_data,
        sockets=here.postgres_sockets,
        log=here.logs / "postgres.log",
        fsync=settings.EMBEDDED_FSYNC,
    )


def _place() -> embedded.Place:
    return embedded.place(settings.VAR_DIR)


def acknowledgements_lost(world: World, *, times: int) -> Iterator[None]:
    """Committed, and the answer never arrives; and the network's other ways to the database."""
    run = world.going
    yield
    for _ in range(times):
        world.pause(run.source.uniform(0.2, 1.5))
        trouble = run.source.choice([
            *(Trouble("reset", towards="client", at=answer, share=0.7, most=3) for answer in ANSWERS),
            Trouble("cut", towards="server", after_bytes=run.source.randint(0, 3000), share=0.3),
            Trouble("hold", towards="client", share=0.5),
            Trouble("delay", seconds=0.3, share=0.5),
        ])  # fmt: skip
        world.stage.database.trouble(trouble)
        world.pause(run.source.uniform(0.3, 2.0))
        world.stage.database.trouble(None)
        run.notes.append(f"database: {trouble.act} {trouble.at!r}")


def adversary(world: World, *, times: int) -> Iterator[None]:
    """Somebody else's session: locks the very rows, in the wrong order, or takes all connections."""
    run = world.going
    yield
    for _ in range(times):
        world.pause(run.source.uniform(0.2, 1.0))
        how = run.source.choice(["batches", "mailing", "connections", "lanes"])
        seconds = run.source.uniform(0.3, 3.0)
        if how == "connections":
            _take_all_connections(world, seconds)
        else:
            _lock(world, how, seconds)
        run.notes.append(f"{how} taken for {seconds:.1f} s")


def _lock(world: World, how: str, seconds: float) -> None:
    table = {
        "batches": "sending_batch WHERE state <> 'done' ORDER BY id DESC",
        "mailing": "sending_mailing",
        "lanes": "sending_mailinglane ORDER BY id DESC",
    }[how]
    with _session() as session:
        try:
            session.execute("SET lock_timeout = '1s'")
            session.execute("BEGIN")
            session.execute(f"SELECT 1 FROM {table} FOR UPDATE")
            world.pause(seconds)
            session.execute("ROLLBACK")
        except psycopg.Error as error:
            world.going.notes.append(f"the adversary lost: {type(error).__name__}")


def _take_all_connections(world: World, seconds: float) -> None:
    taken: list[psycopg.Connection[Any]] = []
    try:
        while len(taken) < 100:
            taken.append(_session())
    except psycopg.OperationalError:
        pass
    world.pause_blind(seconds)
    for session in taken:
        session.close()


def _session() -> psycopg.Connection[Any]:
    return psycopg.connect(host=str(_place().postgres_sockets), user="letterpace", dbname="letterpace", autocommit=True)


def disk_full(world: World) -> Iterator[None]:
    """No process of PostgreSQL can write a byte: it ends itself rather than lie. Then there is room again."""
    run = world.going
    yield
    if shutil.which("prlimit") is None:
        run.notes.append("not done: there is no prlimit here")
        return
    world.pause(run.source.uniform(1.0, 2.0))
    pid = embedded_postgres.running_pid(_place().postgres_data)
    assert pid is not None
    _limit_files([*_children(pid), pid])
    run.notes.append("PostgreSQL could not write")
    connection.close()
    world.pause_blind(run.source.uniform(2.0, 5.0))
    # Those that could not even end themselves.
    for each in [pid, *_children(pid)]:
        send(each, signal.SIGKILL)
    start_database()


def _limit_files(pids: list[int]) -> None:
    """As the account that the server runs as: even root may not limit somebody else's processes everywhere."""
    for pid in pids:
        argv = ["prlimit", "--pid", str(pid), "--fsize=0:unlimited"]
        subprocess.run(argv, capture_output=True, check=False, **run_as(unprivileged_account()))


def _children(pid: int) -> list[int]:
    try:
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def broker(world: World, *, how: str, times: int = 3) -> Iterator[None]:
    """Emptied, restarted, away, or hanging: the rows are the truth, so nothing may be lost but time."""
    run = world.going
    yield
    here = _place()
    for _ in range(times):
        world.pause(run.source.uniform(0.5, 2.0))
        if how == "flushed":
            with current_app.connection_for_write() as link:
                channel: Any = link.default_channel
                channel.client.flushall()
        elif how == "restarted":
            embedded_broker.halt(data=here.broker_data)
            world.pause(run.source.uniform(0.0, 2.0))
            embedded_broker.start(data=here.broker_data, socket=here.broker_socket, log=here.logs / "broker.log")
        else:
            world.stage.broker.trouble(Trouble({"away": "refuse", "hanging": "hold"}[how]))
            if how == "away":
                world.stage.broker.break_all()
            world.pause(run.source.uniform(3.0, 8.0))
            world.stage.broker.trouble(None)
            if how == "hanging":
                world.stage.broker.break_all()
        run.notes.append(f"broker {how}")


def repeated_wake_ups(world: World, *, times: int) -> Iterator[None]:
    """Every wake-up comes three times, shuffled, also those of batches that were over long ago."""
    run = world.going
    yield
    while times and world.is_going():
        times -= 1
        world.pause(0.7)
        batches = [pk for (pk,) in world.ask("SELECT id FROM sending_batch ORDER BY id DESC LIMIT 200")] * 3
        run.source.shuffle(batches)
        for pk in batches:
            queue: Any = Queue("egress.main")
            current_app.send_task("sending.tasks.transmit", args=[pk], queue=queue, expires=30)
    run.notes.append("wake-ups repeated")


def migrating(world: World) -> Iterator[None]:
    """A new database is migrated while the network breaks again and again: it is whole in the end, and nothing else is
    touched."""
    run = world.going
    yield
    world.insist(lambda: _make_database("fresh"))
    tables = "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'"
    url = world.stage.servers["DATABASE_URL"].removesuffix("/letterpace") + "/fresh"
    for tries in range(12):
        seconds = run.source.uniform(0.2, 1.5) * (tries + 1)
        done = _migrate(world, url, break_after=seconds if tries < 11 else 60.0)
        if done:
            break
    run.notes.append(f"migrated at the {tries + 1}. try")
    with psycopg.connect(host=str(_place().postgres_sockets), user="letterpace", dbname="fresh") as session:
        fresh = session.execute(tables + " AND table_name NOT LIKE '%\\_p%'").fetchone()
    ours = world.ask(tables.replace("%", "%%") + " AND table_name NOT LIKE '%%\\_p%%'")[0]
    if fresh != ours:
        run.wrong.append(f"{fresh} tables after migrating through cuts, {ours} without")
    world.insist(lambda: _drop_database("fresh"))


def _migrate(world: World, url: str, *, break_after: float) -> bool:
    argv = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
    env = {**os.environ, "DATABASE_URL": url, "PROCESS_KIND": "command"}
    root = Path(__file__).resolve().parents[3]
    with (world.stage.logs / "migrate.log").open("ab") as out:
        process = subprocess.Popen(argv, cwd=root, env=env, stdout=out, stderr=subprocess.STDOUT)
        if not world.wait(lambda: process.poll() is not None, break_after):
            world.stage.database.break_all()
        world.wait(lambda: process.poll() is not None, 60)
    return process.poll() == 0


def _make_database(name: str) -> None:
    with _session() as session:
        session.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        session.execute(f"CREATE DATABASE {name}")


def _drop_database(name: str) -> None:
    with _session() as session:
        session.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
