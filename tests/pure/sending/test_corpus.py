"""Real bounces, labelled by a mature parser. Skipped where the collection is not at hand; none of it is ours."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from reputation.pure.replies import classify
from sending.pure.reports import read_report

CORPUS = Path(__file__).resolve().parents[4] / "shared" / "corpora" / "bounces"
pytestmark = pytest.mark.skipif(
    not (CORPUS / "labels.json").exists(), reason="the collection of bounces is not at hand"
)

# Answers about us or the message: a person must never be suppressed for one.
ABOUT_US = frozenset(
    "authfailure badreputation blocked contenterror exceedlimit failedstarttls mesgtoobig norelaying notcompliantrfc "
    "policyviolation rejected requireptr securityerror spamdetected speeding toomanyconn virusdetected".split()
)


def judged() -> Iterator[tuple[dict, bool]]:
    """Each label with our own verdict: a permanent fault of the mailbox or its domain, or not."""
    labels = json.loads((CORPUS / "labels.json").read_text())
    for name in sorted({label["file"] for label in labels}):
        report = read_report((CORPUS / name).read_bytes())
        said = report.recipients if report.kind == "bounce" else ()
        hard = [classify(one.reply, provider="", phase=one.phase).hard for one in said] or [False]
        for label in labels:
            if label["file"] == name:
                yield label, hard[min(label["index"], len(hard)) - 1]


def test_hard_agrees_with_the_labels():
    """Where we differ on purpose: words of which the report does not say where they were said and no 5.1.x confirms
    them, a domain that is still being tried, "access denied" that may be a policy, a bounce that a person forwards."""
    verdicts = [label["hard"] == hard for label, hard in judged()]
    assert sum(verdicts) / len(verdicts) >= 0.97


def test_no_answer_about_us_counts_against_the_person():
    assert [label["file"] for label, hard in judged() if hard and label["reason"] in ABOUT_US] == []


def test_complaints_and_absences_are_no_bounces():
    labels = json.loads((CORPUS / "labels.json").read_text())
    files = {label["file"] for label in labels if label["reason"] in ("feedback", "vacation")}
    assert {read_report((CORPUS / name).read_bytes()).kind for name in files}.isdisjoint({"bounce", "delayed"})
