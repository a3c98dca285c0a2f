"""Where the links of a letter may lead, and which of them are tracked.

Every http(s) link is tracked through a table of targets, so that a redirect can only lead where the letter says.
A link whose address holds a personal field is left untracked: its target would have to be stored per person, or be
taken from the request (an open redirect). Its values are percent-encoded; one that begins the address must itself be
a web address.
"""

import re
from dataclasses import dataclass, field

from sending.pure.liquid_scan import Problem
from sending.pure.personalise import SYSTEM_NAMES
from words import gettext as _

from .placeholders import Placeholders

_WEB = re.compile(r"https?://[^\s/?#]+", re.IGNORECASE)
_OTHER = re.compile(r"(?:mailto:[^\s@]+@[^\s@]+|tel:[+0-9().\-]+|sms:[+0-9().\-]+)\Z", re.IGNORECASE)
_SCHEME = re.compile(r"([a-z][a-z0-9+.\-]*):", re.IGNORECASE)
_OUTPUT = re.compile(r"\{\{-?\s*(.*?)\s*-?\}\}\Z", re.DOTALL)


@dataclass
class LinkTable:
    """The targets of a letter, each once; fills `problems` while the letter is read."""

    places: Placeholders
    public_url: str
    track: bool
    targets: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def href(self, address: str, line: int) -> str:
        """What to write where the author wrote a link's address; findings go to `problems`."""
        if self.places.pattern.search(address):
            return self._personal(address, line)
        if _WEB.match(address):
            return self._tracked(address) if self.track else address
        if _OTHER.match(address):
            return address
        self._refuse(address, line)
        return ""

    def src(self, address: str, line: int) -> str:
        """The absolute address of a picture; one of ours may be written from the root of the site."""
        if address.startswith("/") and not address.startswith("//"):
            address = self.public_url.rstrip("/") + address
        if self.places.pattern.search(address):
            return self._personal(address, line, is_picture=True)
        if not _WEB.match(address):
            message = _("A picture's address has to begin with https:// (or be one of your uploaded pictures).")
            self.problems.append(Problem(line, 1, message))
            return ""
        return address

    def _tracked(self, address: str) -> str:
        if address not in self.targets:
            self.targets.append(address)
        return self.places.put(f"{{{{ link[{self.targets.index(address)}] }}}}")

    def _personal(self, address: str, line: int, *, is_picture: bool = False) -> str:
        first = self.places.pattern.match(address)
        if first is None and not (_WEB.match(address) or (_OTHER_START.match(address) and not is_picture)):
            self._refuse(self.places.pattern.sub("…", address), line)
            return ""
        if first and not _OUTPUT.match(self.places.source(first)):
            self._refuse_tag(line)
            return ""
        if not is_picture and self.track and not self._is_system(address):
            message = _("Clicks on this link are not counted, because its address holds a personal field.")
            self.problems.append(Problem(line, 1, message, severity="advice"))
        return self.places.pattern.sub(self._encoded, address)

    def _encoded(self, match: re.Match[str]) -> str:
        source = self.places.source(match)
        output = _OUTPUT.match(source)
        if output is None or output.group(1) in SYSTEM_NAMES:
            return match.group()
        guard = "__url_whole" if match.start() == 0 else "__url_part"
        expression = re.sub(r"\s*\|\s*url_encode\s*\Z", "", output.group(1))
        return self.places.put(f"{{{{ {expression} | {guard} }}}}")

    def _is_system(self, address: str) -> bool:
        match = self.places.pattern.fullmatch(address)
        output = _OUTPUT.match(self.places.source(match)) if match else None
        return output is not None and output.group(1) in SYSTEM_NAMES

    def _refuse(self, address: str, line: int) -> None:
        scheme = _SCHEME.match(address)
        if scheme and not _WEB.match(address) and scheme.group(1).lower() not in ("http", "https", "mailto", "tel"):
            message = _("Links with `%(group)s:` are not allowed in letters.") % {"group": scheme.group(1)[:20]}
            self.problems.append(Problem(line, 1, message, _("Use https://, mailto: or tel:.")))
            return
        suggestion = (
            _("Did you mean `https://%(address)s`?") % {"address": address[:80]}
            if "." in address and "@" not in address
            else ""
        )
        message = (
            _("`%(address)s` is not a whole web address.") % {"address": address[:80]}
            if address
            else _("This link has no address.")
        )
        self.problems.append(Problem(line, 1, message, suggestion))

    def _refuse_tag(self, line: int) -> None:
        message = _("A link cannot begin with a `{% … %}` tag.")
        self.problems.append(
            Problem(
                line,
                1,
                message,
                _("Put the whole link inside the tag, or begin it with https://."),
            )
        )


_OTHER_START = re.compile(r"(?:mailto|tel|sms):", re.IGNORECASE)
