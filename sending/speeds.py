"""What a message takes on a connection, by route and provider: each batch tells it with its books, the planner asks."""

from typing import Any

from sending.models import Batch
from sending.pure.lanes import SECONDS_UNTIL_KNOWN

# A batch of so many messages counts as much as all that was known before it.
_HALF_AT = 100
# No message is believed to take longer: what stood still was the receiver, for one batch.
_SLOWEST = 30.0

# Seconds a message takes, where anything was sent yet.
SPEEDS = "SELECT route_id, provider, seconds FROM sending_lanespeed WHERE provider = ANY(%(providers)s::text[])"
_LEARN = """
INSERT INTO sending_lanespeed AS known (route_id, provider, seconds)
VALUES (%(route)s, %(provider)s, %(unknown)s + (%(seconds)s - %(unknown)s) * %(weight)s)
ON CONFLICT (route_id, provider) DO UPDATE SET seconds = known.seconds + (%(seconds)s - known.seconds) * %(weight)s
"""


def learning(*, batch: Batch, messages: int, seconds: float) -> list[tuple[str, dict[str, Any]]]:
    """What counts in a batch whose connection was busy for `seconds` with so many messages. The last thing its
    transaction writes: batches of all mailings share this row."""
    if messages <= 0:
        return []
    params = {
        "route": batch.route_id,
        "provider": batch.provider,
        "unknown": SECONDS_UNTIL_KNOWN,
        "seconds": min(seconds / messages, _SLOWEST),
        "weight": messages / (messages + _HALF_AT),
    }
    return [(_LEARN, params)]
