"""Weeks of sending in minutes: all of ours that decides and keeps books, on a clock that leaps from event to event.

Real are the database, the press, the planner, the claim, what replies mean and what follows from them, the books of
batches and budgets, the guard, back-off, the nights of the warm-up and what comes of complaints. Simulated are the
receivers, which are asked by a call instead of over SMTP, and the connection: no letter is written, signed or gated.
"""

import heapq
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from lab.persona import Persona
from lab.reputation import Opinion

TICK = timedelta(minutes=5)
# Where nothing could begin, the next looks are further and further apart.
LONGEST_WAIT = timedelta(minutes=40)
# From the reply to a batch's last message to its books being closed.
CLOSING = timedelta(seconds=1)
SECONDS_A_MESSAGE = 0.3
OWNER = 1


@dataclass(frozen=True, slots=True)
class Offer:
    """Ground truth: one message as a receiver saw it, and the name of its answer."""

    at: datetime
    ip: str
    domain: str
    recipient: str
    answer: str


Says = Callable[[Offer], str]


@dataclass
class Receiver:
    """One provider: what it thinks of us, what it answers, how its people take our mail. `says` may answer something
    else than it thinks: it is asked with every offer."""

    provider: str
    persona: Persona
    opinion: Opinion
    says: Says | None = None
    unknown_share: float = 0.003
    complaint_share: float = 0.0002
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))
    # Ground truth, by day of the sender's zone.
    offered: Counter[date] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    offers: list[Offer] = field(default_factory=list)

    def answer(self, *, at: datetime, ip: str, domain: str, recipient: str) -> tuple[str, str]:
        """(name of the reply, its text)."""
        exists = random.Random(recipient).random() >= self.unknown_share
        name = self.opinion.answer(now=at.timestamp(), ip=ip, domain=domain, exists=exists)
        if self.says is not None:
            name = self.says(Offer(at, ip, domain, recipient, name))
        day = at.astimezone(self.zone).date()
        self.offered[day] += 1
        self.answers[name] += 1
        self.offers.append(Offer(at, ip, domain, recipient, name))
        return name, self._text(name, ip=ip, domain=domain, recipient=recipient)

    def _text(self, name: str, **blanks: str) -> str:
        text = self.persona.replies[name]
        for blank, value in {**blanks, "rcpt": blanks["recipient"], "id": "0a1b2c", "host": "mx"}.items():
            text = text.replace("{" + blank + "}", value)
        return text


def virtual_clock(now: datetime) -> Any:
    """A business clock that is set, not read."""
    from sending.running_clock import RunningClock

    class Clock(RunningClock):
        def __init__(self) -> None:
            self.instant = now

        def __call__(self) -> datetime:
            return self.instant

        def at(self, monotonic: float) -> datetime:
            return self.instant

    return Clock()


@dataclass
class Post:
    """Our side of the world, from event to event."""

    receivers: dict[str, Receiver]
    zone: ZoneInfo
    now: datetime
    tick: timedelta = TICK
    seed: int = 1
    messages: int = 0

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self._events: list[tuple[datetime, int, Callable[[], None]]] = []
        self._order = 0
        self._live = 0

    def later(self, at: datetime, act: Callable[[], None]) -> None:
        self._order += 1
        heapq.heappush(self._events, (at, self._order, act))

    def run(self, until: datetime) -> None:
        """Plan every few minutes while mail leaves, and now and then while it can't."""
        wait = self.tick
        while self.now < until:
            at = min(self.now + wait, until)
            while self._events and self._events[0][0] <= at:
                self.now, _order, act = heapq.heappop(self._events)
                act()
            self.now = at
            wait = self.tick if self._tick() or self._live else min(2 * wait, LONGEST_WAIT)

    def _tick(self) -> int:
        """Plan, begin what was planned, let the guard look; returns how many batches began."""
        from sending import completion, guard, plan
        from sending.models import Batch, Mailing

        if not self._live and not Mailing.objects.filter(state="running").exists():
            return 0
        made = plan.tick(now=self.now)
        for batch in Batch.objects.filter(state="planned").order_by("due_at").values_list("pk", flat=True):
            self._begin(batch)
        guard.watch(now=self.now)
        if not made and not self._live:
            completion.complete_if_finished(now=self.now)
        return made

    def _begin(self, batch_id: int) -> None:
        """Claim at its time, hand over message by message, and close its books behind the last reply."""
        from sending.claim import claim
        from sending.loading import load
        from sending.logbook import Logbook

        claimed = claim(now=self.now, batch_id=batch_id, owner=OWNER)
        if claimed is None:
            return
        book = Logbook(claimed)
        found = load(now=self.now, claimed=claimed, requires_tls=False)
        book.leave_out(found.left_out)
        book.returned.extend(found.returned)
        self._live += 1
        conversation = _Conversation(self, book, found.people)
        self.later(max(self.now, claimed.batch.due_at), conversation.go_on)

    def closed(self) -> None:
        self._live -= 1

    def taken(self, book: Any, person: Any, at: datetime) -> None:
        """Some of those who got it call it spam, hours later."""
        receiver = self.receivers[book.claimed.batch.provider]
        if self.random.random() < receiver.complaint_share:
            when = at + timedelta(minutes=self.random.uniform(5, 120))
            mailing, delivery = book.claimed.batch.mailing_id, person.delivery
            way = way_of(book)
            self.later(when, lambda: self._complain(receiver, way, mailing, delivery, when))

    def _complain(self, receiver: Receiver, way: tuple[str, str], mailing: int, delivery: int, at: datetime) -> None:
        from sending import feedback

        receiver.opinion.complain(now=at.timestamp(), ip=way[0], domain=way[1])
        sent = feedback.find_sent(mailing_id=mailing, delivery_id=delivery)
        if sent is not None:
            feedback.complained(at=at, sent=sent, source="report")


def way_of(book: Any) -> tuple[str, str]:
    """(address, signing domain) a batch leaves by."""
    return book.claimed.route.address.ip, book.claimed.mailing.sending_domain.name


class _Conversation:
    """One batch's messages, each at its instant of the virtual clock."""

    def __init__(self, post: Post, book: Any, people: Sequence[Any]) -> None:
        from sending.handing_over import Handover

        self.post, self.book, self.people = post, book, list(people)
        self.batch = book.claimed.batch
        self.clock = virtual_clock(post.now)
        # Only what it makes of replies is used: outcome, retry, ledger, what budgets are told.
        nothing: Any = None
        self.heard = Handover(
            book=book,
            gate=nothing,
            clock=self.clock,
            writer=nothing,
            transport=nothing,
            slot=nothing,
            most_per_connection=None,
        )._heard

    def go_on(self) -> None:
        """A minute's worth at once: nothing that could change in between is read for a batch under way."""
        from sending.pure.dialogue import SmtpReply

        at, post = self.post.now, self.post
        ip, domain = way_of(self.book)
        receiver = post.receivers[self.batch.provider]
        while self.people and not self.book.end_reason:
            person = self.people.pop(0)
            name, text = receiver.answer(at=at, ip=ip, domain=domain, recipient=person.email)
            self.clock.instant = at
            lines = [line[4:] for line in text.split("\n")]
            phase = "rcpt" if name == "unknown" else "dot"
            self.heard(person, SmtpReply(int(text[:3]), "\n".join(lines)), phase)
            post.messages += 1
            if name == "ok":
                post.taken(self.book, person, at)
            at += timedelta(seconds=max(self.batch.gap, SECONDS_A_MESSAGE))
        self.clock.instant = at
        self.book.seconds = SECONDS_A_MESSAGE * self.book.counters.sent
        self.book.hand_back(self.people, due_at=at)
        post.later(at + CLOSING, self._close)

    def _close(self) -> None:
        from sending import finish

        if not finish._finish(self.book, self.post.now):
            raise AssertionError(f"Batch {self.batch.pk} is not ours any more.")
        self.post.closed()


@dataclass
class Naive:
    """A sender without any of it: everything at once, a fixed retry, and no ear for what replies say of it."""

    receivers: dict[str, Receiver]
    ip: str
    domain: str
    a_second: float = 5.0
    again_after: timedelta = timedelta(minutes=5)
    tries: int = 12
    seed: int = 1

    def send(self, *, now: datetime, people: Mapping[str, Sequence[str]]) -> dict[str, Counter[str]]:
        """One campaign to its end: provider → last answers. Complaints follow as they do for us."""
        chance = random.Random(self.seed)
        found: dict[str, Counter[str]] = defaultdict(Counter)
        for provider, addresses in people.items():
            receiver = self.receivers[provider]
            waiting, at, last = list(addresses), now, dict.fromkeys(addresses, "")
            for _try in range(self.tries):
                began, again, complaints = at, [], 0
                for address in waiting:
                    last[address], text = receiver.answer(at=at, ip=self.ip, domain=self.domain, recipient=address)
                    if text[0] == "4":
                        again.append(address)
                    elif last[address] == "ok":
                        complaints += chance.random() < receiver.complaint_share
                    at += timedelta(seconds=1 / self.a_second)
                for _one in range(complaints):
                    receiver.opinion.complain(now=at.timestamp(), ip=self.ip, domain=self.domain)
                waiting, at = again, max(at, began + self.again_after)
                if not waiting:
                    break
            found[provider] = Counter(last.values())
        return found
