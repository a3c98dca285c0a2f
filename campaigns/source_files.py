"""A mail somebody made elsewhere, as a file: taken byte for byte."""

import re

from campaigns.pure.kinds import Kind
from sending.pure.liquid_scan import MAX_SOURCE
from words import gettext as _

_MJML = re.compile(r"\ufeff?\s*(?:<!--.*?-->\s*|<\?xml[^>]*>\s*)*<mjml\b", re.IGNORECASE | re.DOTALL)


class BadSource(ValueError):
    """Why this file is not taken, in a sentence."""


def read_source(raw: bytes) -> tuple[Kind, str]:
    """The kind and the text of a file. Raises BadSource."""
    if len(raw) > MAX_SOURCE:
        raise BadSource(
            _("The file is larger than %(MAX_SOURCE)s KB. Gmail cuts letters at 102 KB; shorten it.")
            % {"MAX_SOURCE": MAX_SOURCE // 1000}
        )
    try:
        source = raw.decode()
    except UnicodeDecodeError:
        raise BadSource(_("The file is not UTF-8 text. Save it as UTF-8 in your editor and choose it again.")) from None
    if "\0" in source or "<" not in source:
        raise BadSource(
            _("This is neither HTML nor MJML. Choose a .html or .mjml file, or a ZIP with one.")
        )
    return (Kind.MJML if _MJML.match(source) else Kind.HTML), source
