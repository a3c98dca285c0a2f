"""People a letter can be looked at through: a few real recipients."""

from collections.abc import Sequence

from audiences.keys import key_of
from audiences.models import Subscriber
from audiences.pure.addresses import BadAddress
from campaigns.audience import audience_of, sample_of
from campaigns.models import Campaign

SHOWN = 8


def sample_people(campaign: Campaign) -> Sequence[Subscriber]:
    """The same few each time."""
    return list(Subscriber.objects.filter(pk__in=sample_of(audience_of(campaign), SHOWN)).order_by("email"))


def person_by_address(address: str) -> Subscriber | None:
    """Whoever has this address; None when nobody has, or it is none."""
    try:
        return Subscriber.objects.filter(address_key=key_of(address)).first()
    except BadAddress:
        return None
