"""Does a published DKIM record hold our key? With a sentence for each of the usual slips (RFC 6376, section 3.6.1)."""

from collections.abc import Sequence
from itertools import permutations

MOST_PARTS = 4


def problem(*, expected: str, records: Sequence[str], name: str) -> str | None:
    """What is wrong with the TXT records found at `name`, or None when they publish the public key `expected`."""
    if 1 < len(records) <= MOST_PARTS and _is_split(expected, records):
        return f"The key at {name} was split over {len(records)} records. It must be one record (of several strings)."
    keys = [text for text in records if "p=" in text.replace(" ", "") or "dkim1" in text.lower()]
    if not keys:
        return f"There are TXT records at {name}, but none is a DKIM key."
    if len(keys) > 1:
        return f"There are {len(keys)} DKIM records at {name}; receivers may take either. Keep only the one shown here."
    tags = _tags(keys[0])
    if _payload(keys[0]) == expected:
        return _wrong_tags(tags, name)
    return _wrong_key(expected, keys[0], name)


def _wrong_key(expected: str, record: str, name: str) -> str:
    found = _payload(record).strip('"')
    if not found:
        return f"The key at {name} is empty (p=), which means: revoked. Publish the value shown here."
    if '"' in record or "\\" in record:
        return f"The record at {name} has quotation marks or backslashes inside. Enter the value without them."
    if expected.startswith(found):
        return f"The key at {name} was cut off after {len(found)} of {len(expected)} characters. Enter it in full."
    return f"The record at {name} holds another key than ours. Replace it by the value shown here."


def _is_split(expected: str, records: Sequence[str]) -> bool:
    """Are the records together, in some order, what should have been one?"""
    parts = [_payload(record) for record in records]
    return expected not in parts and any("".join(order) == expected for order in permutations(parts))


def _payload(record: str) -> str:
    """The key in a record, or the whole text when it has no tags: the rest of a key that was split."""
    tags = _tags(record)
    return "".join(tags.get("p", record).split())


def _wrong_tags(tags: dict[str, str], name: str) -> str | None:
    if tags.get("v", "DKIM1") != "DKIM1":
        return f"The record at {name} must begin with v=DKIM1."
    if tags.get("k", "rsa") != "rsa":
        return f"The record at {name} says k={tags['k']}; our key is an RSA key (k=rsa)."
    if "sha256" not in tags.get("h", "sha256"):
        return f"The record at {name} forbids sha256 (h={tags['h']}). Take the h= part out."
    if "y" in tags.get("t", "").split(":"):
        return f"The record at {name} says t=y (testing): receivers treat such mail as unsigned. Take it out."
    return None


def _tags(record: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in record.split(";") if "=" in part)
    return {name.strip(' "').lower(): value.strip() for name, _, value in pairs}
