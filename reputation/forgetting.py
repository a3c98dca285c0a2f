"""Forget what is too old to say anything: links, the history of checks, reports and figures from outside."""

from datetime import datetime

from reputation import findings, postmaster, taking_reports


def forget(*, now: datetime) -> None:
    findings.prune(now=now)
    taking_reports.prune(now=now)
    postmaster.prune(now=now)
