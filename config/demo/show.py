"""The show: people in, an earlier campaign, then the real one, while people unsubscribe and complain; then the sums."""

import random
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from io import StringIO
from pathlib import Path
from typing import Any

from celery import current_app
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from audiences.models import MailingList, Subscriber
from campaigns import schedule
from campaigns.models import Campaign
from config.demo import clicks, people, world
from config.demo.reading import Reading
from config.demo.stage import Stage
from config.processes import KINDS
from config.supervisor import Supervisor
from reputation import recipients
from sending.models import Batch, Event, Inbound, Mailing, Pool
from sending.progress import progress_of

SEED = 1126
# The earlier campaign went to this share of the people: enough for one in a hundred to use its link now.
EARLIER_SHARE = 0.03
UNSUBSCRIBE_SHARE = 0.01
# Workers that `--chaos` kills.
MORTALS = ("control", "transmit", "transactional", "beat")
KILL_EVERY = 10.0


@dataclass
class Show:
    """What was done and seen; `config.demo.sums` makes the figures of it."""

    stage: Stage
    recipients: int
    chaos: bool
    say: Callable[[str], None]
    beat: bool = True
    flush: bool = False
    readers: bool = True
    supervisor: Supervisor = field(default_factory=lambda: Supervisor(patience=30))
    mailing: Mailing | None = None
    earlier: Mailing | None = None
    posts: list[clicks.Post] = field(default_factory=list)
    kills: int = 0
    open_at_kills: int = 0
    started_at: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started_at


def now() -> datetime:
    return timezone.now()  # clock: entry


def prepare(show: Show) -> Pool:
    """Migrate, build the world, and bring in the first people."""
    call_command("migrate", verbosity=0)
    pool = world.build(now=now(), lab=show.stage.lab(), factor=show.stage.factor)
    bring_in(show, start=0, n=max(50, round(show.recipients * EARLIER_SHARE)))
    return pool


def bring_in(show: Show, *, start: int, n: int) -> None:
    """Import people from a CSV file, the way a marketer does, and look up where their mail goes."""
    path = Path(show.stage.folder, f"people-{start}.csv")
    people.write_csv(
        path, people.readers(n, seed=SEED, hosters=people.hosters_for(show.recipients), start=start, fated=start > 0)
    )
    show.say(f"importing {n:,} people from {path.name}")
    call_command(
        "import_subscribers",
        str(path),
        list=world.NEWSLETTER,
        consent="They subscribed in the shop or on our page, and confirmed.",
        verbosity=0,
        stdout=StringIO(),
    )
    recipients.learn(now=now(), domains=Subscriber.objects.values_list("domain", flat=True).distinct())
    while recipients.refresh(now=now(), limit=500):
        pass
    world.limit_sites(now=now(), factor=show.stage.factor)


def open_the_house(show: Show) -> None:
    """Web, workers, beat and the listener, each a process of its own."""
    for kind in KINDS:
        if kind == "beat" and not show.beat:
            continue
        # Django keeps every query while debugging, and only the pages need its static files.
        debug = {"DEBUG": "yes" if kind == "web" else "no"}
        show.supervisor.start(kind, env=debug, log=Path(show.stage.folder, f"{kind}.log"))


def send_earlier(show: Show, pool: Pool) -> None:
    campaign = world.campaign(
        now=now(),
        pool=pool,
        name="Autumn arrivals",
        subject="The autumn boxes are unpacked",
        letter=world.EARLIER_LETTER,
    )
    show.say("sending the earlier campaign")
    show.earlier = earlier = _send(show, campaign)
    # The last few of it, who are tried again, may run beside the next one, as they do in life.
    wait(show, lambda: progress_of(earlier).percent >= 95, seconds=180, what="most of the earlier campaign to be sent")


def send(show: Show, pool: Pool) -> None:
    """The real one. Returns when everybody has a final outcome and every report was read."""
    links = clicks.links_of(show.stage, show.earlier, UNSUBSCRIBE_SHARE * show.recipients, random.Random(SEED))
    campaign = world.campaign(
        now=now(),
        pool=pool,
        name="Winter reading list",
        subject='{{ contact.first_name | default: "Dear reader" }}, three books for long evenings',
        letter=world.LETTER,
    )
    show.say(f"sending “{campaign.name}” to {Subscriber.objects.count():,} people")
    show.mailing = _send(show, campaign)
    unsubscribing = threading.Thread(target=_unsubscribe, args=(show, links), daemon=True)
    unsubscribing.start()
    reading = Reading(show.stage, show.mailing, SEED) if show.readers else None
    if reading:
        reading.begin()
    if show.flush:
        flush_broker(show)
    wait_until_done(show, show.mailing, seconds=1800)
    if show.earlier is not None:
        wait_until_done(show, show.earlier, seconds=600)
    unsubscribing.join(60)
    wait_for_reports(show)
    if reading:
        reading.end()


def _send(show: Show, campaign: Campaign) -> Mailing:
    schedule.schedule(now=now(), campaign_id=campaign.pk, by=None)

    def launched() -> bool:
        campaign.refresh_from_db()
        if campaign.state == Campaign.State.DRAFT:
            raise RuntimeError(f"“{campaign.name}” was not launched: {campaign.problem}")
        return campaign.mailing is not None

    wait(show, launched, seconds=60, what=f"“{campaign.name}” to be launched")
    return Mailing.objects.get(launch_key=f"campaign:{campaign.pk}")


def _unsubscribe(show: Show, links: list[clicks.OneClick]) -> None:
    """People use the earlier letter's one-click address while the new one is on its way."""
    try:
        for link in links:
            show.posts.append(clicks.post(link, show.mailing))
    finally:
        connection.close()


def wait_until_done(show: Show, mailing: Mailing, *, seconds: float) -> None:
    shown = 0.0

    def done() -> bool:
        nonlocal shown
        mailing.refresh_from_db()
        if mailing.state in (Mailing.State.HELD, Mailing.State.STOPPED):
            raise RuntimeError(f"“{mailing.name}” was {mailing.state}: {mailing.state_reason}")
        if time.monotonic() - shown > 5:
            shown = time.monotonic()
            show.say(_progress(mailing))
        return mailing.state == Mailing.State.DONE

    wait(show, done, seconds=seconds, what=f"“{mailing.name}” to be done")


def _progress(mailing: Mailing) -> str:
    found = progress_of(mailing)
    whole = found.sum
    return (
        f"{found.percent:3d} %  {whole.accepted:,} accepted, {whole.bounced:,} bounced, {whole.not_sent:,} left out, "
        f"{whole.waiting:,} waiting ({found.retrying:,} to be tried again)"
    )


def wait_for_reports(show: Show, seconds: float = 90) -> None:
    """Bounces and complaints come back by mail, later; wait until the lab has sent and we have read all of them."""

    def read() -> bool:
        sent, arrived = clicks.reports_sent(show.stage), Inbound.objects.count()
        return arrived >= sent and not Inbound.objects.filter(state=Inbound.State.NEW).exists()

    show.say("waiting for late bounces and complaints")
    try:
        wait(show, read, seconds=seconds, what="the reports to be read", settle=3.0)
    except TimeoutError as error:
        show.say(str(error))


def wait(show: Show, true: Callable[[], bool], *, seconds: float, what: str, settle: float = 0.0) -> None:
    """Wait for something to be true (and, with `settle`, to stay so), looking after the processes meanwhile."""
    until = time.monotonic() + seconds
    since: float | None = None
    next_kill = time.monotonic() + KILL_EVERY
    while time.monotonic() < until:
        show.supervisor.tend()
        if show.chaos and show.mailing is not None and time.monotonic() >= next_kill:
            next_kill += KILL_EVERY
            kill_somebody(show)
        if true():
            since = since or time.monotonic()
            if time.monotonic() - since >= settle:
                return
        else:
            since = None
        time.sleep(0.2)
    raise TimeoutError(f"{seconds:.0f} s were not enough for {what}.")


def kill_somebody(show: Show) -> None:
    """`kill -9` of a random worker process."""
    alive = [name for name in show.supervisor.pids() if name in MORTALS]
    if not alive:
        return
    name = random.Random(f"{SEED}:{show.kills}").choice(alive)
    show.kills += 1
    if name in ("transmit", "transactional"):
        show.open_at_kills += Batch.objects.filter(state=Batch.State.RUNNING).count()
    show.say(f"kill -9 {name}")
    show.supervisor.kill(name)


def flush_broker(show: Show) -> None:
    """Every wake-up on its way is lost: the rows are the truth, so nothing else may be."""
    wait(show, lambda: Batch.objects.filter(mailing=show.mailing).exists(), seconds=60, what="the first batch")
    with current_app.connection_for_write() as broker:
        channel: Any = broker.default_channel
        channel.client.flushall()
    show.say("everything in the broker was thrown away")


def complaints(mailings: Iterable[Mailing | None]) -> int:
    ids = [mailing.pk for mailing in mailings if mailing is not None]
    return Event.objects.filter(mailing__in=ids, kind=Event.Kind.COMPLAINED).count()


def everybody() -> int:
    return MailingList.objects.get(name=world.NEWSLETTER).subscriptions.count()
