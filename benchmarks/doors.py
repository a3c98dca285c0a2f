"""Recipients' doors and colleagues' pages, of a real server process: `python -m benchmarks.doors`.

    python -m benchmarks.doors --deliveries 10000000 --people 1000000

The server is the `web` process as operators start it (granian, its default threads), PostgreSQL the embedded one with
durable commits; client, server and database share the machine.

1. `click_vs_bare_view`, `open_vs_bare_view`: clicks and opens a second over those of a bare Django view of the same
   site, all asked as fast as 16 kept connections go, in turns. Then the server is stopped by SIGTERM, and every visit
   that it answered must be in the database.
2. `unsubscribe_p99_ms`: one-click POSTs at 100 a second, whether the last was answered or not, each timed from when it
   was due, while a campaign is sent as fast as the machine goes (two `transmit` processes, signed, to a sink).
   The first 100 are not timed. Afterwards each must be an unsubscription, and the campaign must have been under way
   to the end.
3. `page_p95_ms`: monitor and report of a campaign to `--people` people, in the middle of being sent and read, among
   `--deliveries` deliveries. `poll_p95_ms` is the part of the monitor that asks every two seconds;
   `reputation_page_p95_ms`: deliverability, routes, limits, warm-up and reports, with two months behind them.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks._site_settings"

from benchmarks import _http, _mailings, _read_mailing, _reputation, _sink, _world

ROUNDS, ROUND_SECONDS = 3, 4.0
ONE_CLICK = (b"List-Unsubscribe=One-Click", "application/x-www-form-urlencoded")
UNTIL_SENDING = 90
FIRST = 100
# Mailings lie this far apart, so that their rows are spread over partitions.
STEP = 25
EACH = 50_000


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextmanager
def serving(folder: Path, port: int) -> Iterator[None]:
    """The web process, until it has ended by SIGTERM."""
    with _world.started({"web": _world.kind("web")}, folder):
        _wait_for(port)
        yield


def _wait_for(port: int) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            _http.as_fast_as_it_goes(port, [_http.get("/bare")], seconds=0.1, connections=1)
            return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError("The web process does not answer.")


def token(purpose: str, payload: Any) -> str:
    from django.conf import settings

    from sending.pure import tokens

    return tokens.make(purpose, payload, keys=settings.TOKEN_KEYS, key_id=1)


# -- Clicks and opens --------------------------------------------------------------------------------------------------


def visits(folder: Path, port: int, mailing: Any) -> dict[str, float]:
    """In turns, so that what else the machine does meets all of them."""
    from sending.models import Event
    from sending.pure.tokens import Link, Open

    ids = range(1, mailing.total + 1)
    asked = {
        "bare": ([_http.get("/bare")], 200),
        "click": ([_http.get(f"/l/{token('link', Link(mailing.pk, n))}/{n % 10}") for n in ids], 302),
        "open": ([_http.get(f"/o/{token('open', Open(mailing.pk, n))}.gif") for n in ids], 200),
    }
    rates: dict[str, list[float]] = {name: [] for name in asked}
    answered = 0
    with serving(folder, port):
        for number in range(ROUNDS + 1):
            for name, (requests, status) in asked.items():
                answers = _http.as_fast_as_it_goes(port, requests, seconds=ROUND_SECONDS if number else 1.0)
                answers.only(status)
                answered += 0 if name == "bare" else len(answers.seconds)
                # The first round is the server's own beginning.
                rates[name] += [answers.per_second] if number else []
    kept = Event.objects.filter(mailing=mailing).count()
    if kept != answered:
        raise RuntimeError(f"{answered} visits were answered, {kept} are kept.")
    print({name: [round(rate) for rate in each] for name, each in rates.items()}, f"{kept:,} kept", flush=True)
    rate = {name: statistics.median(each) for name, each in rates.items()}
    return {
        "click_vs_bare_view": round(rate["click"] / rate["bare"], 3),
        "open_vs_bare_view": round(rate["open"] / rate["bare"], 3),
        "bare_per_s": round(rate["bare"]),
        "visits_kept": kept,
    }


# -- Unsubscribing during a campaign -----------------------------------------------------------------------------------


def unsubscriptions(folder: Path, web: int, sink: int, *, n: int) -> dict[str, float]:
    from audiences.models import Suppression
    from benchmarks.compose import compiled_letter
    from sending.models import MailingCount
    from tests.cast import newsletter, pressed

    workers = {f"transmit-{number}": _world.kind("transmit") for number in (1, 2)}
    with _world.started({**_world.ENGINE, **workers}, folder), serving(folder, web):
        mailing = pressed(datetime.now(UTC), newsletter(), key="sent", messages=[compiled_letter().to_json()])
        _sink.zero(sink)
        _until_sending(sink)
        asked = _one_clicks(mailing, FIRST + n)
        # The server's own beginning: its threads connect to the database.
        _http.at_a_pace(web, asked[:FIRST], per_second=100).only(200)
        before, began = _sink.stat(sink).messages, time.monotonic()
        answers = _http.at_a_pace(web, asked[FIRST:], per_second=100)
        after, took = _sink.stat(sink).messages, time.monotonic() - began
    answers.only(200)
    print(f"one-click: p99 {answers.percentile(0.99):.1f} ms, {(after - before) / took:,.0f} sent/s", flush=True)
    if after >= mailing.total - len(asked) or after == before:
        raise RuntimeError(f"The campaign was not under way all the time: {before} to {after} of {mailing.total}.")
    left = Suppression.objects.filter(reason="unsubscribed").count()
    counted = sum(MailingCount.objects.filter(mailing=mailing, kind="unsubscribed").values_list("n", flat=True))
    if (left, counted) != (len(asked), len(asked)):
        raise RuntimeError(f"{len(asked)} left, {left} are suppressed and {counted} counted.")
    return {
        "unsubscribe_p99_ms": round(answers.percentile(0.99), 1),
        "unsubscribe_median_ms": round(answers.percentile(0.5), 1),
        "unsubscriptions": n,
        "sent_per_s_meanwhile": round((after - before) / took),
    }


def _one_clicks(mailing: Any, n: int) -> list[bytes]:
    """Of those who are last in line: most of them before their message leaves."""
    from sending.models import Delivery
    from sending.pure.tokens import Unsubscribe
    from tests.cast import newsletter

    lists = (newsletter().pk,)
    rows = Delivery.objects.filter(mailing_id=mailing.pk).order_by("-id").values_list("id", "subscriber_id")[:n]
    made = [token("unsubscribe", Unsubscribe(person, mailing.pk, number, lists)) for number, person in rows]
    return [_http.post(f"/u/{each}", *ONE_CLICK) for each in made]


def _until_sending(sink: int) -> None:
    until = time.monotonic() + UNTIL_SENDING
    while _sink.stat(sink).messages < 500:
        if time.monotonic() > until:
            raise RuntimeError("Nothing is sent.")
        time.sleep(0.25)


# -- Pages -------------------------------------------------------------------------------------------------------------


REPUTATION = {
    "deliverability": "/deliverability/",
    "provider": "/deliverability/at/google/",
    "routes": "/routes/",
    "limits": "/limits/",
    "warmup": "/warmup/",
    "reports": "/outside/",
    "figures": "/outside/figures/",
    "answers": "/answers/",
}


def pages(folder: Path, port: int, asked: argparse.Namespace, now: datetime) -> dict[str, Any]:
    campaign, mailing = _large_campaign(asked, now)
    at = f"/campaigns/{campaign.pk}"
    paths = {"monitor": f"{at}/monitor/", "report": f"{at}/report/", "problems": f"{at}/problems/"}
    headers = {"Cookie": _cookie()}
    seconds: dict[str, list[float]] = {}
    with serving(folder, port):
        for name, path in [*paths.items(), ("progress", f"{at}/progress/"), *REPUTATION.items()]:
            answers = _http.at_a_pace(
                port, [_http.get(path, headers)] * (asked.looks + 10), per_second=5, connections=1
            )
            answers.only(200)
            # The first of each read templates and letters.
            seconds[name] = answers.seconds[10:]
    looked = [one for name in paths for one in seconds[name]]
    reputation = [one for name in REPUTATION for one in seconds[name]]
    medians = {name: round(statistics.median(each) * 1000, 1) for name, each in seconds.items()}
    print(f"pages, median ms: {medians}; mailing of {mailing.total:,}", flush=True)
    return {
        "page_p95_ms": _p95(looked),
        "poll_p95_ms": _p95(seconds["progress"]),
        "reputation_page_p95_ms": _p95(reputation),
        "pages_median_ms": medians,
    }


def _p95(seconds: Sequence[float]) -> float:
    return round(sorted(seconds)[int(len(seconds) * 0.95)] * 1000, 1)


def _large_campaign(asked: argparse.Namespace, now: datetime) -> tuple[Any, Any]:
    from django.db import connection

    from campaigns.launch import launch
    from campaigns.models import Campaign
    from tests.campaigns.world import ready_campaign

    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
    began = time.perf_counter()
    _mailings.crowd(asked.people, now=now)
    campaign = ready_campaign(now, readers=0)
    Campaign.objects.filter(pk=campaign.pk).update(state="scheduled", scheduled_for=now, undo_until=now)
    mailing = launch(now=now, campaign_id=campaign.pk)
    if mailing is None:
        raise RuntimeError("The campaign was not launched.")
    _mailings.sample_from(mailing.pk)
    each = min(EACH, asked.people // 2)
    ids = [1000 + STEP * number for number in range(1, 1 + max(0, asked.deliveries - mailing.total) // each)]
    if ids:
        _mailings.fill(ids, each=each, like=mailing.pk, now=now)
    _reputation.remember(ids, now=now)
    n = _read_mailing.read(mailing, now=now)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    print(f"{asked.deliveries:,} deliveries and {n:,} visits, in {time.perf_counter() - began:.0f} s", flush=True)
    campaign.refresh_from_db()
    return campaign, mailing


def _cookie() -> str:
    from django.conf import settings

    from tests.visitors import admin

    return f"{settings.SESSION_COOKIE_NAME}={admin().cookies[settings.SESSION_COOKIE_NAME].value}"


# ----------------------------------------------------------------------------------------------------------------------


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipients", type=int, default=120_000, help="of the campaign that is sent meanwhile")
    parser.add_argument("--unsubscriptions", type=int, default=3_000)
    parser.add_argument("--deliveries", type=int, default=500_000)
    parser.add_argument("--people", type=int, default=100_000)
    parser.add_argument("--looks", type=int, default=40, help="at each page")
    parser.add_argument("--parts", nargs="+", choices=["visits", "unsubscribe", "pages"],
                        default=["visits", "unsubscribe", "pages"])  # fmt: skip
    asked = parser.parse_args()
    if "pages" in asked.parts and len(asked.parts) > 1:
        # A process and a database of their own each: the settings are read once.
        doors, pages_ = [part for part in asked.parts if part != "pages"], ["pages"]
        print(json.dumps(_by_itself(doors) | _by_itself(pages_)))
        return
    print(json.dumps(_pages(asked) if asked.parts == ["pages"] else _doors(asked)))


def _by_itself(parts: Sequence[str]) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.doors", *sys.argv[1:], "--parts", *parts]
    said = subprocess.run(command, cwd=_world.BASE_DIR, stdout=subprocess.PIPE, text=True, check=True).stdout
    print(said, end="", flush=True)
    found: dict[str, Any] = json.loads(said.splitlines()[-1])
    return found


def _pages(asked: argparse.Namespace) -> dict[str, Any]:
    port = _free_port()
    with _world.installed({"WEB_LISTEN": f"127.0.0.1:{port}"}) as folder:
        return pages(folder, port, asked, datetime.now(UTC))


def _doors(asked: argparse.Namespace) -> dict[str, Any]:
    port = _free_port()
    report: dict[str, Any] = {}
    with _sink.running() as sink:
        own = {"SMTP_PORT": str(sink), "WEB_LISTEN": f"127.0.0.1:{port}", "TRANSMIT_THREADS": "16"}
        with _world.installed(own) as folder:
            from benchmarks.compose import compiled_letter
            from tests.cast import newsletter, pressed
            from tests.sending.engine import sign_with_a_key

            now = datetime.now(UTC)
            _world.readers(asked.recipients, now=now)
            sign_with_a_key(now)
            _world.without_limits(now=now, connections=32)
            if "visits" in asked.parts:
                read = pressed(now, newsletter(), key="read", messages=[compiled_letter().to_json()])
                type(read).objects.filter(pk=read.pk).update(state="stopped")
                report |= visits(folder, port, read)
            if "unsubscribe" in asked.parts:
                report |= unsubscriptions(folder, port, sink, n=asked.unsubscriptions)
    return report


if __name__ == "__main__":
    main()
