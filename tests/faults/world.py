"""The world of the fault runs: built once; each run has people, a list and a campaign of its own in it."""

import random
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from django.core.management import call_command
from django.db import Error, connection
from django.utils import timezone

from audiences import consent
from audiences.keys import key_of
from audiences.models import MailingList, Subscriber, Subscription
from campaigns import schedule
from campaigns.models import Campaign
from config.demo import world
from lab import ledger
from reputation import budgets, recipients
from reputation.models import Budget, Workspace
from sending import mailings
from sending.models import Mailing, Pool
from sending.takeover import STOPPED
from tests.faults import points
from tests.faults.processes import Death, Process, Processes
from tests.faults.stage import HOSTERS, RATE_FACTOR, Stage

# Where people have their mail, and how many of a hundred.
MAIL = {"gmail.com": 34, "hotmail.com": 22, "yahoo.com": 18, "icloud.com": 10, "gmx.de": 8, "hoster": 8}
DONE_WITHIN = 150.0
POLL = 0.05


def now() -> datetime:
    return timezone.now()  # clock: entry


@dataclass
class Run:
    """One mailing and what befell it."""

    number: int
    seed: int
    fault: str
    source: random.Random
    ledger_from: int
    mailing: Mailing | None = None
    people: list[str] = field(default_factory=list)
    # Someone told that they left, and when (seconds since 1970).
    left: dict[str, float] = field(default_factory=dict)
    # On the wire of a process that was stopped: the one thing that may come late.
    excused: set[str] = field(default_factory=set)
    # From and to when (seconds since 1970) nothing was to leave.
    paused: list[tuple[float, float]] = field(default_factory=list)
    kills: list[str] = field(default_factory=list)
    # As many as connections were open at kills, and answers were kept from us.
    may_be_unknown: int = 0
    notes: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    @property
    def id(self) -> int:
        assert self.mailing is not None
        return self.mailing.pk


@dataclass
class World:
    """`run`: the one that is going on."""

    stage: Stage
    pool: Pool
    lab: world.Lab
    processes: Processes
    run: Run | None = None

    @property
    def going(self) -> Run:
        """Raises LookupError between two runs."""
        if self.run is None:
            raise LookupError("No run is going on.")
        return self.run

    # -- Looking on ----------------------------------------------------------------------------------------------------

    def ask(self, sql: str, *params: Any) -> list[tuple[Any, ...]]:
        """Rows, as soon as there is a database to ask."""
        found: list[tuple[Any, ...]] = self.insist(lambda: _rows(sql, params))
        return found

    def insist(self, work: Callable[[], Any], seconds: float = 90.0) -> Any:
        """Do it again until the database takes it: it may be one of those that are being killed."""
        until = time.monotonic() + seconds
        while True:
            try:
                return work()
            except Error:
                connection.close()
                if time.monotonic() > until:
                    raise
                time.sleep(0.2)

    def state(self) -> str:
        return str(self.ask("SELECT state FROM sending_mailing WHERE id = %s", self.going.id)[0][0])

    def n_waiting(self) -> int:
        """People of the run's mailing without a final outcome."""
        sql = """SELECT m.total - (SELECT count(*) FROM sending_outcome o
                                   WHERE o.mailing_id = m.id AND o.kind <> 'deferred')
                 FROM sending_mailing m WHERE id = %s"""
        return int(self.ask(sql, self.going.id)[0][0])

    def is_going(self) -> bool:
        return self.state() in (Mailing.State.RUNNING, Mailing.State.PAUSED) and self.n_waiting() > 0

    def wait(self, condition: Callable[[], object], seconds: float) -> bool:
        """Tend the processes until it holds; False when the time is up first."""
        until = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > until:
                return False
            self.processes.tend()
            time.sleep(POLL)
        return True

    def pause(self, seconds: float) -> None:
        self.wait(lambda: False, seconds)

    def pause_blind(self, seconds: float) -> None:
        """Without tending: there is no database to ask what the dead have left."""
        time.sleep(seconds)

    # -- Killing -------------------------------------------------------------------------------------------------------

    def alive(self, kind: str) -> list[Process]:
        found = self.processes.of_kind(kind)
        return [each for each in found if each.runs and not each.is_stopped and not each.stays_away]

    def busy(self) -> list[Process]:
        """Workers that are sending right now."""
        sql = """SELECT DISTINCT w.pid FROM sending_batch b JOIN sending_worker w ON w.id = b.owner
                 WHERE b.state = 'running'"""
        rows = self.ask(sql)
        pids = {pid for (pid,) in rows}
        return [each for each in self.alive("transmit") if each.pid in pids]

    def place(self, name: str) -> points.Place:
        return points.Place(self.stage.folder, name)

    def die_at(
        self, process: Process, point: points.Point, *, nth: int, within: float = 6.0, act: str = "kill"
    ) -> bool:
        """Let it die there; False when it did not come there in time."""
        place = self.place(process.name)
        process.may_die = True
        place.arm(point, nth=nth, act=act)
        self.wait(lambda: place.fired.exists() or not self.is_going(), within)
        place.disarm()
        if place.fired.exists():
            self.going.kills.append(f"{process.name} at “{point.name}” ({nth})")
            return True
        process.may_die = False
        return False

    def note_death(self, death: Death) -> None:
        """How many connections were open: as many as batches it had."""
        if self.run is None:
            return
        if not death.wanted:
            self.run.wrong.append(f"{death.name} ended by itself, with {death.code}")
        if death.kind in ("transmit", "transactional"):
            self.run.may_be_unknown += self.slots_of(death.pid)

    def slots_of(self, pid: int) -> int:
        sql = """SELECT count(*) FROM sending_batch b JOIN sending_worker w ON w.id = b.owner
                 WHERE b.state = 'running' AND w.pid = %s"""
        return int(self.ask(sql, pid)[0][0])

    def on_the_wire_of(self, pid: int) -> set[str]:
        """Whom its granted intents are for."""
        sql = """SELECT s.email FROM sending_batch b JOIN sending_worker w ON w.id = b.owner
                 JOIN sending_delivery d ON d.mailing_id = b.mailing_id AND d.id = b.intent
                 JOIN audiences_subscriber s ON s.id = d.subscriber_id
                 WHERE b.state = 'running' AND w.pid = %s"""
        return {email for (email,) in self.ask(sql, pid)}

    def holds_nothing(self, pid: int) -> bool:
        return not self.slots_of(pid)

    def let_leases_lapse(self, pid: int) -> None:
        """A minute passes for a process that stands still."""
        sql = """UPDATE sending_batch SET lease_until = clock_timestamp() - interval '1 second'
                 WHERE state = 'running' AND owner IN (SELECT id FROM sending_worker WHERE pid = %s) RETURNING id"""
        self.ask(sql, pid)

    def let_ghosts_go(self) -> None:
        """Ten minutes pass for the connections of stopped workers: they have ended meanwhile."""
        sql = """UPDATE sending_batch SET ended_at = ended_at - interval '10 minutes'
                 WHERE state = 'done' AND end_reason = %s AND ended_at > now() - interval '9 minutes' RETURNING id"""
        self.ask(sql, STOPPED)

    # -- People and receivers ------------------------------------------------------------------------------------------

    def people_leave(self, n: int) -> None:
        """Somebody who still waits uses their one-click address; noted is when they were told that it is done."""
        run = self.going
        sql = """SELECT s.id, s.email FROM sending_delivery d JOIN audiences_subscriber s ON s.id = d.subscriber_id
                 WHERE d.mailing_id = %s AND NOT EXISTS (SELECT 1 FROM sending_outcome o
                       WHERE o.mailing_id = d.mailing_id AND o.delivery = d.id AND o.kind <> 'deferred')
                 ORDER BY d.id"""
        waiting = [row for row in self.ask(sql, run.id) if row[1] not in run.left]
        for subscriber, email in run.source.sample(waiting, min(n, len(waiting))):
            self.insist(partial(_leave, subscriber))
            run.left[email] = time.time()  # clock: entry

    def pause_mailing(self, seconds: float) -> None:
        mailing = self.going.id
        self.insist(lambda: mailings.pause(now=now(), mailing_id=mailing))
        began = time.time()  # clock: entry
        self.pause(seconds)
        self.going.paused.append((began, time.time()))  # clock: entry
        self.insist(lambda: mailings.resume(now=now(), mailing_id=mailing))

    def unanswered(self) -> int:
        """Dots that receivers saw and never answered, and those they broke off before, for all we know."""
        breaks = ("drop at reply", "drop in body")
        kept = [row for row in ledger.rows(self.stage.ledger, "hangup") if row["why"] in breaks]
        return len(ledger.unanswered(self.stage.ledger)) + len(kept)

    # -- A run ---------------------------------------------------------------------------------------------------------

    def begin(
        self, run: Run, *, people: int, magic: Iterable[tuple[str, float]] = (), per_hour: int | None = None
    ) -> None:
        """People in, and a campaign to them that is due at once."""
        self.run = run
        readers = MailingList.objects.create(name=f"run {run.number}", public_name="News", opt_in="single")
        made = [Subscriber(email=email, address_key=key_of(email), domain=email.partition("@")[2],
                           fields={"first_name": f"Ada {n}"})
                for n, email in enumerate(_addresses(run, people, list(magic)))]  # fmt: skip
        Subscriber.objects.bulk_create(made)
        Subscription.objects.bulk_create(
            Subscription(subscriber=person, list=readers, state=Subscription.State.SUBSCRIBED, since=now())
            for person in made
        )
        run.people = [person.email for person in made]
        campaign = world.campaign(
            now=now(),
            pool=self.pool,
            name=f"Run {run.number}",
            subject="News for {{ contact.first_name }}",
            letter=LETTER,
        )
        campaign.included_lists.set([readers])
        if per_hour:
            Campaign.objects.filter(pk=campaign.pk).update(per_hour=per_hour)
        self.insist(lambda: schedule.schedule(now=now(), campaign_id=campaign.pk, by=None))
        key = f"campaign:{campaign.pk}"

        def launched() -> bool:
            run.mailing = self.insist(lambda: Mailing.objects.filter(launch_key=key).first())
            return run.mailing is not None

        if not self.wait(launched, 60):
            raise RuntimeError(f"Run {run.number} was not launched: {Campaign.objects.get(pk=campaign.pk).problem}")

    def heal(self) -> None:
        """All troubles are over, and everybody is there again."""
        for proxy in (self.stage.smtp, self.stage.database, self.stage.broker):
            proxy.trouble(None)
        for process in self.processes.all.values():
            self.place(process.name).disarm()
        self.processes.come_back()
        self.processes.tend()

    def wait_until_done(self) -> bool:
        return self.wait(self._is_done, DONE_WITHIN)

    def _is_done(self) -> bool:
        self.insist(self.let_anger_pass)
        return self.state() == Mailing.State.DONE

    def let_anger_pass(self) -> None:
        """Hours pass for the limits that a receiver's answer slowed or held."""
        for budget in Budget.objects.exclude(state=Budget.State.OPEN):
            if budgets.release(now=now(), budget=budget, actor=None, reason="Hours have passed"):
                self.going.notes.append(f"{budget} had been slowed: {budget.state_reason or 'released'}")


def _leave(subscriber: int) -> None:
    consent.unsubscribe(now=now(), subscriber_id=subscriber, stream_too=True, source="one-click")


LETTER = """Dear {{ contact.first_name | default: "reader" }},

the shelf by the window is full. [Have a look](https://www.harbour-books.example/new).

Mara, Harbour Books
"""


def build(stage: Stage) -> World:
    """Migrated, with a shop that may send from our address, and people's domains looked up."""
    call_command("migrate", verbosity=0)
    lab = world.Lab(control=stage.control, inbound_host="127.0.0.1", inbound_port=0)
    pool = world.build(now=now(), lab=lab, factor=RATE_FACTOR)
    Workspace.objects.update(undo_seconds=0)
    domains = [*(name for name in MAIL if name != "hoster"), *map(_hoster, range(1, HOSTERS + 1))]
    recipients.learn(now=now(), domains=domains)
    while recipients.refresh(now=now(), limit=500):
        pass
    # The limits of small sites are for hours and days; the runs have minutes.
    world.limit_sites(now=now(), factor=10_000)
    return World(stage, pool, lab, Processes(stage))


def _hoster(n: int) -> str:
    return f"hoster-{n:04}.example"


def _addresses(run: Run, n: int, magic: list[tuple[str, float]]) -> list[str]:
    found = []
    for number in range(n):
        domain = run.source.choices(list(MAIL), list(MAIL.values()))[0]
        if domain == "hoster":
            domain = _hoster(run.source.randint(1, HOSTERS))
        draw, prefix = run.source.random(), ""
        for name, share in magic:
            if 0 <= draw < share:
                prefix = f"{name}-"
            draw -= share
        found.append(f"{prefix}p{run.number}-{number}@{domain}")
    return found


def _rows(sql: str, params: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return list(cursor.fetchall())
