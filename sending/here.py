"""This worker process: its gate, hub and flight recorder, made at the first need, one each for all its threads."""

import os
import secrets
import threading
import time
from typing import Any

import psycopg
from django.conf import settings
from django.db import connection as django_connection

from sending import boot_identity, crashes, leaving_later
from sending.flight_recorder import Recorder
from sending.gate import Gate
from sending.hub import Hub
from sending.workers import Worker

_lock = threading.Lock()
_gate: Gate | None = None
_hub: Hub | None = None
_recorder: Recorder | None = None

# A web process on another machine, whose journal this one cannot see, carries out twice a second what it kept while the
# database was away: whoever left then is given so long before anybody is granted again.
HOLD_OFF_SECONDS = 2.0
_was_tried = False
_back_at = float("-inf")

# What a lost network would otherwise hang on for many minutes.
_SOCKET_OPTIONS = {
    "connect_timeout": 5,
    "tcp_user_timeout": 5000,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
}
_SESSION = (
    "SET synchronous_commit = on; SET lock_timeout = '250ms'; SET statement_timeout = '2s'; "
    "SET idle_in_transaction_session_timeout = '10s'; SET timezone = 'UTC'; "
    # Planning the gate's statement anew costs ten times what carrying it out does.
    "SET plan_cache_mode = force_generic_plan; "
    # All it looks up it looks up by key, whatever the statistics of a table said that was small when it planned.
    "SET enable_seqscan = off"
)
# Django hands these to psycopg; a plain connection wants its own.
_NOT_OURS = ("cursor_factory", "context", "prepare_threshold")


def gate() -> Gate:
    """The process's gate. Its worker holds the advisory lock from the first question on."""
    global _gate
    with _lock:
        if _gate is None or not _gate.is_alive():
            worker = Worker(egress_host=settings.EGRESS_HOST, kind=settings.PROCESS_KIND)
            _gate = Gate(worker=worker, connect=connect, must_wait=_must_wait)
            _gate.start()
        return _gate


def _must_wait() -> bool:
    return leaving_later.is_waiting() or time.monotonic() - _back_at < HOLD_OFF_SECONDS


def hub() -> Hub:
    """What drives the dialogues of this process."""
    global _hub
    with _lock:
        if _hub is None or not _hub.is_alive():
            _hub = Hub()
            _hub.start()
        return _hub


def recorder() -> Recorder:
    """Where this process notes what it has in hand."""
    global _recorder
    with _lock:
        if _recorder is None:
            _recorder = Recorder(crashes.folder(), f"{os.getpid()}-{secrets.token_hex(4)}")
        return _recorder


def close() -> None:
    """End the gate when the process ends in order; what is still to be settled is settled first."""
    global _gate, _recorder, _was_tried, _back_at
    with _lock:
        if _gate is not None:
            _gate.close()
        if _recorder is not None:
            _recorder.close()
        _gate = _recorder = None
        _was_tried, _back_at = False, float("-inf")


def connect() -> psycopg.Connection[Any]:
    """A direct connection in autocommit, with the gate's time limits; not through Django, whose limits are others."""
    global _was_tried, _back_at
    again, _was_tried = _was_tried, True
    params = {k: v for k, v in django_connection.get_connection_params().items() if k not in _NOT_OURS}
    connection = psycopg.connect(**{**params, **_SOCKET_OPTIONS}, autocommit=True)
    connection.execute(_SESSION)
    # Before the first question: a restored database's batches must find that all sending is stopped.
    boot_identity.check(connection.cursor())
    if again:
        _back_at = time.monotonic()
    return connection
