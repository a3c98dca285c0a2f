"""Test mail: the letter to colleagues by the very way of a campaign, without a trace in its numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models import QuerySet, Sum

from audiences.keys import key_of
from audiences.models import ANYWHERE
from audiences.pure.addresses import BadAddress, normalise
from campaigns import letters
from campaigns.compile import CompileError
from campaigns.content import current
from campaigns.models import Campaign
from campaigns.preflight import stops_a_test
from campaigns.pure.plain_words import sentence
from campaigns.variants import variant_of
from reputation import recipients
from reputation.models import RecipientDomain
from sending.models import Mailing, OutcomeKind, Stream
from sending.press import Audience, NewMailing, press
from sending.wake import plan_soon
from words import gettext as _

PREFIX = "[Test] "
MOST_ADDRESSES = 10
MOST_AN_HOUR = 30


class CannotTest(Exception):
    """Why no test was sent, in a sentence."""


def send_test(
    *,
    now: datetime,
    campaign_id: int,
    addresses: Sequence[str],
    as_subscriber_id: int | None,
    by: User,
    request_key: str,
    variant: int = 0,
) -> Mailing:
    """Queue the letter to up to ten colleagues, written as one person would get it; returns the test's mailing.

    Of an A/B test the `variant` with this number goes, A where there is none such.

    Equal `request_key`s (one for each form shown) are one test, however often the button was pressed. Raises
    CannotTest.
    """
    campaign = Campaign.objects.select_related("sending_domain", "pool").get(pk=campaign_id)
    colleagues = _colleagues(addresses)
    new = _new(now, campaign, f"test:{by.pk}:{campaign_id}:{request_key}"[:80])
    try:
        written = variant_of(campaign, current(campaign), variant)
        message = letters.compiled(written.campaign, written.content, subject_prefix=PREFIX).to_json()
    except CompileError as error:
        raise CannotTest(str(error)) from error
    recipients.learn(now=now, domains=[address.rpartition("@")[2] for address in colleagues])
    with transaction.atomic():
        # The user's row orders two requests, so that together they keep to the limit.
        User.objects.select_for_update(no_key=True).get(pk=by.pk)
        if (known := Mailing.objects.filter(launch_key=new.launch_key).first()) is not None:
            return known
        _keep_to_the_limit(now, by, len(colleagues))
        mailing = press(now=now, new=new, messages=[message], audience=_audience(colleagues, as_subscriber_id))
        plan_soon()
    return mailing


def _colleagues(addresses: Sequence[str]) -> list[str]:
    try:
        found = list(dict.fromkeys(normalise(address) for address in addresses))
    except BadAddress as error:
        raise CannotTest(str(error)) from error
    if not found:
        raise CannotTest(_("Write at least one address to send the test to."))
    if len(found) > MOST_ADDRESSES:
        raise CannotTest(
            _("A test goes to %(MOST_ADDRESSES)s addresses at most; these are %(n)s.")
            % {"MOST_ADDRESSES": MOST_ADDRESSES, "n": len(found)}
        )
    return found


def _new(now: datetime, campaign: Campaign, launch_key: str) -> NewMailing:
    problems = stops_a_test(now=now, campaign=campaign)
    if problems or campaign.pool is None or campaign.sending_domain is None:
        raise CannotTest(problems[0].sentence)
    return NewMailing(
        name=f"Test of {campaign.name}"[:200],
        launch_key=launch_key,
        pool_id=campaign.pool.pk,
        sending_domain_id=campaign.sending_domain.pk,
        from_address=campaign.from_address,
        stream=Stream.MARKETING,
        # A colleague may have left the newsletter and still look at it; who bounced or complained is left alone.
        scopes=[ANYWHERE],
        is_test=True,
    )


def _keep_to_the_limit(now: datetime, by: User, more: int) -> None:
    recent = Mailing.objects.filter(launch_key__startswith=f"test:{by.pk}:", launched_at__gt=now - timedelta(hours=1))
    sent = recent.aggregate(n=Sum("total"))["n"] or 0
    if sent + more > MOST_AN_HOUR:
        raise CannotTest(
            _("You may send %(MOST_AN_HOUR)s tests an hour, and sent %(sent)s. Wait a little.")
            % {"MOST_AN_HOUR": MOST_AN_HOUR, "sent": sent}
        )


def _audience(colleagues: Sequence[str], as_subscriber_id: int | None) -> Audience:
    return Audience(
        _COLLEAGUES,
        {
            # Nobody has the number 0: the letter is written with every fallback.
            "person": as_subscriber_id or 0,
            "keys": [key_of(address) for address in colleagues],
            "domains": [address.rpartition("@")[2] for address in colleagues],
            "addresses": list(colleagues),
        },
    )


_COLLEAGUES = """
    SELECT %(person)s::bigint AS subscriber_id, c.key AS address_key, c.domain, NULL::bigint AS via_list,
           NULL::timestamptz AS engaged_at, c.address AS to_address, NULL::varchar AS reason
    FROM unnest(%(keys)s::uuid[], %(domains)s::varchar[], %(addresses)s::varchar[]) AS c (key, domain, address)
"""


@dataclass(frozen=True, slots=True)
class TrialResult:
    """What became of one address so far. `words` are the receiver's own; `seconds` from asking to the answer."""

    address: str
    tone: str
    sentence: str
    words: str = ""
    seconds: float | None = None
    final: bool = True


def results_of(mailing: Mailing) -> list[TrialResult]:
    """One per colleague, in the order of their addresses: one query."""
    with connection.cursor() as cursor:
        cursor.execute(_RESULTS, [mailing.pk])
        return [_result(mailing, *row) for row in cursor.fetchall()]


def _result(
    mailing: Mailing,
    address: str,
    kind: str | None,
    reason: str | None,
    at: datetime | None,
    reply_class: str | None,
    words: str | None,
    domain_state: str | None,
) -> TrialResult:
    domain = address.rpartition("@")[2]
    if kind is None:
        said = _("Waiting for its turn.") if domain_state == "ok" else _not_known(domain, domain_state)
        return TrialResult(address, "live", said, final=False)
    said = sentence(kind=kind, who=domain, reply_class=reply_class or "", reason=reason or "")
    if kind == OutcomeKind.DEFERRED:
        return TrialResult(address, "wait", f"{said} We try again.", words or "", final=False)
    tone = "ok" if kind == OutcomeKind.ACCEPTED else "wait" if kind == OutcomeKind.UNKNOWN else "bad"
    seconds = max(0.0, (at - mailing.launched_at).total_seconds()) if at else None
    return TrialResult(address, tone, said, words or "", seconds)


def _not_known(domain: str, state: str | None) -> str:
    if state == RecipientDomain.State.NOT_FOUND:
        return _("DNS says that %(domain)s does not exist. Look for a slip of the pen.") % {"domain": domain}
    if state == RecipientDomain.State.NO_MAIL:
        return _("DNS says that %(domain)s takes no mail. Look for a slip of the pen.") % {"domain": domain}
    return _("Looking up where %(domain)s takes its mail.") % {"domain": domain}


_RESULTS = """
SELECT d.to_address, o.kind, o.reason, o.at, r.reply_class,
       nullif(concat_ws(' ', r.code, nullif(r.enhanced, ''), r.text), ''), p.state
FROM sending_delivery d
LEFT JOIN LATERAL (SELECT x.kind, x.reason, x.at, x.reply_id FROM sending_outcome x
                   WHERE x.mailing_id = d.mailing_id AND x.delivery = d.id ORDER BY x.attempt DESC LIMIT 1) o ON true
LEFT JOIN sending_reply r ON r.id = o.reply_id
LEFT JOIN reputation_recipientdomain p ON p.domain = d.domain
WHERE d.mailing_id = %s ORDER BY d.to_address
"""


def trial_of(*, mailing_id: int, campaign_id: int) -> Mailing | None:
    """The test mailing of this campaign with this number, or nothing."""
    return _trials(campaign_id).filter(pk=mailing_id).first()


def was_tested(campaign: Campaign) -> bool:
    """Has anybody got a test of it? Asked on a page, so by what was accepted, not by what was tried."""
    accepted = {"counts__kind": OutcomeKind.ACCEPTED, "counts__n__gt": 0}
    return _trials(campaign.pk).filter(**accepted).exists()


def _trials(campaign_id: int) -> QuerySet[Mailing]:
    return Mailing.objects.filter(is_test=True, launch_key__regex=rf"^test:\d+:{campaign_id}:")
