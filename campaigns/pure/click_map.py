"""The letter with a number at each link: how many people followed it."""

import re
from collections.abc import Mapping

# Links of the letter lead here while it is drawn; no such host exists.
PLACE = "https://link.invalid/"
_ANCHOR = re.compile(r'(<a\b[^>]*\bhref="' + re.escape(PLACE) + r'(\d+)"[^>]*>)(.*?)</a>', re.DOTALL)
_BADGE = (
    '<span style="display:inline-block;margin:0 2px;padding:0 6px;border-radius:9px;background:#005b6e;color:#ffffff;'
    'font:600 12px/18px system-ui,sans-serif;white-space:nowrap;text-decoration:none">{words}</span>'
)


def link_places(links: int) -> list[str]:
    """What to write as the addresses of a letter's links."""
    return [f"{PLACE}{number}" for number in range(links)]


def with_numbers(html: str, *, people: Mapping[int, int], clickers: int) -> str:
    """`html` with a badge behind every counted link, `328 · 25 %`; links lead nowhere any more.

    `people` by link number, `clickers` all who followed any link.
    """

    def mark(found: re.Match[str]) -> str:
        n = people.get(int(found[2]), 0)
        words = f"{n:,} · {100 * n // clickers} %" if clickers else f"{n:,}"
        opening = found[1].replace(f'href="{PLACE}{found[2]}"', "")
        return f"{opening}{found[3]}</a>{_BADGE.format(words=words)}"

    return _ANCHOR.sub(mark, html)
