"""Leavings that came while the database was away: kept on disk before the answer, carried out before anything is sent.

Without the database nothing is granted by the gate. When it is back, the planner carries this journal out before it
plans, the gates of this machine wait for it, and the web process that wrote it tries twice a second.
"""

import logging
import threading
from dataclasses import asdict
from datetime import datetime

from django.db import DatabaseError, DataError, IntegrityError, close_old_connections

from sending.doors import leaving
from sending.doors.leaving import Evidence
from sending.journal import Entry, Journal, Unfit, folder
from sending.pure import tokens
from sending.pure.tokens import Unsubscribe

log = logging.getLogger(__name__)

MOST = 64 * 1024 * 1024
EVERY_SECONDS = 0.5
# The database is there, and says that this is nonsense: another try would hear the same. A table or column that is not
# there is no such case: a migration brings it, and then the person leaves.
REFUSED = (DataError, IntegrityError)

_lock = threading.Lock()
_thread: threading.Thread | None = None
# Never set.
_PAUSE = threading.Event()


def journal() -> Journal:
    return Journal(folder() / "leaving.lines", most=MOST)


def keep(*, now: datetime, asked: Unsubscribe, everything: bool, source: str, evidence: Evidence) -> None:
    """On disk when this returns. Raises OSError where that cannot be."""
    journal().append(
        {
            "at": now.isoformat(),
            "asked": tokens.numbers_of(asked),
            "everything": everything,
            "source": source,
            "evidence": asdict(evidence),
        }
    )
    log.warning("The database is away: somebody's leaving is kept in %s", journal().path)
    _start()


def is_waiting() -> bool:
    return journal().is_waiting()


def carry_out() -> int:
    """Carry out what was kept; returns how many. Raises DatabaseError while that cannot be. Harmless to repeat."""
    waiting = journal()
    return waiting.carry_out(_leave) if waiting.is_waiting() else 0


def _leave(entry: Entry) -> None:
    try:
        asked = tokens.unsubscribe_of(entry["asked"], test=False)
        evidence, at = Evidence(**entry["evidence"]), datetime.fromisoformat(entry["at"])
        leaving.leave(now=at, asked=asked, everything=entry["everything"], source=entry["source"], evidence=evidence)
    except (KeyError, TypeError, ValueError, tokens.BadToken, *REFUSED) as error:
        raise Unfit(f"{type(error).__name__}: {error}") from error


def _start() -> None:
    global _thread
    with _lock:
        if _thread is None or not _thread.is_alive():
            _thread = threading.Thread(target=_try_until_done, name="leavings", daemon=True)
            _thread.start()


def _try_until_done() -> None:
    while is_waiting():
        try:
            n = carry_out()
            if n:
                log.warning("%s leavings that had waited for the database are carried out", n)
        except DatabaseError:
            pass  # it is still away
        except Exception:
            log.exception("What was kept of leavings could not be carried out")
        finally:
            close_old_connections()
        _PAUSE.wait(EVERY_SECONDS)
