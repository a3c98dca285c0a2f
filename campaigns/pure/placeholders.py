"""Opaque words that stand for Liquid tags while Markdown and the CSS inliner work on the text around them.

They are plain ASCII letters and digits: nothing escapes, encodes or breaks them, not even inside an address.
"""

import hashlib
import re
from collections.abc import Iterator

from sending.pure.liquid_scan import scan

# A brace that would begin a tag, also together with what follows the segment.
_BRACE = re.compile(r"\{(?=[{%]|\Z)")


class Placeholders:
    """Words for tags, and the way back. One per compiled letter."""

    def __init__(self, *texts: str) -> None:
        digest = hashlib.sha256("\0".join(texts).encode("utf-8", "replace")).hexdigest()
        self._mark = next(m for m in _marks(digest) if not any(m in text for text in texts))
        self._sources: list[str] = []
        self.pattern = re.compile(rf"{self._mark}(\d+)q")

    def put(self, source: str) -> str:
        """A word for this Liquid source."""
        self._sources.append(source)
        return f"{self._mark}{len(self._sources) - 1}q"

    def stashed(self, source: str) -> str:
        """This Liquid source with a word for each of its tags."""
        pieces, at = [], 0
        for tag in scan(source, room=4)[0]:
            pieces += [source[at : tag.start], self.put(source[tag.start : tag.end])]
            at = tag.end
        return "".join([*pieces, source[at:]])

    def source(self, match: re.Match[str]) -> str:
        """The source a match of `pattern` stands for."""
        return self._sources[int(match.group(1))]

    def restore(self, text: str) -> str:
        """Text as a Liquid source: words become their tags again, and no other brace can begin one."""
        pieces, at = [], 0
        for match in self.pattern.finditer(text):
            pieces += [_literal(text[at : match.start()]), self.source(match)]
            at = match.end()
        return "".join([*pieces, _literal(text[at:])])


def _marks(digest: str) -> Iterator[str]:
    return (f"lp{digest[at : at + 10]}z" for at in range(54))


def _literal(text: str) -> str:
    return _BRACE.sub("{{ '{' }}", text)
