"""What one message costs the database, from hand-out to closed books, by the real functions."""

import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

PROVIDERS = ("google", "microsoft", "yahoo")
BATCH = 100
# Batches in a row in one database, the first of which is not counted, and how often it is the turn of each.
IN_A_ROW, TURNS = 5, 10


def copy_database(name: str) -> None:
    """Keep the database as it is now under another name."""
    from django.db import connection

    own = connection.settings_dict["NAME"]
    connection.close()
    with _in("postgres"), connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name} TEMPLATE {own}")


def compared(databases: Sequence[str], *, now: datetime) -> list[float]:
    """Milliseconds a message in each database: the median of batches, each of one lane, here and there among those that
    wait. They take turns, so that what else the machine does meanwhile meets all of them."""
    waiting = {name: _waiting(name) for name in databases}
    # As many of each: the first batch of a mailing says when it began, and its letter is read.
    fewest = min(map(len, waiting.values()))
    lanes = {name: _lanes(random.Random(7).sample(found, fewest)) for name, found in waiting.items()}
    costs: dict[str, list[float]] = {name: [] for name in databases}
    for _ in range(TURNS):
        for name in databases:
            with _in(name), metered() as meter:
                row = [_cost(meter, *lanes[name].pop(), now) for _ in range(IN_A_ROW)]
            costs[name] += row[1:]
    return [statistics.median(found) for found in costs.values()]


def _waiting(name: str) -> list[Any]:
    from sending.models import Mailing

    with _in(name):
        return list(Mailing.objects.filter(state="running").select_related("sending_domain").order_by("pk"))


def _lanes(mailings: Sequence[Any]) -> list[tuple[Any, str]]:
    lanes = [(mailing, provider) for mailing in mailings for provider in PROVIDERS]
    chosen = random.Random(7).sample(lanes, min(len(lanes), TURNS * IN_A_ROW))
    # Few lanes are gone through several times.
    return (chosen * (1 + TURNS * IN_A_ROW // len(chosen)))[: TURNS * IN_A_ROW]


def _cost(meter: "_Meter", mailing: Any, provider: str, now: datetime) -> float:
    spec = _spec(mailing, provider, now)
    meter.seconds = 0.0
    batch_id = _send(spec, now)
    cost: float = meter.seconds * 1000 / spec.size
    _check(batch_id, spec.size)
    return cost


@contextmanager
def _in(name: str) -> Iterator[None]:
    """Speak to another database of the same server for the length of a block."""
    from django.db import connection

    own = connection.settings_dict["NAME"]
    connection.close()
    connection.settings_dict["NAME"] = name
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict["NAME"] = own


def _send(spec: Any, now: datetime) -> int:
    """One batch from hand-out to closed books; its id."""
    from django.db import transaction

    from sending.handing_out import hand_out
    from sending.transmit import transmit

    with transaction.atomic():
        (written,) = hand_out([spec], now=now)
    transmit(now=now, batch_id=written.id)
    return written.id


def _check(batch_id: int, size: int) -> None:
    """A batch that sent less would look cheap."""
    from sending.models import Batch

    batch = Batch.objects.get(pk=batch_id)
    if batch.n_accepted != size:
        raise RuntimeError(f"{batch.n_accepted} of {size} were sent: {batch.end_reason}")


def _spec(mailing: Any, provider: str, now: datetime) -> Any:
    from reputation.budgets import ALL, budgets_for
    from sending.capacity import scopes_of
    from sending.models import MailingLane, PoolRoute
    from sending.pure.lanes import BatchSpec

    member = PoolRoute.objects.select_related("route__address").filter(pool=mailing.pool_id)[0]
    scopes = scopes_of(member.route, mailing.sending_domain.name)
    spent = [b.pk for at in (provider, ALL) for b in budgets_for(now=now, kind_scopes=scopes, provider=at)]
    lane = MailingLane.objects.get(mailing=mailing, provider=provider)
    return BatchSpec(
        mailing=mailing.pk, wave=0, provider=provider, route=member.route_id, domain=mailing.sending_domain.name,
        stream="marketing", kind="fresh", pinned=False, size=min(BATCH, lane.release_seq - lane.next_seq + 1), gap=0.0,
        not_before=now, deadline=now + timedelta(seconds=120), budgets=tuple(spent),
    )  # fmt: skip


class _Yes:
    """A transport and a session in one: takes everything at once."""

    def open(self, *_asked: Any) -> "_Yes":
        return self

    def _nothing(self, *_asked: Any, **_named: Any) -> None:
        return None

    offer = hear_offer = begin_content = send_ahead = send_content = take_back = quit = drop = _nothing

    def hear_content(self) -> Any:
        from sending.pure.dialogue import SmtpReply

        return SmtpReply(250, "2.0.0 Ok")


class _Meter:
    """Seconds in statements, whichever connection they go by."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def django(self, execute: Callable[..., Any], *asked: Any) -> Any:
        return self.measured(execute, *asked)

    def measured(self, execute: Callable[..., Any], *asked: Any, **named: Any) -> Any:
        began = time.perf_counter()
        try:
            return execute(*asked, **named)
        finally:
            self.seconds += time.perf_counter() - began


@contextmanager
def metered() -> Iterator[_Meter]:
    """Every statement of Django's and of the gate's connection is timed; nothing leaves, and no commit waits."""
    from django.db import connection

    from sending import here, letters, transmit

    meter = _Meter()
    real = (here.connect, letters.sign, transmit.transport_for)  # type: ignore[attr-defined]

    def metered_connect() -> Any:
        made = real[0]()
        made.execute("SET synchronous_commit = off")
        execute = made.execute
        made.execute = lambda *asked, **named: meter.measured(execute, *asked, **named)  # type: ignore[method-assign]
        return made

    options = connection.settings_dict["OPTIONS"]
    session = options["options"]
    options["options"] = f"{session} -c synchronous_commit=off"
    here.connect = metered_connect
    letters.sign = lambda *_asked, **_named: b""  # type: ignore[attr-defined]
    transmit.transport_for = lambda *_asked, **_named: _Yes()  # type: ignore[attr-defined]
    try:
        with connection.execute_wrapper(meter.django):
            yield meter
    finally:
        here.close()
        here.connect, letters.sign, transmit.transport_for = real  # type: ignore[attr-defined]
        options["options"] = session
