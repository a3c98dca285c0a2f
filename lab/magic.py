"""Local parts with a meaning at every receiver: `unknown-7@gmail.com` gets Gmail's own text for an unknown user.

A local part is magic when it equals a key or begins with the key and a dash.
"""

import re

AT_RCPT = {
    "unknown": "unknown",
    "full": "full",
    "inactive": "inactive",
    "policy": "policy",
    "too-quickly": "rcpt_rate",
    "defer": "defer",
    "reputation": "reputation",
}
AT_DOT = {
    "spam": "content",
    "defer-dot": "temp",
    "rate-ip": "rate_ip",
    "rate-dkim": "rate_dkim",
    "block-dot": "reputation",
    "auth": "dmarc",
}
DROPS = {"drop-rcpt": "rcpt", "drop-data": "data", "drop-body": "body", "drop-dot": "dot", "lost-reply": "reply"}
ODD_REPLIES = ("garbled", "lf-only", "code-999", "long-reply", "trickle", "close-in-reply")
OTHERS = ("grey", "slow", "slow-dot", "late-bounce", "complain")
KEYS = sorted([*AT_RCPT, *AT_DOT, *DROPS, *ODD_REPLIES, *OTHERS], key=len, reverse=True)
MAGIC = re.compile(f"({'|'.join(KEYS)})(?=-|$)", re.IGNORECASE)


def magic(address: str) -> str:
    """The longest magic key the local part begins with, or ''."""
    found = MAGIC.match(address.rpartition("@")[0])
    return found[1].lower() if found else ""
