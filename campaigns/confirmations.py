"""The one mail a double opt-in needs: who asked to subscribe is picked up and gets "one click left".

Each list has one open mailing a day, so a person gets at most one such mail a day for a list, whoever enters their
address into a form.
"""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import translation
from django.utils.translation import gettext as _

from audiences.models import MailingList, Subscription
from campaigns.compile import Letter, Sender, compile_notice
from reputation.models import SendingDomain, Workspace
from reputation.workspace import workspace
from sending.doors.language import first_spoken
from sending.models import Mailing, Pool, Stream
from sending.press import Audience, NewMailing, append, press

# Who asked long ago and was never written to is not surprised with a mail now.
TOO_OLD = timedelta(days=2)

# A second mail on one day is refused by the mailing itself, so no condition here needs to.
WAITING = """
    SELECT s.id AS subscriber_id, s.address_key, s.domain, NULL::bigint AS via_list, NULL::timestamptz AS engaged_at,
           NULL::varchar AS to_address, NULL::varchar AS reason
    FROM audiences_subscription u JOIN audiences_subscriber s ON s.id = u.subscriber_id
    WHERE u.id = ANY(%(waiting)s)
"""


def send_confirmations(*, now: datetime) -> int:
    """Queue the mails that are due; returns how many. Without a verified domain and a route they wait."""
    _close_older(now)
    sender = _sender()
    if sender is None:
        return 0
    lists = MailingList.objects.filter(pk__in=_due(now).values("list")).order_by("pk")
    return sum(_send(now, found, *sender) for found in lists)


def _sender() -> tuple[SendingDomain, Pool] | None:
    can_send = [SendingDomain.State.VERIFIED, SendingDomain.State.UNSURE]
    domain = SendingDomain.objects.filter(state__in=can_send).order_by("verified_at").first()
    pool = Pool.objects.filter(members__route__active=True).order_by("pk").first()
    return (domain, pool) if domain and pool else None


def _due(now: datetime) -> QuerySet[Subscription]:
    return Subscription.objects.awaiting_confirmation().filter(since__gte=now - TOO_OLD)


def _send(now: datetime, to: MailingList, domain: SendingDomain, pool: Pool) -> int:
    with transaction.atomic():
        rows = _due(now).filter(list=to).select_for_update(skip_locked=True, no_key=True, of=("self",))
        waiting = list(rows.values_list("pk", flat=True)[:1000])
        if not waiting:
            return 0
        mailing = _mailing_of_the_day(now, to, domain, pool)
        came = append(now=now, mailing=mailing, audience=Audience(WAITING, {"waiting": waiting}))
        if came is None:
            return 0  # paused or stopped by a person: who asked waits
        return Subscription.objects.filter(pk__in=waiting).update(confirmation_queued_at=now)


def _mailing_of_the_day(now: datetime, to: MailingList, domain: SendingDomain, pool: Pool) -> Mailing:
    owner = workspace()
    new = NewMailing(
        name=f"Confirmations for {to.name}",
        launch_key=_key(now, to),
        pool_id=pool.pk,
        sending_domain_id=domain.pk,
        from_address=f"hello@{domain.name}",
        stream=Stream.TRANSACTIONAL,
        # Not `*` and no list: whoever left and asks anew must get it. Who complained or bounced is not in the queue.
        scopes=[f"stream:{Stream.TRANSACTIONAL}"],
        included_lists=[to.pk],
        is_open=True,
    )
    return press(now=now, new=new, messages=[_compiled(to, owner, new.from_address)], audience=Audience(_NOBODY, {}))


def _close_older(now: datetime) -> None:
    """Those of the days before, of every list: a list that nobody asks for today would keep its mailing open."""
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    older = Mailing.objects.filter(is_open=True, launch_key__startswith="confirm:", launched_at__lt=today)
    older.update(is_open=False)


def _key(now: datetime, to: MailingList) -> str:
    return f"confirm:{to.pk}:{now:%Y-%m-%d}"


def _compiled(to: MailingList, owner: Workspace, from_address: str) -> dict[str, object]:
    with translation.override(first_spoken([to.language, owner.language]) or settings.LANGUAGE_CODE):
        letter = Letter(
            subject=_("One click left: %(list)s") % {"list": to.public_name},
            source=_source(to.public_name.replace("*", ""), owner.name),
            from_name=owner.name,
            from_address=from_address,
            list_name=to.public_name,
            language=translation.get_language(),
        )
        reason = _("You get this one message because somebody entered %(email)s on our page.") % {"email": "{email}"}
    sender = Sender(name=owner.name, postal_address=owner.postal_address)
    message = compile_notice(
        letter=letter, sender=sender, reason=reason, known_fields=["confirm_url"], public_url=settings.PUBLIC_URL
    )
    return message.to_json()


def _source(name: str, sender: str) -> str:
    ask = _("Please confirm that you want **%(list)s** from %(sender)s.") % {"list": name, "sender": sender}
    otherwise = _("If it was not you who asked, do nothing. You will not hear from us again.")
    return f"""{ask}

[{_("Yes, subscribe me")}]({{{{ contact.confirm_url }}}} "button")

{otherwise}
"""


_NOBODY = """
    SELECT NULL::bigint AS subscriber_id, NULL::uuid AS address_key, NULL::varchar AS domain, NULL::bigint AS via_list,
           NULL::timestamptz AS engaged_at, NULL::varchar AS to_address, NULL::varchar AS reason WHERE false
"""
