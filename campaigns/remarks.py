"""What the team says of a campaign: notes, the approval of a second person, and warnings ignored with a reason."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Case, F, Value, When
from django.utils.translation import gettext as _

from campaigns.models import Campaign, Remark, Revision
from campaigns.pure.findings import Finding, Level
from reputation.workspace import workspace

Kind, Review = Remark.Kind, Campaign.Review
_OPEN = (Campaign.State.DRAFT, Campaign.State.MISSED)
# Put into every update that changes what is sent.
AFTER_A_CHANGE = Case(When(review=Review.APPROVED, then=Value("")), default=F("review"))
# Whom these concern is told by mail; of a note, whoever is mentioned in it.
_TOLD = (Kind.ASKED, Kind.APPROVED, Kind.REJECTED)
# The latest of what was done.
STORY = 12
OWN_WORDS = "You wrote its latest version. With two people for every campaign, somebody else has to decide."


class CannotDecide(Exception):
    """Why this person cannot decide now, in a sentence."""


@dataclass(frozen=True, slots=True)
class Deed:
    """One line of a campaign's story: who did what, and their words."""

    at: datetime
    by: User | None
    what: str
    words: str = ""


def say(*, now: datetime, campaign: Campaign, by: User, words: str) -> Remark:
    return _write(now, campaign, by, Kind.SAID, words=words)


def ask(*, now: datetime, campaign: Campaign, by: User, words: str) -> bool:
    """Ask for approval; False when it is on its way, or was asked or approved already."""
    waiting = Campaign.objects.filter(pk=campaign.pk, state__in=_OPEN, review__in=[Review.NONE, Review.REJECTED])
    with transaction.atomic():
        if not waiting.update(review=Review.ASKED):
            return False
        _write(now, campaign, by, Kind.ASKED, words=words)
    return True


def stamp(campaign: Campaign) -> str:
    """Another one after every change of what is sent: nobody approves or sends what they have not seen."""
    return f"{campaign.rev}-{campaign.updated_at.timestamp():.6f}"


def decide(*, now: datetime, campaign: Campaign, by: User, approve: bool, words: str, seen: str) -> None:
    """Approve it, or send it back with a note: as it was `seen` (its stamp), and as it is now. Raises CannotDecide."""
    if not approve and not words.strip():
        raise CannotDecide("Say what should change, in a sentence; then it can be sent back.")
    if is_own(campaign, by):
        raise CannotDecide(OWN_WORDS)
    with transaction.atomic():
        asked = Campaign.objects.filter(pk=campaign.pk, state__in=_OPEN, review=Review.ASKED)
        same = asked.filter(rev=campaign.rev, updated_at=campaign.updated_at)
        if stamp(campaign) != seen or not same.update(review=Review.APPROVED if approve else Review.REJECTED):
            changed = asked.exists()
            raise CannotDecide(
                "It was changed while you looked. Look at it once more."
                if changed
                else "Nobody asks for that any more."
            )
        _write(now, campaign, by, Kind.APPROVED if approve else Kind.REJECTED, words=words)


def approve_by_sending(*, now: datetime, campaign: Campaign, by: User | None) -> None:
    """Where a second person sends, sending is that person's approval. Raises CannotDecide for one's own words."""
    if not workspace().second_person_sends or campaign.review == Review.APPROVED:
        return
    if is_own(campaign, by):
        raise CannotDecide(OWN_WORDS)
    if by is not None:
        Campaign.objects.filter(pk=campaign.pk).update(review=Review.APPROVED)
        _write(now, campaign, by, Kind.APPROVED, words="By sending it.")


def is_own(campaign: Campaign, by: User | None) -> bool:
    """Was this person the last to write, where two people are needed?"""
    if by is None or not workspace().second_person_sends:
        return False
    last = Revision.objects.filter(campaign=campaign).order_by("-number").values_list("saved_by", flat=True).first()
    return last == by.pk


def ignore(*, now: datetime, campaign: Campaign, by: User, finding: Finding, reason: str) -> None:
    """Nobody is warned of this any more in this campaign, while it says the same. Kept with who and why."""
    if not finding.can_be_ignored or not reason.strip():
        raise ValueError("Only what should be looked at can be ignored, and with a reason.")
    _write(now, campaign, by, Kind.IGNORED, about=finding.key, said_of=finding.sentence[:400], words=reason)


def heed(*, now: datetime, campaign: Campaign, by: User, key: str) -> None:
    """Warn again."""
    if key in ignored(campaign):
        _write(now, campaign, by, Kind.HEEDED, about=key)


def ignored(campaign: Campaign) -> dict[str, Remark]:
    """Key of a finding → why it is ignored."""
    found: dict[str, Remark] = {}
    about = campaign.remarks.filter(kind__in=[Kind.IGNORED, Kind.HEEDED]).select_related("by").order_by("pk")
    for remark in about:
        if remark.kind == Kind.IGNORED:
            found[remark.about] = remark
        else:
            found.pop(remark.about, None)
    return found


def without_ignored(campaign: Campaign, findings: Iterable[Finding]) -> list[Finding]:
    """What is ignored has a level of its own; what must be fixed cannot be, nor what waits for approval."""
    keys = ignored(campaign)
    return [replace(one, level=Level.IGNORED) if one.can_be_ignored and one.key in keys else one for one in findings]


def last_decision(campaign: Campaign) -> Remark | None:
    """Who asked, approved or sent it back, and what they said; None when that is over or never was."""
    if not campaign.review:
        return None
    return campaign.remarks.filter(kind=campaign.review).select_related("by").first()


def story_of(campaign: Campaign) -> list[Deed]:
    """Notes, decisions and versions, the newest first."""
    remarks = campaign.remarks.select_related("by")[:STORY]
    found = [Deed(row.at, row.by, row.get_kind_display(), _told(row)) for row in remarks]
    saved = campaign.revisions.select_related("saved_by")[:STORY]
    found += [Deed(row.saved_at, row.saved_by, _("saved version %(number)s") % {"number": row.number}) for row in saved]
    return sorted(found, key=lambda deed: deed.at, reverse=True)[:STORY]


def _told(row: Remark) -> str:
    return f"{row.said_of} Why: {row.words}" if row.kind == Kind.IGNORED else row.words


def _write(now: datetime, campaign: Campaign, by: User, kind: str, **more: str) -> Remark:
    rev = Campaign.objects.values_list("rev", flat=True).get(pk=campaign.pk)
    tells = kind in _TOLD or (kind == Kind.SAID and "@" in more.get("words", ""))
    due = now if tells else None
    return Remark.objects.create(campaign=campaign, kind=kind, rev=rev, by=by, at=now, mail_due_at=due, **more)
