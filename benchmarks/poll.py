"""What one look of the monitor costs, in CPU of the web process: `python -m benchmarks.poll [--people 20000]`.

A campaign to eleven providers in the middle of being sent. Each poll goes through the whole middleware, as an admin's
browser asks; its answer is thrown away.

1. `poll_cpu_ms`: something has changed since the last look, as nearly always while mail leaves.
2. `unchanged_poll_cpu_ms`: nothing has, and the page is told so.

CPU is what this process used (`time.process_time`): of `--looks` the median, and what 95 of 100 stay below. The process
is warm, as those of `web` are; PostgreSQL's part is not in it.
"""

import argparse
import cProfile
import json
import pstats
import re
import statistics
import time
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Any

from benchmarks import _mailings, _read_mailing, _world

UNMEASURED = 20
_MARK = re.compile(rb"mark=([0-9a-f]+)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=20_000)
    parser.add_argument("--looks", type=int, default=200)
    parser.add_argument("--profile", action="store_true", help="say where the time goes")
    asked = parser.parse_args()
    with _world.installed({}):
        print(json.dumps(measured(asked)))


def measured(asked: argparse.Namespace) -> dict[str, Any]:
    from config import warm
    from tests.visitors import admin

    warm.up()
    campaign, lanes = _under_way(asked.people)
    client, path = admin(), f"/campaigns/{campaign.pk}/progress/"
    headers = {"Host": "127.0.0.1", "HX-Request": "true"}
    profile = cProfile.Profile()
    spent: dict[int, list[float]] = {200: [], 204: []}
    mark, size = "", 0
    for number in range(2 * (UNMEASURED + asked.looks)):
        # By turns: something is new, nothing is.
        if number % 2 == 0:
            _accept_some(campaign.mailing_id)
        with profile if asked.profile else nullcontext():
            began = time.process_time()
            answer = client.get(path, {"mark": mark}, headers=headers)
            took = time.process_time() - began
        spent[answer.status_code].append(took)
        if answer.status_code == 200:
            mark, size = _MARK.findall(answer.content)[0].decode(), len(answer.content)
    if asked.profile:
        pstats.Stats(profile).sort_stats("tottime").print_stats(60)
    news, unchanged = (_milliseconds(spent[status][UNMEASURED:]) for status in (200, 204))
    return {"poll_cpu_ms": news, "unchanged_poll_cpu_ms": unchanged, "lanes": lanes, "bytes": size}


def _milliseconds(spent: list[float]) -> dict[str, float]:
    return {
        "median": round(1000 * statistics.median(spent), 2),
        "p95": round(1000 * statistics.quantiles(spent, n=20)[-1], 2),
    }


def _accept_some(mailing: int) -> None:
    from django.db.models import F

    from sending.models import MailingCount

    MailingCount.objects.filter(mailing=mailing, kind="accepted").update(n=F("n") + 1)


def _under_way(people: int) -> tuple[Any, int]:
    from campaigns.launch import launch
    from campaigns.models import Campaign
    from tests.campaigns.world import ready_campaign

    now = datetime.now(UTC)
    _mailings.crowd(people, now=now)
    campaign = ready_campaign(now, readers=0)
    Campaign.objects.filter(pk=campaign.pk).update(state="scheduled", scheduled_for=now, undo_until=now)
    mailing = launch(now=now, campaign_id=campaign.pk)
    if mailing is None:
        raise RuntimeError("The campaign was not launched.")
    _read_mailing.read(mailing, now=now)
    campaign.refresh_from_db()
    return campaign, mailing.lanes.count()


if __name__ == "__main__":
    main()
