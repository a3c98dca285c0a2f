"""Why somebody left, said afterwards and only if they like."""

from datetime import datetime

from audiences.models import ConsentEvent, ConsentEvidence, Subscriber

# What the page offers, and how it stands in the consent history.
REASONS = {
    "often": "It came too often",
    "expected": "It was not what I expected",
    "never": "I never asked for it",
    "other": "Something else",
}


def note_reason(*, subscriber_id: int, reason: str, since: datetime) -> bool:
    """Keep the reason with the evidence of what was left since then; it goes when the person is erased.

    False when there is nothing it could be about, or the reason is none of ours.
    """
    person = Subscriber.objects.filter(pk=subscriber_id).first()
    if person is None or reason not in REASONS:
        return False
    left = ConsentEvent.objects.filter(
        subject_key=person.address_key, kind=ConsentEvent.Kind.UNSUBSCRIBED, at__gte=since
    )
    for event in left:
        ConsentEvidence.objects.update_or_create(event=event, defaults={"text": f"Reason: {REASONS[reason]}"})
    return left.exists()
