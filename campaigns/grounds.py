"""By what right a campaign's people are written to, and how long it lasts. Engineering checks, no legal advice.

European Union (Directive 2002/58/EC, Art. 13): consent; or a sale, for own similar products, where people could say no
then and can each time. Canada (CASL, s. 10): express consent; or implied consent, which ends two years after a sale and
six months after an inquiry. A person counts from the day of the sale or question where an import said it, else
from the day they came onto the list.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from audiences.models import MailingList
from campaigns.pure.findings import Finding, Place, fine, must, should
from reputation.workspace import workspace
from sending.models import Excluded
from words import gettext as _
from words import number

Ground = MailingList.Ground
# The shorter side of two years and of six months.
LASTS = {Ground.SALE: timedelta(days=730), Ground.INQUIRY: timedelta(days=181)}


def joined_since(*, now: datetime, lists: Sequence[int]) -> dict[int, datetime]:
    """List → since when its people must have come; nothing for lists whose ground does not end."""
    if not workspace().writes_to_canada:
        return {}
    grounds = MailingList.objects.filter(pk__in=lists, ground__in=LASTS).values_list("pk", "ground")
    return {pk: now - LASTS[Ground(ground)] for pk, ground in grounds}


def of_grounds(lists: Sequence[int], left_out: Mapping[str, int]) -> Iterator[Finding]:
    """What preflight says of the lists' grounds; `left_out` by reason."""
    rows = list(MailingList.objects.filter(pk__in=lists).exclude(ground=Ground.CONSENT).order_by("name"))
    if not rows:
        yield fine("ground.consent", Place.AUDIENCE, _("Everybody on these lists agreed."))
    for row in rows:
        about = {"name": row.name}
        if not row.occasion.strip():
            sentence = _("People of “%(name)s” never agreed, and it does not say why they may be written to.")
            yield must("ground.unnamed", Place.AUDIENCE, sentence % about)
        elif row.ground == Ground.INQUIRY:
            sentence = _("People of “%(name)s” only asked something. In the European Union that is no consent.")
            yield should("ground.inquiry", Place.AUDIENCE, sentence % about)
        else:
            sentence = _("People of “%(name)s” bought something: write of your own similar products only.")
            yield fine("ground.sale", Place.AUDIENCE, sentence % about)
    if ended := left_out.get(Excluded.Reason.CONSENT_ENDED, 0):
        sentence = _("%(n)s people are left out: they bought over two years ago, or asked over six months ago.")
        yield fine("ground.ended", Place.AUDIENCE, sentence % {"n": number(ended)})
