"""Several real sending workers before the lab's receivers: `python -m tests.journeys.fleet limits|hosts FOLDER`.

Embedded PostgreSQL and broker, control, beat and workers are processes of their own; the receivers are in this one, and
what they saw is in FOLDER/receivers.jsonl. Limits are told and looked at by windows of ten seconds, a sixth of the
minute that the engine keeps them for: that is stricter, and needs no run of many minutes. The last line is one JSON
object; `test_several_workers.py` judges it.
"""

import json
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import _world
from lab import ledger
from lab.running import Lab, running_lab
from tests.faults.nursery import Child, Nursery

WINDOW = 10.0
# So many of them are a minute.
WINDOWS = 6
# Gmail, Yahoo! and GMX: the provider's key with us, its mail domain, and the name of its server in the lab.
MAIL = {
    "google": ("gmail.com", "gmail-smtp-in.l.google.com"),
    "yahoo": ("yahoo.com", "mta5.am0.yahoodns.net"),
    "gmx": ("gmx.de", "mx00.gmx.net"),
}
CONNECTIONS = {"google": 3, "yahoo": 2, "gmx": 2}
PER_CONNECTION = 12
# A slow machine may take its time, but somebody must get mail within so many seconds; and all within so many.
STALLED_AFTER = 45.0
DONE_WITHIN = 240.0


class Workers:
    """Sending workers by name, each of a host; forked, so that one that was killed is back at once."""

    def __init__(self, folder: Path, hosts: Mapping[str, str]) -> None:
        self.hosts = hosts
        self.running: dict[str, Child] = {}
        self._nurseries = {
            host: Nursery(
                "transmit", folder=folder, environment={"EGRESS_HOST": host, "TRANSMIT_THREADS": "4"}, name=host
            )
            for host in sorted(set(hosts.values()))
        }

    def start(self, *names: str) -> None:
        for name in names or tuple(self.hosts):
            self.running[name] = self._nurseries[self.hosts[name]].start(name)

    def kill(self, *names: str) -> int:
        """kill -9; how many connections were open then, at most: batches that the database knows as theirs."""
        from sending.models import Batch, Worker

        killed = [self.running.pop(name) for name in names]
        for each in killed:
            each.send_signal(signal.SIGKILL)
        for each in killed:
            each.wait()
        owners = Worker.objects.filter(pid__in=[each.pid for each in killed]).values_list("pk", flat=True)
        return Batch.objects.filter(owner__in=list(owners), state=Batch.State.RUNNING).count()

    def end(self) -> None:
        for each in self.running.values():
            each.send_signal(signal.SIGTERM)
        for each in self.running.values():
            each.wait(20)
        for nursery in self._nurseries.values():
            nursery.close()


class Fleet:
    """What a scenario works with. Instants are the receivers' monotonic seconds, as in the ledger."""

    def __init__(self, lab: Lab, workers: Workers, path: Path) -> None:
        self.lab, self.workers, self.path = lab, workers, path
        self.open_at_kills = 0

    def seconds(self) -> float:
        return float(self.lab.clock.now())

    def kill(self, *names: str) -> float:
        self.open_at_kills += self.workers.kill(*names)
        return self.seconds()

    def until(self, done: Callable[[], bool], within: float, what: str) -> None:
        until = time.monotonic() + within
        while not done():
            if time.monotonic() > until:
                raise RuntimeError(f"Not within {within:.0f} s: {what}")
            time.sleep(0.1)

    def until_workers(self, n: int) -> None:
        from django.db import connection

        def there() -> bool:
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT count(*) FROM sending_worker WHERE kind = 'transmit' "
                    "AND seen_at > clock_timestamp() - interval '3 seconds'"
                )
                return int((cursor.fetchone() or (0,))[0]) >= n

        self.until(there, 40, f"{n} workers enrolled")

    def until_done(self, *mailings: Any) -> None:
        """Raises RuntimeError, which says what is left, when nothing moves any more."""
        from sending.models import Mailing, Outcome

        ids = [mailing.pk for mailing in mailings]
        seen, since, began = 0, time.monotonic(), time.monotonic()
        while Mailing.objects.filter(pk__in=ids).exclude(state=Mailing.State.DONE).exists():
            moved = Outcome.objects.filter(mailing_id__in=ids).count()
            if moved != seen:
                seen, since = moved, time.monotonic()
            if time.monotonic() > min(since + STALLED_AFTER, began + DONE_WITHIN):
                raise RuntimeError(f"Not done, and nothing moves: {left(ids)}")
            time.sleep(0.1)

    def limit(self, provider: str, per_window: int, *, ips: tuple[str, ...], of_domain: int | None = None) -> float:
        """Messages in a window, for each address and for our domain; since when."""
        from config.demo import world

        scopes = {("ip", ip): per_window for ip in ips}
        scopes["dkim_domain", world.DOMAIN] = of_domain or per_window
        for (kind, scope), n in scopes.items():
            self._edit(kind, scope, provider, n, 1 if kind == "ip" else len(ips))
        return self.seconds()

    def _edit(self, kind: str, scope: str, provider: str, per_window: int, addresses: int) -> None:
        from reputation import budgets

        budgets.edit(
            now=now(), budget=self.budget(kind, scope, provider), actor=None, reason="A test",
            per_minute=per_window * WINDOWS, per_hour=_world.UNLIMITED, per_day=_world.UNLIMITED,
            connections=CONNECTIONS[provider] * addresses, per_connection=PER_CONNECTION, batch_size=PER_CONNECTION,
            batch_pause=0.0,
        )  # fmt: skip

    def budget(self, kind: str, scope: str, provider: str) -> Any:
        from reputation import budgets

        return budgets.budgets_for(now=now(), kind_scopes=[(kind, scope)], provider=provider)[0]

    def rows(self, mailing: Any) -> list[ledger.Row]:
        """The receivers' rows of whole messages of it."""
        return [row for row in ledger.rows(self.path, "dot_seen") if row["mailing"] == str(mailing.pk)]

    def dots(self, *, mailing: Any = None, provider: str | None = None, ip: str | None = None) -> list[float]:
        """When the receivers saw a message of it whole."""
        return [
            row["t"]
            for row in ledger.rows(self.path, "dot_seen")
            if (mailing is None or row["mailing"] == str(mailing.pk))
            and provider in (None, row["persona"])
            and ip in (None, row["ip"])
        ]


def now() -> datetime:
    from django.utils import timezone

    return timezone.now()  # clock: entry


@contextmanager
def fleet(folder: Path, hosts: Mapping[str, str], addresses: Mapping[str, str]) -> Iterator[Fleet]:
    """`hosts`: egress host by worker. `addresses`: source address by egress host."""
    path = folder / "receivers.jsonl"
    everyone = {"unknown_share": 0.0, "full_share": 0.0, "inactive_share": 0.0, "auth_required": []}
    caps = {
        key: {"max_connections": CONNECTIONS[key], "messages_per_connection": PER_CONNECTION, "rate_ip_minute": 0,
              "rate_dkim_minute": 0, "rate_ip_hour": 0}
        for key in MAIL
    }  # fmt: skip
    with running_lab(
        ledger=str(path), only=tuple(MAIL), hosters=1, personas={"*": everyone, **caps},
        clients={ip: f"{host}.example" for host, ip in addresses.items()},
    ) as lab:  # fmt: skip
        told = lab.addresses()
        settings = {
            "DNS_SERVERS": str(told["dns"]),
            "SMTP_PORT": str(told["smtp_port"]),
            "TIME_FACTOR": "6",
            "EMBEDDED_FSYNC": "off",
        }
        with _world.installed(settings) as place, _world.started(_world.ENGINE, place):
            publish(lab)
            workers = Workers(folder, hosts)
            try:
                workers.start()
                yield Fleet(lab, workers, path)
            finally:
                workers.end()


def pool(host: str, ip: str) -> Any:
    """A pool with one route: straight from `ip`, which belongs to `host`."""
    from reputation.models import SendingAddress
    from sending.models import Route
    from tests.cast import pool_of

    address, _ = SendingAddress.objects.get_or_create(
        ip=ip, defaults={"ehlo_name": f"{host}.example", "egress_host": host}
    )
    route, _ = Route.objects.get_or_create(
        name=f"{host} from {ip}", defaults={"kind": Route.Kind.DIRECT, "address": address, "egress_host": host}
    )
    return pool_of(route)


def domain() -> Any:
    """The shop's, which signs with a key of its own."""
    from config.demo import world
    from tests.cast import verified_domain

    return verified_domain(world.DOMAIN)


def publish(lab: Lab) -> None:
    """A key to sign with, in the zone that the receivers know."""
    from reputation import dkim_keys, domains

    key = dkim_keys.make(now=now(), domain=domain())
    key.state = "active"
    key.save(update_fields=["state"])
    for record in domains.records_to_publish(domain=domain(), addresses=[]):
        lab.call(partial(lab.zone.put, record.name, record.type, [record.value]))


def mailing(name: str, numbers: Mapping[str, int], way: Any) -> Any:
    """Pressed and running: so many people at each provider."""
    from reputation.models import RecipientDomain
    from tests.cast import newsletter, people, pressed
    from tests.sending.engine import letter

    readers = newsletter(name)
    for provider, n in numbers.items():
        at, server = MAIL[provider]
        people(n, on=readers, domain=at, prefix=name)
        RecipientDomain.objects.filter(domain=at).update(mx=[server], site=server)
    return pressed(
        now(), readers, key=name, messages=[letter()], pool_id=way.pk, sending_domain_id=domain().pk,
        from_address=f"hello@{domain().name}",
    )  # fmt: skip


def books(world: Fleet, mailings: list[Any]) -> dict[str, Any]:
    """Whether the receivers and our rows agree about everybody."""
    from audiences.models import Subscriber
    from sending.models import Delivery, Outcome

    found: dict[str, Any] = {"messages": 0, "lost": 0, "unknown": 0, "disagree": 0}
    for each in mailings:
        people = dict(Delivery.objects.filter(mailing_id=each.pk).values_list("id", "subscriber_id"))
        emails = dict(Subscriber.objects.filter(pk__in=people.values()).values_list("id", "email"))
        final = Outcome.objects.filter(mailing_id=each.pk).exclude(kind="deferred").values_list("delivery", "kind")
        ours = {emails[people[delivery]]: kind for delivery, kind in final}
        theirs = ledger.accepted_recipients(world.path, mailing=str(each.pk))
        unknown = {email for email, kind in ours.items() if kind == "unknown"}
        accepted = {email for email, kind in ours.items() if kind == "accepted"}
        found["messages"] += len(people)
        found["lost"] += len(set(emails.values()) - set(ours)) + len(set(emails.values()) - accepted - unknown)
        found["unknown"] += len(unknown)
        found["disagree"] += len(accepted ^ (set(theirs) - unknown))
    return {
        **found,
        "duplicates": len(ledger.duplicates(world.path)),
        "open_at_kills": world.open_at_kills,
        "violations": len(ledger.violations(world.path)),
        "signed": ledger.dkim_verified_share(world.path),
    }


def left(mailings: list[int]) -> dict[str, Any]:
    """What keeps them from being done: for whoever reads the log of a machine they have no access to."""
    from reputation.models import Budget
    from sending.models import Batch, Mailing, MailingLane, Requeue, Worker

    return {
        "now": str(now()),
        "mailings": list(Mailing.objects.filter(pk__in=mailings).values_list("pk", "state", "total")),
        "lanes": list(MailingLane.objects.filter(mailing_id__in=mailings).values_list("mailing", "provider", "state")),
        "batches": list(
            Batch.objects.exclude(state="done").values_list("pk", "state", "owner", "due_at", "lease_until")
        ),
        "queued": list(Requeue.objects.values_list("mailing", "delivery", "reason", "batch", "due_at")[:20]),
        "limits": list(Budget.objects.exclude(state="open").values_list("scope", "provider", "state", "state_reason")),
        "workers": list(Worker.objects.values_list("pk", "egress_host", "seen_at")),
    }


def worst(dots: list[float], *, since: float = 0.0, until: float = float("inf"), seconds: float = WINDOW) -> int:
    """The most in any window that begins and ends between two instants."""
    within = sorted(at for at in dots if since <= at <= until)
    first = most = 0
    for last, at in enumerate(within):
        while within[first] <= at - seconds:
            first += 1
        most = max(most, last - first + 1)
    return most


def main() -> None:
    from tests.journeys import fleet_scenarios

    name, folder = sys.argv[1], Path(sys.argv[2])
    print(json.dumps(getattr(fleet_scenarios, name)(folder)), flush=True)


if __name__ == "__main__":
    main()
