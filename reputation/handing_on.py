"""Handing the records of a domain on to whoever keeps its DNS: as a zone file, and by a link that needs no account.

The link is signed and ends after 30 days. It shows what is public once it is published, and never a private key.
"""

from django.core import signing

from reputation import dkim_keys
from reputation.domains import Record

LINK_DAYS = 30
_SALT = "dns-records"


def link_token(domain_id: int) -> str:
    """The secret part of the link to a domain's records."""
    return signing.dumps(domain_id, salt=_SALT)


def domain_of(token: str) -> int | None:
    """The domain a link leads to; None when it is forged or older than 30 days."""
    try:
        found = signing.loads(token, salt=_SALT, max_age=LINK_DAYS * 86_400)
    except signing.BadSignature:
        return None
    return found if isinstance(found, int) else None


def zone_file(records: list[Record]) -> str:
    """The records as lines of a zone file, names with their last dot."""
    return "\n".join(f"{record.name}.\t3600\tIN\t{record.type}\t{_value(record)}" for record in records)


def _value(record: Record) -> str:
    if record.type == "TXT":
        return dkim_keys.zone_file_value(record.value)
    return f"{record.value}." if record.type in {"MX", "PTR", "CNAME"} else record.value
