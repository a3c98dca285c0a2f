"""Readers of the demo who open the letter they got, follow a link of it or leave by it, and programs that only look.

Each of them does it over HTTP, with the addresses that stand in the very letter.
"""

import random
import re
import threading
import urllib.parse
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email import message_from_string, policy
from email.message import EmailMessage
from http.client import HTTPConnection, HTTPException

from django.db import connection

from audiences.models import Subscriber
from config.demo import clicks
from config.demo.stage import Stage
from sending.models import Delivery, Mailing, Outcome

# Of those who got it: who looks, whose program looks alone, and of the lookers who follows a link or leaves.
OPENED, BY_PROGRAM, CLICKED, LEFT = 0.38, 0.16, 0.16, 0.006
EVERY_SECONDS = 1.0
# An answer is written down at the latest so long after it came.
LATE = timedelta(seconds=60)
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
PERSON = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
PROGRAM = "Mozilla/5.0"  # as Apple's privacy proxy names itself
_ADDRESS = re.compile(r"https?://[^\s\"<>]+/(?P<door>[lo])/[\w-]+(?:\.gif|/\d+)")


class Reading:
    """A thread that reads along while a mailing is sent. `seed`: the same people do the same each time."""

    def __init__(self, stage: Stage, mailing: Mailing, seed: int) -> None:
        self._stage, self._mailing, self._seed = stage, mailing, seed
        self._seen: set[int] = set()
        self._since = EPOCH
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._read_along, daemon=True)

    def begin(self) -> None:
        self._thread.start()

    def end(self) -> None:
        """Everybody has the letter: let the last ones read it."""
        self._is_over.set()
        self._thread.join(60)

    def _read_along(self) -> None:
        try:
            is_last = False
            while not is_last:
                is_last = self._is_over.wait(EVERY_SECONDS)
                for delivery, address in self._new_ones():
                    # Who finds nobody at home goes on with their day.
                    with suppress(OSError, HTTPException):
                        self._read(address, random.Random(f"{self._seed}:{delivery}"))
        finally:
            connection.close()

    def _new_ones(self) -> list[tuple[int, str]]:
        """Who has got it since the last look: delivery and address."""
        accepted = Outcome.objects.filter(mailing_id=self._mailing.pk, kind="accepted", at__gt=self._since)
        times = dict(accepted.values_list("delivery", "at"))
        self._since = max([self._since, *(at - LATE for at in times.values())])
        new = times.keys() - self._seen
        self._seen |= new
        written_to = Delivery.objects.filter(mailing_id=self._mailing.pk, id__in=new)
        people = dict(written_to.values_list("id", "subscriber_id"))
        emails = dict(Subscriber.objects.filter(pk__in=people.values()).values_list("pk", "email"))
        return [(delivery, emails[person]) for delivery, person in sorted(people.items()) if person in emails]

    def _read(self, address: str, chance: random.Random) -> None:
        is_person, is_program = (chance.random() < share for share in (OPENED, BY_PROGRAM))
        if not is_person and not is_program:
            return
        letter = _letter(self._stage, address, self._mailing)
        if letter is None:
            return
        links, pixels = _addresses(letter, "l"), _addresses(letter, "o")
        if pixels:
            _fetch(pixels[0], PERSON if is_person else PROGRAM)
        if is_person and links and chance.random() < CLICKED:
            # The first the most.
            _fetch(links[int(len(links) * chance.random() ** 2)], PERSON)
        if is_person and chance.random() < LEFT:
            clicks.leave(letter, address)


def _letter(stage: Stage, address: str, mailing: Mailing) -> EmailMessage | None:
    """What this receiver keeps of the mailing for them; the oldest are forgotten."""
    for text in clicks.messages_of(stage, address):
        message = message_from_string(text, policy=policy.default)
        if str(message.get("X-Letterpace-Mailing", "")) == str(mailing.pk):
            return message
    return None


def _addresses(letter: EmailMessage, door: str) -> list[str]:
    """The tracked addresses of a letter that lead to this door, each once and in order."""
    body = letter.get_body(("html",))
    found = _ADDRESS.finditer(body.get_content() if body else "")
    return list(dict.fromkeys(match[0] for match in found if match["door"] == door))


def _fetch(url: str, agent: str) -> None:
    """No redirect is followed: the shop is not on this machine."""
    parts = urllib.parse.urlsplit(url)
    asked = HTTPConnection(parts.hostname or "127.0.0.1", parts.port or 80, timeout=10)
    try:
        asked.request("GET", parts.path, headers={"User-Agent": agent})
        asked.getresponse().read()
    finally:
        asked.close()
