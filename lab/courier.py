"""Sends what receivers send: bounces and complaints some time after a message was accepted, and mail a relay passes
on.
"""

import asyncio
import contextlib
import heapq
import itertools
import smtplib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from lab.clock import LabClock
from lab.recorder import Recorder

CONNECT_SECONDS = 20
ATTEMPTS = 6
RETRY_SECONDS = 30.0
WORKERS = 4


@dataclass(frozen=True)
class Parcel:
    """`route` names (host, port) when the parcel is due, or None when there is no way there; `refused` is called with
    a final 5xx text.
    """

    kind: str
    persona: str
    source: str
    sender: str
    recipient: str
    about: str
    message: Callable[[], bytes]
    route: Callable[[], tuple[str, int] | None]
    refused: Callable[[str], None] | None = None
    attempt: int = 1


class Courier:
    def __init__(self, *, clock: LabClock, recorder: Recorder, time_factor: float) -> None:
        self._clock = clock
        self._recorder = recorder
        self._retry = RETRY_SECONDS / time_factor
        self._due: list[tuple[float, int, Parcel]] = []
        self._numbers = itertools.count()
        self._changed = asyncio.Event()
        self._slots = asyncio.Semaphore(WORKERS)
        self._threads = ThreadPoolExecutor(WORKERS, thread_name_prefix="lab-courier")
        self._running: set[asyncio.Task[None]] = set()

    def post(self, parcel: Parcel, delay: float) -> None:
        """Send the parcel `delay` seconds from now, by the lab's clock."""
        heapq.heappush(self._due, (self._clock.now() + delay, next(self._numbers), parcel))
        self._changed.set()

    def look_again(self) -> None:
        """The clock has jumped."""
        self._changed.set()

    @property
    def waiting(self) -> int:
        """Parcels not yet handed over."""
        return len(self._due) + len(self._running)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._changed.clear()
            while self._due and self._due[0][0] <= self._clock.now():
                self._begin(heapq.heappop(self._due)[2])
            pause = self._due[0][0] - self._clock.now() if self._due else None
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), pause)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _begin(self, parcel: Parcel) -> None:
        task = asyncio.create_task(self._deliver(parcel))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _deliver(self, parcel: Parcel) -> None:
        async with self._slots:
            route = parcel.route()
            if route is None:
                self._note(parcel, "return_failed", reply="no route: no MX with an address for the recipient")
                return
            loop = asyncio.get_running_loop()
            permanent, reply = await loop.run_in_executor(self._threads, _hand_over, parcel, route)
        self._settle(parcel, permanent, reply)

    def _settle(self, parcel: Parcel, permanent: bool, reply: str) -> None:
        if reply.startswith("2"):
            self._note(parcel, f"{parcel.kind}_sent", reply=reply)
        elif permanent or parcel.attempt >= ATTEMPTS:
            self._note(parcel, "return_failed", reply=reply)
            if parcel.refused:
                parcel.refused(reply)
        else:
            again = Parcel(**{**parcel.__dict__, "attempt": parcel.attempt + 1})
            self.post(again, self._retry)

    def _note(self, parcel: Parcel, event: str, reply: str) -> None:
        facts = {
            "sender": parcel.sender,
            "recipient": parcel.recipient,
            "about": parcel.about,
            "attempt": parcel.attempt,
        }
        self._recorder.write(event, parcel.persona, kind=parcel.kind, reply=reply, **facts)


def _hand_over(parcel: Parcel, route: tuple[str, int]) -> tuple[bool, str]:
    """Whether a failure is permanent, and the reply or the error."""
    try:
        with smtplib.SMTP(
            *route, local_hostname="lab.example", timeout=CONNECT_SECONDS, source_address=(parcel.source, 0)
        ) as client:
            if client.has_extn("starttls") or (client.ehlo() and client.has_extn("starttls")):
                client.starttls()
                client.ehlo()
            client.sendmail(parcel.sender, [parcel.recipient], parcel.message())
        return False, "250 accepted"
    except smtplib.SMTPRecipientsRefused as error:
        code, text = next(iter(error.recipients.values()))
        return code >= 500, f"{code} {_text(text)}"
    except smtplib.SMTPResponseException as error:
        return error.smtp_code >= 500, f"{error.smtp_code} {_text(error.smtp_error)}"
    except (OSError, smtplib.SMTPException) as error:
        return False, f"{type(error).__name__}: {error}"


def _text(said: Any) -> str:
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
