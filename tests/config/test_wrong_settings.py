"""A wrong setting stops the start with one sentence that names it and says what to set."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
POSTGRES = "postgres://lp:geheim@127.0.0.1:1/lp"


def start(tmp_path, *command, **environment):
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    env = {**kept, "VAR_DIR": str(tmp_path / "var"), **environment}
    argv = [sys.executable, str(ROOT / "manage.py"), *(command or ["check"])]
    return subprocess.run(argv, env=env, capture_output=True, text=True, check=False, cwd=tmp_path)


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("DEBUG", "flase", "must be yes or no"),
        ("DATABASE_URL", "mysql://root:geheim@localhost/x", "must be a PostgreSQL address"),
        ("DATABASE_URL", "postgres://lp:geheim@127.0.0.1", "must end with the name of a database"),
        ("CELERY_BROKER_URL", "kafka://geheim@localhost", "must be a Redis, Valkey or RabbitMQ address"),
        ("PUBLIC_URL", "mail.example.com", "must be a full web address"),
        ("ALLOWED_HOSTS", "*", "must name the hosts"),
        ("TRANSMIT_THREADS", "many", "must be a whole number from 1 to 512"),
        ("SMTP_PORT", "2525", "only together with LAB=yes"),
        ("TIME_FACTOR", "-1", "must be a number above 0"),
        ("TIME_FACTOR", "60", "only together with LAB=yes"),
        ("DNS_SERVERS", "127.0.0.1", "must be a host and a port"),
        ("EGRESS_HOST", "a b", "letters, digits and hyphens"),
        ("SECRET_KEY", "short-geheim", "at least 32 characters"),
        ("LOG_LEVEL", "loud", "must be DEBUG, INFO, WARNING or ERROR"),
    ],
)
def test_it_names_the_setting_and_gives_an_example(tmp_path, name, value, problem):
    done = start(tmp_path, **{name: value})
    assert done.returncode == 1
    assert done.stderr.startswith(f"Letterpace can't start: {name} ")
    assert problem in done.stderr
    assert f"{name}=" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("name", ["DATABASE_URL", "CELERY_BROKER_URL", "SECRET_KEY"])
def test_it_never_shows_the_value_which_may_hold_a_password(tmp_path, name):
    assert "geheim" not in start(tmp_path, **{name: "x://geheim"}).stderr


def test_in_production_a_missing_key_is_not_made_but_asked_for(tmp_path):
    done = start(tmp_path, DATABASE_URL=POSTGRES)
    assert "manage.py make_keys" in done.stderr
    assert not (tmp_path / "var").exists()


def test_make_keys_makes_them_once_readable_by_the_owner_only_and_prints_none(tmp_path):
    made = start(tmp_path, "make_keys", DATABASE_URL=POSTGRES)
    assert made.returncode == 0, made.stderr
    keys = {path.name: path.read_bytes() for path in (tmp_path / "var" / "keys").iterdir()}
    assert sorted(keys) == ["django", "pepper", "seal-1", "tokens-1"]
    for path in (tmp_path / "var" / "keys").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert path.read_bytes().hex() not in made.stdout

    again = start(tmp_path, "make_keys", DATABASE_URL=POSTGRES)
    assert "already" in again.stdout
    assert {path.name: path.read_bytes() for path in (tmp_path / "var" / "keys").iterdir()} == keys


def test_a_damaged_key_stops_the_start(tmp_path):
    start(tmp_path, "make_keys", DATABASE_URL=POSTGRES)
    (tmp_path / "var" / "keys" / "pepper").write_bytes(b"half")
    assert "is damaged: 4 bytes instead of 32" in start(tmp_path, DATABASE_URL=POSTGRES).stderr


def test_the_deployment_check_is_clean_with_the_settings_of_production(tmp_path):
    production = {"DATABASE_URL": POSTGRES, "CELERY_BROKER_URL": "redis://b:1/0", "PUBLIC_URL": "https://m.example.com"}
    start(tmp_path, "make_keys", **production)
    done = start(tmp_path, "check", "--deploy", "--fail-level", "WARNING", **production)
    assert done.returncode == 0, done.stderr


def test_a_help_text_starts_no_server(tmp_path):
    assert start(tmp_path, "migrate", "--help").returncode == 0
    assert not (tmp_path / "var" / "postgres").exists()
