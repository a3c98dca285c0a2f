"""What the engine's tests share: a mailing with a real letter, lanes cut into batches, books that must balance."""

import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import Sum

from audiences.models import Subscriber
from reputation import dkim_keys
from reputation.models import RecipientDomain
from sending import here
from sending.models import AnswerCount, Batch, Delivery, Mailing, MailingCount, MailingLane, Outcome, Requeue
from sending.progress import progress_of
from sending.pure.message import Envelope, build_message
from sending.transmit import transmit
from tests.cast import direct_route, newsletter, people, pressed, verified_domain

FINAL = {"accepted", "bounced_hard", "bounced_soft", "bounced_policy", "blocked", "refused", "skipped", "unknown"}


def letter() -> dict:
    return build_message(
        envelope=Envelope(from_name="Harbour Books", from_address="hello@news.harbour.example"),
        subject="Hello {{ contact.first_name }}",
        text="Dear {{ contact.first_name }},\n\nleave: {{ unsubscribe_url }}\n",
        html="<html><body><p>Dear {{ contact.first_name }}</p></body></html>",
    ).to_json()


def mailing_to(n: int, *, now: datetime, domain: str = "gmail.com", mx: str = "127.0.0.1", **changes) -> Mailing:
    """A mailing to `n` people of one domain, whose mail server is at `mx`."""
    readers = newsletter()
    people(n, on=readers, domain=domain)
    point(domain, mx)
    sign_with_a_key(now)
    return pressed(now, readers, messages=[letter()], **changes)


def point(domain: str, mx: str) -> None:
    RecipientDomain.objects.filter(domain=domain).update(mx=[mx], site=f"site of {domain}")


def sign_with_a_key(now: datetime) -> None:
    domain = verified_domain()
    if not domain.keys.exists():
        dkim_keys._cached.clear()
        key = dkim_keys.make(now=now, domain=domain)
        key.state = "active"
        key.save(update_fields=["state"])


def cut(mailing: Mailing, *, now: datetime, size: int = 50, gap: float = 0.0, **fields) -> list[Batch]:
    """Hand out everything released, as the planner does: fresh ranges of `size`."""
    batches = []
    for lane in MailingLane.objects.filter(mailing=mailing, provider__in=["google", "microsoft", "yahoo", "gmx"]):
        while lane.next_seq <= lane.release_seq:
            hi = min(lane.next_seq + size - 1, lane.release_seq)
            batches.append(batch_of(mailing, lane, lane.next_seq, hi, now=now, gap=gap, **fields))
            lane.next_seq = hi + 1
        lane.save(update_fields=["next_seq"])
    return batches


def batch_of(
    mailing: Mailing, lane: MailingLane, lo: int, hi: int, *, now: datetime, gap: float = 0.0, **fields
) -> Batch:
    return Batch.objects.create(
        **{
            "mailing": mailing,
            "wave": lane.wave,
            "route": direct_route(),
            "provider": lane.provider,
            "stream": mailing.stream,
            "kind": Batch.Kind.FRESH,
            "lo": lo,
            "hi": hi,
            "gap": gap,
            "due_at": now,
            "deadline": now + timedelta(seconds=120),
            **fields,
        }
    )


def take_due(mailing: Mailing, *, now: datetime, provider: str = "google", gap: float = 0.0) -> Batch | None:
    """A retry batch of all that is due, as the planner makes them."""
    due = Requeue.objects.filter(mailing=mailing, batch=None, provider_now=provider, due_at__lte=now)
    ids = list(due.order_by("due_at").values_list("pk", flat=True))
    if not ids:
        return None
    lane = MailingLane.objects.get(mailing=mailing, provider=provider)
    batch = batch_of(mailing, lane, 1, len(ids), now=now, gap=gap, kind=Batch.Kind.RETRY)
    Requeue.objects.filter(pk__in=ids).update(batch=batch.pk)
    return batch


def send(batches: list[Batch], *, now: datetime, connections: int = 4) -> list[BaseException]:
    """Transmit batches over several connections at once, as the worker's threads do; returns what they raised."""
    waiting, errors = list(batches), []

    def work() -> None:
        while waiting:
            try:
                batch = waiting.pop(0)
            except IndexError:
                return
            try:
                transmit(now=now, batch_id=batch.pk)
            except BaseException as error:  # noqa: BLE001
                errors.append(error)
            finally:
                connection.close()

    threads = [threading.Thread(target=work) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors


def kinds(mailing: Mailing) -> Counter[str]:
    return Counter(Outcome.objects.filter(mailing_id=mailing.pk).values_list("kind", flat=True))


def assert_books_balance(mailing: Mailing) -> None:
    """Everyone is in exactly one place, and the counters say the same as the rows. For when no batch is live."""
    everyone = set(Delivery.objects.filter(mailing_id=mailing.pk).values_list("id", flat=True))
    final = Counter(Outcome.objects.filter(mailing_id=mailing.pk, kind__in=FINAL).values_list("delivery", flat=True))
    queued = list(Requeue.objects.filter(mailing=mailing).values_list("delivery", flat=True))
    ahead = set()
    for lane in MailingLane.objects.filter(mailing=mailing):
        ahead |= set(
            Delivery.objects.filter(
                mailing_id=mailing.pk, provider=lane.provider, wave=lane.wave, seq__gte=lane.next_seq
            ).values_list("id", flat=True)
        )
    assert not [delivery for delivery, n in final.items() if n > 1]
    assert sorted([*final, *queued, *ahead]) == sorted(everyone)
    counted: Counter[str] = Counter()
    for kind, n in MailingCount.objects.filter(mailing=mailing).values_list("kind", "n"):
        counted[kind] += n
    assert +counted == kinds(mailing)
    assert answers(mailing) == latest_kinds(mailing)
    waits = Counter(Requeue.objects.filter(mailing=mailing).values_list("provider_now", flat=True))
    assert {lane.provider: lane.retrying for lane in progress_of(mailing).lanes if lane.retrying} == waits


def answers(mailing: Mailing) -> dict[str, int]:
    """What the report says went wrong, by kind."""
    rows = AnswerCount.objects.filter(mailing=mailing).values("kind").annotate(people=Sum("n"))
    return {row["kind"]: row["people"] for row in rows if row["people"]}


def latest_kinds(mailing: Mailing) -> dict[str, int]:
    """The same from the rows: everybody's latest outcome that is not "accepted"."""
    rows = Outcome.objects.filter(mailing_id=mailing.pk).order_by("attempt").values_list("delivery", "kind")
    return dict(Counter(kind for kind in dict(rows).values() if kind != "accepted"))


def email_of(delivery: int, mailing: Mailing) -> str:
    row = Delivery.objects.get(mailing_id=mailing.pk, id=delivery)
    return Subscriber.objects.get(pk=row.subscriber_id).email


def stop_gate() -> None:
    here.close()


@contextmanager
def worker_process(batches: list[Batch], *, now: datetime, port: int) -> Iterator[subprocess.Popen[str]]:
    """A worker of its own that sends these batches, each over its connection, and has begun; gone after the block."""
    name = connection.settings_dict["NAME"]
    ids = [str(batch.pk) for batch in batches]
    command = [sys.executable, "-m", "tests.sending.sending_process", name, str(port), now.isoformat(), *ids]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None and process.stdout.readline() == "sending\n"
        yield process
    finally:
        process.kill()
        process.wait()


def wait_for(condition: Callable[[], object], seconds: float = 60.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.02)


def send_the_rest(mailing: Mailing, *, now: datetime, provider: str = "google") -> None:
    """Retry batches until nothing is due any more."""
    while (batch := take_due(mailing, now=now, provider=provider)) is not None:
        assert send([batch], now=now) == []
