"""A campaign's letter as the compiler takes it, and one person's copy of it as it will be sent."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

from django.conf import settings

from audiences.models import PersonField, Subscriber
from campaigns import compile as compiling
from campaigns.content import current
from campaigns.models import Campaign, Revision
from campaigns.pure.kinds import Kind
from reputation.workspace import workspace
from sending.pure.compose import RecipientContext, SystemValues
from sending.pure.liquid_scan import Problem
from sending.pure.message import CompiledMessage
from sending.pure.personalise import PersonalisationFailed

# What previews lead to: nothing.
NOWHERE = "https://preview.invalid"


def letter_of(campaign: Campaign, content: Revision | None = None) -> compiling.Letter:
    content = content or current(campaign)
    first_list = campaign.included_lists.order_by("pk").first()
    return compiling.Letter(
        subject=content.subject,
        source=content.letter,
        kind=Kind(content.kind),
        preheader=content.preheader,
        from_name=campaign.from_name,
        from_address=campaign.from_address,
        reply_to=campaign.reply_to,
        list_name=first_list.public_name if first_list else "",
        language=first_list.language if first_list else workspace().language,
    )


def sender() -> compiling.Sender:
    owner = workspace()
    return compiling.Sender(name=owner.name, postal_address=owner.postal_address)


def known_fields() -> list[str]:
    return list(PersonField.objects.values_list("key", flat=True))


def problems_of(campaign: Campaign, content: Revision | None = None) -> list[Problem]:
    """Everything to fix or to look at in the words, with lines."""
    return compiling.check_letter(
        letter=letter_of(campaign, content),
        sender=sender(),
        known_fields=known_fields(),
        public_url=settings.PUBLIC_URL,
        track_clicks=campaign.track_clicks,
    )


def to_look_at(campaign: Campaign, content: Revision | None = None) -> CompiledMessage:
    """The same for a preview, which needs neither sender nor subject nor postal address yet. Raises CompileError."""
    letter, owner = letter_of(campaign, content), sender()
    letter = replace(
        letter,
        subject=letter.subject if letter.subject.strip() else "(no subject)",
        from_address=letter.from_address or "nobody@preview.invalid",
    )
    return _compiled(
        campaign, letter, replace(owner, postal_address=owner.postal_address or "(your postal address stands here)")
    )


def all_compiled(variants: Sequence[tuple[Campaign, Revision]]) -> list[CompiledMessage]:
    """Of all variants; the numbers of their links mean the same in each. Raises compile.CompileError."""
    found: list[CompiledMessage] = []
    for campaign, content in variants:
        found.append(compiled(campaign, content, links_before=found[-1].links if found else ()))
    return [replace(message, links=found[-1].links) for message in found]


def compiled(
    campaign: Campaign,
    content: Revision | None = None,
    subject_prefix: str = "",
    links_before: Sequence[str] = (),
) -> CompiledMessage:
    """Raises compile.CompileError with everything that has to be fixed."""
    letter = letter_of(campaign, content)
    if letter.subject.strip():
        letter = replace(letter, subject=subject_prefix + letter.subject)
    return _compiled(campaign, letter, sender(), links_before)


def _compiled(
    campaign: Campaign, letter: compiling.Letter, by: compiling.Sender, links_before: Sequence[str] = ()
) -> CompiledMessage:
    owner = workspace()
    return compiling.compile_letter(
        letter=letter,
        sender=by,
        known_fields=known_fields(),
        public_url=settings.PUBLIC_URL,
        track_clicks=campaign.track_clicks and owner.track_clicks,
        track_opens=campaign.track_opens and owner.track_opens,
        links_before=links_before,
    )


@dataclass(frozen=True, slots=True)
class Look:
    """What a letter amounts to for one person: as an inbox shows it, how large it is, where its links lead."""

    subject: str
    preheader: str
    kilobytes: int
    links: tuple[str, ...]


def look_of(campaign: Campaign, content: Revision, person: Subscriber | None, *, now: datetime) -> Look | None:
    """None while it cannot be written for this person."""
    try:
        message = to_look_at(campaign, content)
        copy = copy_for(message, person, now=now)
        preheader = compiling.line_of(content.preheader, recipient=_recipient(person), today=now)
    except (compiling.CompileError, PersonalisationFailed):
        return None
    kilobytes = (len(copy.html.encode("utf-8", "replace")) + 1023) // 1024
    return Look(copy.subject, preheader, kilobytes, message.links)


def inbox_subject(campaign: Campaign, *, now: datetime, content: Revision | None = None) -> str:
    """The subject as a mail program would show it; as it was written while it cannot be compiled."""
    try:
        return copy_for(compiled(campaign, content), None, now=now).subject
    except (compiling.CompileError, PersonalisationFailed):
        return (content or current(campaign)).subject


def subjects_for(
    campaign: Campaign, people: Sequence[Subscriber], *, now: datetime, content: Revision | None = None
) -> list[tuple[Subscriber, str]]:
    """The subject as each of them gets it; who cannot be written to is left out. Raises compile.CompileError."""
    message, found = compiled(campaign, content), []
    for person in people:
        with suppress(PersonalisationFailed):
            found.append((person, copy_for(message, person, now=now).subject))
    return found


def copy_for(message: CompiledMessage, person: Subscriber | None, *, now: datetime) -> compiling.Preview:
    """One person's copy (or that of somebody without any fields), composed the way it is sent.

    Raises personalise.PersonalisationFailed.
    """
    return composed_with(message, person, now=now, links=message.links)


def composed_with(
    message: CompiledMessage, person: Subscriber | None, *, now: datetime, links: Sequence[str]
) -> compiling.Preview:
    """The same with other addresses for its counted links."""
    system = SystemValues(
        message_id="<preview@preview.invalid>",
        date=now,
        links=links,
        unsubscribe_url=f"{NOWHERE}/unsubscribe",
        preferences_url=f"{NOWHERE}/preferences",
        web_version_url=f"{NOWHERE}/web",
    )
    return compiling.preview(message, recipient=_recipient(person), system=system)


def _recipient(person: Subscriber | None) -> RecipientContext:
    return RecipientContext(
        email=person.email if person else "reader@example.org", fields=person.fields if person else {}
    )
