"""Records a domain may publish besides: MTA-STS (RFC 8461), TLS-RPT (RFC 8460), BIMI. Each is read from TXT records.

What a reader returns is what is wrong with it, in a sentence, or an empty text; NOT_THERE when there is no such record.
"""

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

NOT_THERE = "not there"


def mta_sts(records: Sequence[str], name: str) -> str:
    """`_mta-sts.<host>`: tells senders that a policy is there, and by its id when it changed."""
    tags, wrong = _one(records, "STSv1", name)
    if tags is None:
        return wrong
    if not re.fullmatch(r"[A-Za-z0-9]{1,32}", tags.get("id", "")):
        return f"The record of {name} needs an id= of up to 32 letters and digits."
    return ""


def tls_rpt(records: Sequence[str], name: str) -> str:
    """`_smtp._tls.<host>`: where senders report failures of TLS."""
    tags, wrong = _one(records, "TLSRPTv1", name)
    if tags is None:
        return wrong
    targets = [target.strip() for target in tags.get("rua", "").split(",")]
    if not all(target.startswith(("mailto:", "https://")) for target in targets):
        return f"The record of {name} needs rua= with mailto: or https: addresses."
    return ""


def bimi(records: Sequence[str], name: str, policy: str) -> str:
    """`default._bimi.<domain>`: the logo inboxes show, for domains whose DMARC policy (`policy`) is enforced."""
    tags, wrong = _one(records, "BIMI1", name)
    if tags is None:
        return wrong
    logo = tags.get("l", "")
    if not logo and not tags.get("a"):
        return f"The record of {name} says that the domain shows no logo (l= is empty)."
    parts = urlsplit(logo)
    if parts.scheme != "https" or not parts.path.lower().endswith((".svg", ".svgz")):
        return f"The logo in the record of {name} must be an SVG at an https address (l=)."
    if policy not in ("quarantine", "reject"):
        return "Inboxes show the logo only when DMARC says p=quarantine or p=reject."
    return ""


def report_hosts(rua: str) -> list[str]:
    """The domains that a DMARC record sends its reports to: those of its mailto: addresses, once each."""
    addresses = [target.strip() for target in rua.split(",") if target.strip().lower().startswith("mailto:")]
    hosts = [address[7:].partition("!")[0].rpartition("@")[2].lower().rstrip(".") for address in addresses]
    return list(dict.fromkeys(host for host in hosts if host))


def _one(records: Sequence[str], version: str, name: str) -> tuple[dict[str, str] | None, str]:
    """The tags of the only record of that version, or what is wrong."""
    found = [text for text in records if re.match(rf"v\s*=\s*{version}\s*(;|$)", text)]
    if not found:
        return None, NOT_THERE
    if len(found) > 1:
        return None, f"{name} has {len(found)} records of this kind; then none of them counts. Keep one."
    pairs = (part.partition("=") for part in found[0].split(";") if "=" in part)
    return {key.strip().lower(): value.strip() for key, _, value in pairs}, ""
