"""Preflight: everything that would make a campaign fail or look bad, before it leaves. The rules of the bulk senders
(Google 81126, Yahoo Sender Hub, Microsoft and Apple postmaster pages) are must-fix rows.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from django.conf import settings

from audiences.models import Subscriber
from campaigns import letters, standing
from campaigns.audience import (
    Choice,
    Glance,
    Headcount,
    audience_by,
    choice_of,
    few_of,
    glance_at,
    headcount_of,
    sample_of,
)
from campaigns.compile import CompileError
from campaigns.content import current
from campaigns.grounds import of_grounds
from campaigns.models import Campaign, Revision
from campaigns.pure import advice
from campaigns.pure.findings import Finding, Level, Place, fine, must, should
from campaigns.pure.variants import letters_in
from campaigns.remarks import last_decision, without_ignored
from campaigns.variants import variants_of
from campaigns.variants_preflight import of_ab_test
from reputation.dkim_keys import signing_key
from reputation.domains import may_send
from reputation.models import SendingAddress
from reputation.workspace import workspace
from sending.models import Route
from sending.press import Audience, Chosen
from sending.pure.liquid_scan import Problem
from sending.pure.message import CompiledMessage
from sending.pure.personalise import PersonalisationFailed
from words import gettext as _
from words import number

SAMPLES = 100
SAME_PEOPLE_WITHIN = timedelta(hours=24)
# Who has not clicked or opened for so long sleeps; from this share of the audience on it is said.
ASLEEP_AFTER, MANY_ASLEEP = timedelta(days=365), 0.2


def preflight(
    *, now: datetime, campaign: Campaign, crowd: Headcount | None = None, starts_at: datetime | None = None
) -> list[Finding]:
    """All findings, the worst first. Reads the database only: what needs the network was looked up before.

    `crowd` is given where it was counted already, `starts_at` where it is known, in the workspace's zone.
    """
    choice, content = choice_of(campaign), current(campaign)
    audience = audience_by(choice, now=now)
    glance = glance_at(audience, fields=_fields_in(content), since=now - ASLEEP_AFTER)
    found = [*_of_all(now, campaign, content, choice, audience, crowd), *_of_fields(glance)]
    found += [*_of_sleepers(glance), *(advice.of_start(starts_at) if starts_at else [])]
    order = list(Level)
    return sorted(without_ignored(campaign, found), key=lambda finding: order.index(finding.level))


def must_fix(*, now: datetime, campaign: Campaign, audience: Audience | None = None) -> list[Finding]:
    """What stops the send, on the server too. `audience`: the campaign's, where it was chosen already."""
    choice = choice_of(campaign)
    found = _of_all(now, campaign, current(campaign), choice, audience or audience_by(choice, now=now), None)
    return [row for row in found if row.level is Level.MUST_FIX]


def stops_a_test(*, now: datetime, campaign: Campaign) -> list[Finding]:
    """What keeps even a single test mail from leaving: sender and route, whatever the audience and the words."""
    routes = _active_routes(campaign)
    found = [*_of_workspace(), *_of_sender(now, campaign), *_of_routes(campaign, routes)]
    return [row for row in found if row.level is Level.MUST_FIX]


def _of_all(
    now: datetime, campaign: Campaign, content: Revision, choice: Choice, audience: Audience, crowd: Headcount | None
) -> Iterator[Finding]:
    """Everything but what is only worth a look and has to look at everybody."""
    routes = _active_routes(campaign)
    yield from _of_workspace()
    yield from _of_review(campaign)
    yield from _of_sender(now, campaign)
    yield from _of_routes(campaign, routes)
    sources = "\n".join(letters_in(content.letter, content.ab_test))
    yield from standing.of_blocklists(campaign, _addresses(routes), sources)
    yield from _of_audience(now, campaign, content, choice, audience, crowd)
    yield from _of_variants(now, campaign, content, choice, audience)


def _of_workspace() -> Iterator[Finding]:
    owner = workspace()
    if not owner.postal_address.strip():
        yield must(
            "footer.address",
            Place.SETTINGS,
            _("Add your postal address in the settings; the law wants it in every letter."),
        )
    if owner.sending_stopped_at is not None:
        yield must(
            "sending.stopped", Place.SETTINGS, _("All sending is stopped. An admin has to start it again first.")
        )
    if not settings.PUBLIC_URL.startswith("https://"):
        # RFC 8058 §3.1: the one-click address has to be HTTPS; only a machine of our own may do without.
        level = should if settings.DEBUG or settings.LAB else must
        yield level(
            "unsubscribe.https",
            Place.SETTINGS,
            _("The public address of this site is not https; one-click unsubscribe needs that."),
        )
    else:
        yield fine(
            "unsubscribe.one_click", Place.CONTENT, _("One click unsubscribes, from the inbox and from the letter.")
        )


def _of_review(campaign: Campaign) -> Iterator[Finding]:
    last = last_decision(campaign)
    if last is None:
        return
    who = (last.by.get_full_name() or last.by.get_username()) if last.by else "Somebody"
    if campaign.review == campaign.Review.REJECTED:
        sentence = f"{who} sent it back: “{last.words}” Change it, then ask for approval again."
        yield must("review.rejected", Place.WHEN, sentence)
    elif campaign.review == campaign.Review.ASKED:
        yield should("review.asked", Place.WHEN, "It waits for approval.")
    else:
        yield fine("review.approved", Place.WHEN, f"{who} approved this version.")


def _of_sender(now: datetime, campaign: Campaign) -> Iterator[Finding]:
    domain = campaign.sending_domain
    if domain is None:
        yield must("sender.domain", Place.SENDER, _("Choose the sending domain."))
        return
    allowed, sentence = may_send(now=now, domain=domain)
    if not allowed:
        yield must("sender.not_verified", Place.DOMAIN, sentence)
    elif domain.state == domain.State.UNSURE:
        yield should("sender.unsure", Place.DOMAIN, sentence)
    else:
        yield fine(
            "sender.verified",
            Place.DOMAIN,
            _("%(name)s is verified: SPF, DKIM and DMARC match.") % {"name": domain.name},
        )
    if signing_key(domain.pk) is None:
        yield must(
            "sender.unsigned",
            Place.DOMAIN,
            _("%(name)s has no DKIM key that signs. Make one and publish it.") % {"name": domain.name},
        )
    yield from standing.of_stream(domain)
    yield from standing.of_mailboxes(domain)
    yield from advice.of_sender(campaign.from_address, domain.name)
    if campaign.reply_to and campaign.reply_to.lower().startswith(("noreply@", "no-reply@", "donotreply@")):
        yield should("sender.noreply", Place.SENDER, _("Answers go nowhere. People who can answer complain less."))


def _of_routes(campaign: Campaign, routes: Sequence[Route]) -> Iterator[Finding]:
    if campaign.pool is None:
        yield must("route.none", Place.SENDER, _("Choose the route this campaign leaves by."))
        return
    if not routes:
        yield must(
            "route.inactive", Place.SENDER, _("No route of “%(name)s” is active.") % {"name": campaign.pool.name}
        )
    yield from standing.of_names(_addresses(routes))


def _active_routes(campaign: Campaign) -> list[Route]:
    if campaign.pool is None:
        return []
    members = campaign.pool.members.values("route")
    return list(Route.objects.filter(active=True, pk__in=members).select_related("address"))


def _addresses(routes: Iterable[Route]) -> list[SendingAddress]:
    """Those of our own that mail leaves by."""
    return [route.address for route in routes if route.kind == Route.Kind.DIRECT and route.address is not None]


def _of_audience(
    now: datetime,
    campaign: Campaign,
    content: Revision,
    choice: Choice,
    audience: Audience,
    crowd: Headcount | None,
) -> Iterator[Finding]:
    included = choice.included
    if not included:
        yield must("audience.none", Place.AUDIENCE, _("Choose at least one list."))
        return
    crowd = crowd or headcount_of(audience)
    if not crowd.recipients:
        yield must("audience.empty", Place.AUDIENCE, _("Nobody is left to write to. Look at who is left out, and why."))
        return
    yield fine(
        "audience.counted",
        Place.AUDIENCE,
        _("%(recipients)s of %(total)s people will get it.")
        % {"recipients": number(crowd.recipients), "total": number(crowd.total)},
    )
    yield from of_grounds(included, crowd.left_out)
    yield from of_ab_test(campaign, content, crowd.recipients)
    again = Campaign.objects.filter(
        state=Campaign.State.LAUNCHED, mailing__launched_at__gt=now - SAME_PEOPLE_WITHIN, included_lists__in=included
    ).exclude(pk=campaign.pk)
    if (other := again.first()) is not None:
        yield should(
            "audience.again",
            Place.AUDIENCE,
            _("The same lists got “%(name)s” within the last 24 hours.") % {"name": other.name},
        )


def _of_variants(
    now: datetime, campaign: Campaign, content: Revision, choice: Choice, audience: Audience
) -> Iterator[Finding]:
    """Of each variant what is not said of the letter itself."""
    said: set[tuple[str, str]] = set()
    for one in variants_of(campaign, content):
        for finding in _of_content(now, one.campaign, one.content, choice, audience):
            if (finding.id, finding.sentence) not in said:
                said.add((finding.id, finding.sentence))
                yield finding if one.content is content else _named(finding, one.name)


def _named(finding: Finding, name: str) -> Finding:
    words = {"name": name, "sentence": finding.sentence}
    return replace(finding, place=Place.VARIANTS, sentence=_("Variant “%(name)s”: %(sentence)s") % words)


def _of_content(
    now: datetime, campaign: Campaign, content: Revision, choice: Choice, audience: Audience
) -> Iterator[Finding]:
    yield from advice.of_subject(content.subject, content.preheader)
    said = list(advice.of_letter(content.letter, content.kind))
    yield from said
    yield from standing.of_links(content.letter, content.kind)
    yield from _of_compiler(campaign, content, {row.line for row in said if row.id == "image.alt"})
    try:
        message = letters.compiled(campaign, content)
    except CompileError:
        if not content.letter.strip():
            yield must("content.empty", Place.CONTENT, _("The letter is empty."))
        return
    yield advice.of_size(message.html_size)
    # Chosen already, they are at hand; else few are looked for, since to choose everybody takes seconds.
    ids = sample_of(audience, SAMPLES) if isinstance(audience, Chosen) else None
    yield from _of_copies(now, few_of(choice, SAMPLES, now=now) if ids is None else ids, message)


def _of_compiler(campaign: Campaign, content: Revision, undescribed: set[int | None]) -> Iterator[Finding]:
    """What was said by the advice already (an empty subject, a picture without words) is said once."""
    for row in letters.problems_of(campaign, content):
        told = row.place == "postal_address" or (row.place == "subject" and not content.subject.strip())
        told = told or (not content.letter.strip() and row.place == "body")
        if not told and (row.blocks or row.line not in undescribed):
            yield _as_finding(row)


def _as_finding(problem: Problem) -> Finding:
    level = must if problem.blocks else should
    text = f"{problem.message} {problem.suggestion}".strip()
    place = Place.SENDER if problem.place in ("from", "reply_to") else Place.CONTENT
    line = problem.line if problem.place == "body" else None
    return level(f"content.{problem.place or 'body'}", place, text, line)


def _of_copies(now: datetime, ids: Sequence[int], message: CompiledMessage) -> Iterable[Finding]:
    """Compose the copies of up to a hundred real recipients."""
    people = list(Subscriber.objects.filter(pk__in=ids))
    broken: dict[str, int] = {}
    for person in people:
        try:
            if wrong := advice.wrong_in_subject(letters.copy_for(message, person, now=now).subject):
                broken[wrong] = broken.get(wrong, 0) + 1
        except PersonalisationFailed as error:
            broken[error.reason] = broken.get(error.reason, 0) + 1
    if not broken:
        return [
            fine(
                "copies.ok",
                Place.CONTENT,
                _("%(n)s people's copies were written without a problem.") % {"n": len(people)},
            )
        ]
    reason, n = max(broken.items(), key=lambda item: item[1])
    return [
        must(
            "copies.broken",
            Place.CONTENT,
            _("%(n)s of %(n2)s people's copies cannot be written: %(reason)s")
            % {"n": n, "n2": len(people), "reason": reason},
        )
    ]


def _fields_in(content: Revision) -> list[str]:
    variants = variants_of(Campaign(), content)
    text = "".join(one.content.letter + one.content.subject + one.content.preheader for one in variants)
    return [key for key in letters.known_fields() if f"contact.{key}" in text]


def _of_fields(glance: Glance) -> Iterator[Finding]:
    for key, missing in glance.missing.items():
        if missing:
            yield should(
                "personal.missing",
                Place.CONTENT,
                _("%(missing)s people have no %(key)s; they get the fallback.")
                % {"missing": number(missing), "key": key},
            )


def _of_sleepers(glance: Glance) -> Iterator[Finding]:
    """Nothing where nobody ever clicked or opened: then nothing was counted."""
    sleeping, awake = glance.asleep, glance.awake
    if awake and sleeping >= MANY_ASLEEP * (sleeping + awake):
        sentence = (
            f"{sleeping:,} people have neither clicked nor opened anything for a year. Mail to them costs reputation "
            "first: leave them out, or ask them once whether they want to stay."
        )
        yield should("audience.asleep", Place.AUDIENCE, sentence)
