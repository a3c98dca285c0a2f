"""E-mail addresses: one spelling for each, a keyed hash of it, and what looks odd about it.

What receivers take decides, not the whole grammar of RFC 5321: dot-atom local parts only. Quoted local parts and
address literals exist on paper; no large provider hands them out, and most of those in files are damage or attacks.
Letters outside ASCII before the @ need SMTPUTF8 (RFC 6531), which few receivers offer, so they are refused as well.
No dot or plus games: `j.doe+news@x.org` and `jdoe@x.org` are two mailboxes for everybody but their own provider.
"""

import hmac
import re
import unicodedata
import uuid
from dataclasses import dataclass
from functools import lru_cache

import idna

from words import gettext as _

LOCAL_MAX = 64  # octets, RFC 5321 §4.5.3.1.1
DOMAIN_MAX = 253  # characters without the root's dot, RFC 1035 §2.3.4
ADDRESS_MAX = 254  # a path is 256 octets with its angle brackets, RFC 5321 §4.5.3.1.3

# Names that never take mail from the internet: RFC 6761, RFC 6762, RFC 7686.
DEAD_TLDS = frozenset({"invalid", "localhost", "local", "localdomain", "onion"})
# Reserved for documentation and tests (RFC 2606): nobody reads mail there, but the sample world lives there.
SAMPLE_TLDS = frozenset({"example", "test"})
SAMPLE_DOMAINS = frozenset({"example.com", "example.net", "example.org"})

# RFC 2142 and the names shared mailboxes usually carry.
ROLE_NAMES = frozenset(
    "abuse accounting accounts admin administrator all billing compliance contact devnull dns enquiries everyone ftp "
    "hello help helpdesk hostmaster hr info inquiries investorrelations jobs kontakt legal list listserv mail "
    "mailer-daemon marketing news newsletter noc no-reply noreply office orders phish phishing postmaster press "
    "privacy registrar reply root sales security service spam staff subscribe support sysadmin team tech "
    "undisclosed-recipients unsubscribe usenet uucp webmaster www".split()
)

# The big mailbox domains that people mistype; and real domains one letter away from them.
POPULAR_DOMAINS = (
    "gmail.com googlemail.com yahoo.com yahoo.co.uk yahoo.fr yahoo.de ymail.com hotmail.com hotmail.co.uk hotmail.fr "
    "hotmail.de hotmail.it outlook.com outlook.de outlook.fr live.com icloud.com aol.com comcast.net verizon.net "
    "t-online.de freenet.de web.de orange.fr wanadoo.fr laposte.net libero.it btinternet.com sbcglobal.net "
    "protonmail.com mail.ru yandex.ru"
).split()
REAL_NEIGHBOURS = frozenset(
    "mail.com email.com ymail.com live.de live.fr live.it live.nl live.ca live.be hotmail.es hotmail.be hotmail.nl "
    "outlook.be outlook.es outlook.it outlook.dk yahoo.ca yahoo.in yahoo.it yahoo.es yahoo.se yahoo.co.jp yahoo.co.nz "
    "yahoo.co.za yahoo.co.in yahoo.co.id yahoo.no me.com mac.com gmx.de ail.com bmail.com fmail.com hmail.com "
    "olive.com mail.de mail.ee yandex.ua yandex.by yandex.kz aon.at aol.de bol.com weg.de orange.es orange.pl".split()
)

_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
# Most of any file, decided by one match: plain ASCII with nothing that idna would have to look at.
_PLAIN = re.compile(r"[a-z0-9_+-]{1,30}(?:\.[a-z0-9_+-]{1,30}){0,1}@(?:[a-z0-9]{1,60}\.){1,3}[a-z]{2,20}")
_ANGLED = re.compile(r"(?:[^<>\r\n\x00]*[^<>\r\n\x00\S]|\"[^\"\r\n\x00]*\"|)<([^<>]*)>")
# What spreadsheets and web pages leave around a cell: blanks, no-break and zero-width spaces, byte-order marks.
_AROUND = " \t\r\n\u00a0\u200b\u200c\u200d\u2060\ufeff"
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class BadAddress(ValueError):
    """This can't be an address that takes mail; the text says why in one plain sentence."""


@dataclass(frozen=True, slots=True)
class Oddity:
    """Something that deserves a look but is no reason to refuse: kind is `typo`, `role` or `sample`."""

    kind: str
    sentence: str
    suggestion: str = ""


def normalise(address: str) -> str:
    """The one spelling of a bare address: lower case, the domain in A-labels (UTS #46), no closing dot.

    Blanks around it are dropped. Applying it twice changes nothing. Raises BadAddress, and nothing else.
    """
    text = address.strip(_AROUND)
    lowered = text.lower() if text.isascii() else text
    if _PLAIN.fullmatch(lowered) and lowered.rpartition(".")[2] not in DEAD_TLDS:
        return lowered
    return _normalise_with_care(text)


def _normalise_with_care(text: str) -> str:
    if not text:
        raise BadAddress(_("The address is empty."))
    if _CONTROLS.search(text):
        raise BadAddress(_("The address contains a line break or another control character."))
    if any(character.isspace() for character in text):
        raise BadAddress(_("The address contains a space."))
    if any(character in '<>,;:\\"()' for character in text):
        raise BadAddress(_("The address contains %(text)s, which no mailbox uses.") % {"text": _first_forbidden(text)})
    local, at, domain = text.rpartition("@")
    if not at:
        raise BadAddress(_("The address has no @."))
    if "@" in local:
        raise BadAddress(_("The address has more than one @."))
    normalised = f"{_local_part(local)}@{_domain(domain)}"
    if len(normalised) > ADDRESS_MAX:
        raise BadAddress(_("The address is longer than %(ADDRESS_MAX)s characters.") % {"ADDRESS_MAX": ADDRESS_MAX})
    return normalised


def _first_forbidden(text: str) -> str:
    return next(character for character in text if character in '<>,;:\\"()')


def _local_part(local: str) -> str:
    if not local:
        raise BadAddress(_("There is nothing before the @."))
    if not local.isascii():
        raise BadAddress(
            _("There are letters before the @ that most mail servers can't take (only a–z without accents).")
        )
    if len(local) > LOCAL_MAX:
        raise BadAddress(_("The part before the @ is longer than %(LOCAL_MAX)s characters.") % {"LOCAL_MAX": LOCAL_MAX})
    if not _LOCAL.fullmatch(local):
        if local.startswith(".") or local.endswith(".") or ".." in local:
            raise BadAddress(_("There is a dot too many before the @."))
        raise BadAddress(_("There is a character before the @ that no mailbox uses."))
    return local.lower()


def _domain(domain: str) -> str:
    if not domain.strip("."):
        raise BadAddress(_("There is nothing after the @."))
    if domain.startswith("["):
        raise BadAddress(_("The part after the @ is a number of a computer, not a domain."))
    if len(domain) > 4 * DOMAIN_MAX:
        raise BadAddress(
            _("The part after the @ is longer than %(DOMAIN_MAX)s characters.") % {"DOMAIN_MAX": DOMAIN_MAX}
        )
    ascii_domain = _a_labels(domain)
    if len(ascii_domain) > DOMAIN_MAX:
        raise BadAddress(
            _("The part after the @ is longer than %(DOMAIN_MAX)s characters.") % {"DOMAIN_MAX": DOMAIN_MAX}
        )
    labels = ascii_domain.split(".")
    if any(not _LABEL.fullmatch(label) for label in labels):
        raise BadAddress(_("The part after the @ is not a domain name."))
    if len(labels) < 2:
        raise BadAddress(_("The domain after the @ has no ending such as .com."))
    if labels[-1] in DEAD_TLDS:
        raise BadAddress(_("Domains that end in .%(labels)s never take mail.") % {"labels": labels[-1]})
    if labels[-1].isdigit():
        raise BadAddress(_("The part after the @ is a number of a computer, not a domain."))
    return ascii_domain


def _a_labels(domain: str) -> str:
    """The domain in A-labels without the root's dot. Looked at by `idna` when a label is or claims to be Unicode."""
    lowered = unicodedata.normalize("NFC", domain).lower()
    if lowered.isascii() and "xn--" not in lowered:
        return lowered.removesuffix(".")
    try:
        encoded = idna.encode(lowered, uts46=True, std3_rules=True).decode("ascii").removesuffix(".")
        # Only what decodes to itself again is kept, so that two spellings never share one mailbox.
        return idna.encode(idna.decode(encoded)).decode("ascii")
    except (UnicodeError, ValueError, IndexError) as error:
        raise BadAddress(_("The part after the @ is not a domain name.")) from error


def bare_address(text: str) -> str:
    """The address inside what people paste into files: `mailto:jane@x.org`, `Jane <jane@x.org>`, `<jane@x.org>`.

    Does not check the address. Raises BadAddress when there is something after the closing bracket.
    """
    stripped = text.strip(_AROUND)
    if stripped[:7].lower() == "mailto:":
        stripped = stripped[7:].partition("?")[0]
    if "<" not in stripped and ">" not in stripped:
        return stripped
    angled = _ANGLED.fullmatch(stripped)
    if angled is None:
        raise BadAddress(_("There is something around the address that does not belong there."))
    return angled[1]


def address_key(normalised: str, pepper: bytes) -> uuid.UUID:
    """The first 128 bits of HMAC-SHA256 over a normalised address: what suppressions and deliveries know people by."""
    return uuid.UUID(bytes=hmac.digest(pepper, normalised.encode("ascii"), "sha256")[:16])


def oddities(normalised: str) -> list[Oddity]:
    """What deserves a look about a valid address: a mistyped domain, a shared mailbox, a reserved domain."""
    local, _, domain = normalised.partition("@")
    found = []
    meant = likely_domain(domain)
    if meant:
        suggestion = f"{local}@{meant}"
        found.append(Oddity("typo", f"Perhaps {suggestion} was meant.", suggestion))
    if local in ROLE_NAMES:
        found.append(Oddity("role", f"{local}@ is usually read by several people or by nobody."))
    if domain in SAMPLE_DOMAINS or domain.rpartition(".")[2] in SAMPLE_TLDS:
        found.append(Oddity("sample", f"{domain} is reserved for examples; nobody reads mail there."))
    return found


@lru_cache(maxsize=20_000)
def likely_domain(domain: str) -> str:
    """The popular domain that this one is one slip of the finger away from, or an empty string."""
    if domain in REAL_NEIGHBOURS or domain in POPULAR_DOMAINS:
        return ""
    return next((popular for popular in POPULAR_DOMAINS if _one_slip_apart(domain, popular)), "")


def _one_slip_apart(one: str, other: str) -> bool:
    """One letter missing, added, changed, or two neighbours exchanged."""
    if abs(len(one) - len(other)) > 1 or one == other:
        return False
    start = 0
    while start < min(len(one), len(other)) and one[start] == other[start]:
        start += 1
    if len(one) != len(other):
        shorter, longer = sorted((one, other), key=len)
        return shorter[start:] == longer[start + 1 :]
    if one[start + 1 :] == other[start + 1 :]:
        return True
    exchanged = one[start : start + 2] == other[start : start + 2][::-1]
    return exchanged and one[start + 2 :] == other[start + 2 :]
