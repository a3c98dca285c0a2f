"""Saving a letter: every save is a new revision and names the one it started from, so that two tabs lose nothing."""

from dataclasses import replace
from datetime import datetime
from enum import Enum
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F

from campaigns import link_checks, media
from campaigns.models import Campaign, Revision
from campaigns.pure.starters import first_page
from campaigns.pure.variants import AbTest, from_json, letters_in, without_letters
from campaigns.remarks import AFTER_A_CHANGE
from words import gettext as _


class Kept(Enum):
    """What is not said stays as it was."""

    KEPT = "kept"


KEPT = Kept.KEPT


class Conflict(Exception):
    """Somebody saved in between; `theirs` is what they saved."""

    def __init__(self, theirs: Revision) -> None:
        super().__init__(f"This letter was saved by somebody else as revision {theirs.number} while you were writing.")
        self.theirs = theirs


class NotADraft(Exception):
    """The campaign is on its way or done; its content is what it was."""


def save_letter(
    *,
    now: datetime,
    campaign_id: int,
    based_on: int,
    subject: str,
    preheader: str,
    letter: str,
    by: User | None,
    kind: str = "",
    ab_test: AbTest | Kept | None = KEPT,
) -> Revision:
    """Save as revision `based_on` + 1, in the `kind` and with the A/B test of before when none are given.

    Raises Conflict or NotADraft.

    Nothing is overwritten.
    """
    with transaction.atomic():
        draft = Campaign.objects.filter(pk=campaign_id, state__in=[Campaign.State.DRAFT, Campaign.State.MISSED])
        if not draft.filter(rev=based_on).update(rev=F("rev") + 1, updated_at=now, review=AFTER_A_CHANGE):
            raise _why_not(campaign_id)
        before = Revision.objects.filter(campaign_id=campaign_id, number=based_on).first()
        saved = Revision.objects.create(
            campaign_id=campaign_id,
            number=based_on + 1,
            subject=subject,
            preheader=preheader,
            kind=kind or (before.kind if before else Revision.Kind.LETTER),
            letter=letter,
            ab_test=(plain := _plain(ab_test, before, kind)),
            saved_by=by,
            saved_at=now,
        )
        sources = letters_in(letter, plain)
        if pictures := media.named_in("\n".join(sources)):
            saved.pictures.set(pictures)
        link_checks.watch(now=now, urls={url for one in sources for url in link_checks.links_of(one, saved.kind)})
    return saved


def _plain(ab_test: AbTest | Kept | None, before: Revision | None, kind: str) -> dict[str, Any]:
    if isinstance(ab_test, Kept):
        if before is None:
            return {}
        return without_letters(before.ab_test) if kind and kind != before.kind else before.ab_test
    return ab_test.to_json() if ab_test else {}


def set_ab_test(*, now: datetime, campaign_id: int, based_on: int, ab_test: AbTest | None, by: User | None) -> Revision:
    """The same letter with another A/B test, or none, as a new revision. Raises Conflict or NotADraft."""
    before = current(Campaign.objects.get(pk=campaign_id))
    return save_letter(
        now=now,
        campaign_id=campaign_id,
        based_on=based_on,
        subject=before.subject,
        preheader=before.preheader,
        letter=before.letter,
        by=by,
        ab_test=ab_test,
    )


def begin_as(*, now: datetime, campaign_id: int, kind: str, based_on: int, by: User | None) -> Revision:
    """Go on in another way of writing, on a fresh page; what was written stays among the versions.

    MJML that can be read becomes the HTML it makes. Raises Conflict or NotADraft.
    """
    before = current(Campaign.objects.get(pk=campaign_id))
    return save_letter(
        now=now,
        campaign_id=campaign_id,
        based_on=based_on,
        subject=before.subject,
        preheader=before.preheader,
        letter=first_page(kind, before.kind, before.letter),
        by=by,
        kind=kind,
    )


def save_variant(
    *,
    now: datetime,
    campaign_id: int,
    based_on: int,
    number: int,
    subject: str,
    preheader: str,
    letter: str,
    by: User | None,
) -> Revision:
    """The words of one variant (1 is B) as a new revision; what is as in A stays as in A. Raises Conflict or NotADraft,
    also when there is no such variant any more."""
    before = current(Campaign.objects.get(pk=campaign_id))
    test = from_json(before.ab_test)
    if test is None or before.number != based_on or number >= test.variants:
        raise _why_not(campaign_id)
    own = replace(
        test.others[number - 1],
        subject="" if subject == before.subject else subject,
        preheader="" if preheader == before.preheader else preheader,
        letter="" if letter == before.letter and not test.others[number - 1].letter else letter,
    )
    others = tuple(own if n == number else one for n, one in enumerate(test.others, 1))
    ab_test = replace(test, others=others)
    return set_ab_test(now=now, campaign_id=campaign_id, based_on=based_on, ab_test=ab_test, by=by)


def _why_not(campaign_id: int) -> Exception:
    campaign = Campaign.objects.get(pk=campaign_id)
    if campaign.state in (Campaign.State.DRAFT, Campaign.State.MISSED):
        return Conflict(current(campaign))
    return NotADraft(_("This campaign is scheduled or sent. Take it back first, or duplicate it."))


def current(campaign: Campaign) -> Revision:
    """The content as last saved; an empty one when nothing was saved yet."""
    found = campaign.revisions.filter(number=campaign.rev).first()
    return found or Revision(campaign=campaign, number=0)


def restore(*, now: datetime, campaign_id: int, number: int, based_on: int, by: User | None) -> Revision:
    """An old revision saved again as the newest: restoring can itself be undone."""
    old = Revision.objects.get(campaign_id=campaign_id, number=number)
    return save_letter(
        now=now,
        campaign_id=campaign_id,
        based_on=based_on,
        subject=old.subject,
        preheader=old.preheader,
        letter=old.letter,
        by=by,
        kind=old.kind,
        ab_test=from_json(old.ab_test),
    )


def duplicate(*, now: datetime, campaign: Campaign, by: User | None) -> Campaign:
    """Content and audience, never the schedule."""
    with transaction.atomic():
        copy = Campaign.objects.create(
            name=f"{campaign.name[:190]} (copy)",
            sending_domain=campaign.sending_domain,
            from_name=campaign.from_name,
            from_address=campaign.from_address,
            reply_to=campaign.reply_to,
            pool=campaign.pool,
            track_opens=campaign.track_opens,
            track_clicks=campaign.track_clicks,
            per_hour=campaign.per_hour,
            overflow=campaign.overflow,
            tags=campaign.tags,
            after=campaign.after,
            whom=campaign.whom,
            created_by=by,
            updated_at=now,
        )
        copy.included_lists.set(campaign.included_lists.all())
        copy.excluded_lists.set(campaign.excluded_lists.all())
        content = current(campaign)
        save_letter(
            now=now,
            campaign_id=copy.pk,
            based_on=0,
            subject=content.subject,
            preheader=content.preheader,
            letter=content.letter,
            by=by,
            kind=content.kind,
            ab_test=from_json(content.ab_test),
        )
    copy.refresh_from_db()
    return copy
