"""Show a mail in one colour scheme, whatever the viewer's system prefers.

`color-scheme` on a frame does not switch `prefers-color-scheme` inside it, so the media query itself is rewritten.
"""

import re

_QUERY = re.compile(r"\(\s*prefers-color-scheme\s*:\s*(dark|light)\s*\)", re.IGNORECASE)
_ALWAYS, _NEVER = "(min-width: 0)", "(max-width: 0)"


# What mail programs do that turn light mails dark themselves, about: dark and light change places, pictures do not.
_FORCED = (
    "<style>html{background:#fff;filter:invert(.92) hue-rotate(180deg)}"
    "img,[background]{filter:invert(1) hue-rotate(180deg)}</style>"
)


def forced_dark(html: str) -> str:
    """The light page, darkened from outside."""
    return fixed_scheme(html, dark=False) + _FORCED


def fixed_scheme(html: str, *, dark: bool) -> str:
    """The page with every query for a colour scheme answered: light, or dark."""
    wanted = "dark" if dark else "light"
    return _QUERY.sub(lambda found: _ALWAYS if found[1].lower() == wanted else _NEVER, html)
