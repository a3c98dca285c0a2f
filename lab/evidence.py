"""What a receiver reads off one message: identity, List-Unsubscribe, and whether it is authenticated (SPF, DKIM,
DMARC).
"""

import re
from dataclasses import dataclass
from email.utils import parseaddr

import dkim

from lab.spf import check_spf
from lab.zone import Zone

FOLD = re.compile(rb"\r?\n(?=[ \t])")
TAG = re.compile(r"(?:^|;)\s*([a-z]+)\s*=\s*([^;]*)")


@dataclass(frozen=True)
class Head:
    """Header fields by lower-case name, unfolded, in order of appearance."""

    fields: dict[str, list[str]]

    def first(self, name: str) -> str:
        return self.fields.get(name.lower(), [""])[0]

    @property
    def from_domain(self) -> str:
        return parseaddr(self.first("from"))[1].rpartition("@")[2].lower()


@dataclass(frozen=True)
class Authentication:
    """`dkim_verified` is None for an unsigned message; `unsubscribe_signed`: both RFC 8058 headers are there and in a
    valid signature's h=.
    """

    dkim_domain: str
    dkim_verified: bool | None
    unsubscribe_signed: bool
    spf: str
    dmarc: str


def read_head(raw: bytes) -> Head:
    head = FOLD.sub(b"", raw.partition(b"\r\n\r\n")[0])
    fields: dict[str, list[str]] = {}
    for line in head.split(b"\r\n"):
        name, colon, value = line.partition(b":")
        if colon:
            fields.setdefault(name.strip().lower().decode("ascii", "replace"), []).append(
                value.strip().decode("utf-8", "replace")
            )
    return Head(fields)


def authenticate(raw: bytes, head: Head, *, client_ip: str, mail_from: str, zone: Zone) -> Authentication:
    """Check a message against the lab's own DNS data. The verifier of signatures is dkimpy, not the sender's own
    code.
    """
    domain, verified, covered = _best_signature(raw, head, zone)
    mail_domain = mail_from.rpartition("@")[2].lower()
    spf = check_spf(client_ip, mail_domain, zone) if mail_domain else "none"
    aligned = (verified is True and _aligned(domain, head.from_domain)) or (
        spf == "pass" and _aligned(mail_domain, head.from_domain)
    )
    return Authentication(
        dkim_domain=domain,
        dkim_verified=verified,
        unsubscribe_signed=verified is True
        and {"list-unsubscribe", "list-unsubscribe-post"} <= covered & head.fields.keys(),
        spf=spf,
        dmarc=_dmarc(head.from_domain, aligned, zone),
    )


def _best_signature(raw: bytes, head: Head, zone: Zone) -> tuple[str, bool | None, set[str]]:
    """Domain, verdict and signed header names of the first valid signature, else of the first one."""
    first: tuple[str, bool | None, set[str]] = ("", None, set())
    for index, field in enumerate(head.fields.get("dkim-signature", [])):
        tags = {name: re.sub(r"\s", "", value) for name, value in TAG.findall(field)}
        found = (tags.get("d", "").lower(), _verifies(raw, index, zone), set(tags.get("h", "").lower().split(":")))
        if found[1]:
            return found
        first = first if first[0] else found
    return first


def _verifies(raw: bytes, index: int, zone: Zone) -> bool:
    def key_of(name: bytes, timeout: int = 5) -> bytes | None:
        texts = zone.texts(name.decode("ascii", "replace"))
        return texts[0].encode() if texts else None

    try:
        return bool(dkim.DKIM(raw).verify(idx=index, dnsfunc=key_of))
    except (dkim.DKIMException, ValueError, KeyError, IndexError):
        return False


def _dmarc(from_domain: str, aligned: bool, zone: Zone) -> str:
    policy = next(
        (text for name in (from_domain, _organisation(from_domain)) if name for text in zone.texts(f"_dmarc.{name}")),
        "",
    )
    if not policy.startswith("v=DMARC1"):
        return "none"
    return "pass" if aligned else "fail"


def _aligned(domain: str, from_domain: str) -> bool:
    """Relaxed alignment (RFC 9989 section 4.4)."""
    return bool(domain) and _organisation(domain) == _organisation(from_domain)


def _organisation(domain: str) -> str:
    """The lab's domains are all one label below their public suffix, so two labels are the organisational domain."""
    return ".".join(domain.split(".")[-2:])
