"""Does a published DKIM record hold our key? With a sentence for each of the usual slips (RFC 6376, section 3.6.1)."""

from collections.abc import Sequence


def problem(*, expected: str, records: Sequence[str], name: str) -> str | None:
    """What is wrong with the TXT records found at `name`, or None when they publish the public key `expected`."""
    keys = [text for text in records if "p=" in text.replace(" ", "") or "dkim1" in text.lower()]
    if not keys:
        return f"There are TXT records at {name}, but none is a DKIM key."
    if len(keys) > 1:
        return _several(expected, keys, name)
    tags = _tags(keys[0])
    found = "".join(tags.get("p", "").split()).strip('"')
    if found == expected:
        return _wrong_tags(tags, name)
    if not found:
        return f"The key at {name} is empty (p=), which means: revoked. Publish the value shown here."
    if '"' in keys[0] or "\\" in keys[0]:
        return f"The record at {name} has quotation marks or backslashes inside. Enter the value without them."
    if expected.startswith(found):
        return f"The key at {name} was cut off after {len(found)} of {len(expected)} characters. Enter it in full."
    return f"The record at {name} holds another key than ours. Replace it by the value shown here."


def _several(expected: str, keys: Sequence[str], name: str) -> str:
    joined = "".join("".join(key.split()) for key in keys)
    whole = expected in joined or expected in "".join("".join(key.split()) for key in reversed(keys))
    if whole and not any(expected in "".join(key.split()) for key in keys):
        return f"The key at {name} was split over {len(keys)} records. It must be one record (of several strings)."
    return f"There are {len(keys)} DKIM records at {name}; receivers may take either. Keep only the one shown here."


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
