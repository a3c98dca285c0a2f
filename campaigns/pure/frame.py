"""The page around a letter: responsive, readable without pictures, and with a footer nobody can remove.

The author's part is closed before the footer begins (raw HTML is off and blocks may not cross elements), and the
footer's look is written into its own elements.
"""

from dataclasses import dataclass
from html import escape

from premailer import Premailer

from sending.pure.message import Envelope

from .phrases import direction, phrases
from .placeholders import Placeholders

_STYLE = """
body { margin: 0; padding: 0; background-color: #f4f5f7; }
.page { background-color: #f4f5f7; }
.sheet { background-color: #ffffff; color: #1f2933; font-size: 16px;
  font-family: -apple-system, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif; line-height: 1.55; }
.letter { padding: 32px 32px 16px 32px; }
.letter p { margin: 0 0 16px 0; }
.letter h1 { font-size: 26px; line-height: 1.25; margin: 0 0 16px 0; }
.letter h2 { font-size: 21px; line-height: 1.3; margin: 24px 0 12px 0; }
.letter h3 { font-size: 18px; line-height: 1.35; margin: 20px 0 8px 0; }
.letter a { color: #1a56b8; }
.letter img { max-width: 100%; height: auto; border: 0; }
.letter ul, .letter ol { margin: 0 0 16px 0; padding: 0 24px; }
.letter blockquote { margin: 0 0 16px 0; padding: 0 16px; border-left: 4px solid #cbd2d9; color: #52606d; }
.letter pre { font-size: 14px; background-color: #f4f5f7; padding: 12px; white-space: pre-wrap; }
.letter hr { border: 0; border-top: 1px solid #cbd2d9; margin: 24px 0; }
.letter th, .letter td { padding: 6px 12px 6px 0; border-bottom: 1px solid #cbd2d9; }
.letter p.button { margin: 24px 0; }
.letter p.button a { display: inline-block; padding: 12px 24px; background-color: #1a56b8; color: #ffffff;
  text-decoration: none; border-radius: 6px; font-weight: bold; }
@media (max-width: 620px) { .letter { padding: 24px 20px 8px 20px !important; } }
@media (prefers-color-scheme: dark) {
  body, .page { background-color: #16191d !important; }
  .sheet { background-color: #22272e !important; color: #e4e7eb !important; }
  .letter a { color: #8ab4f8 !important; }
  .letter p.button a { color: #ffffff !important; }
  .letter blockquote { color: #b8c1cc !important; }
  .letter pre { background-color: #16191d !important; }
  .footer, .footer a { color: #b8c1cc !important; }
}
"""

_FOOTER_STYLE = (
    "padding:16px 32px 32px 32px;font-family:Helvetica,Arial,sans-serif;font-size:13px;line-height:1.5;color:#52606d"
)
_PIXEL = '<img src="{}" width="1" height="1" alt="" style="display:block;border:0">'
_HIDDEN = "display:none;max-height:0;overflow:hidden;mso-hide:all;font-size:1px;line-height:1px;opacity:0"
_PAD = "&#847; " * 80  # keeps the footer's words out of the inbox's preview line

_FOOTER_BLOCK = """
<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0">
<tr><td align="center"><table role="presentation" width="100%" style="max-width:600px;background-color:#ffffff">
<tr><td dir="{direction}" style="text-align:start;{style}">
{footer}
</td></tr></table></td></tr></table>
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Footer:
    """Who writes and why. `unsubscribe` off: a transactional mail, which says why but offers no leaving."""

    sender: str
    postal_address: str
    list_name: str = ""
    reason: str = ""  # instead of the sentence about the list
    unsubscribe: bool = True


def page(*, title: str, preheader: str, letter: str, footer: Footer, envelope: Envelope, places: Placeholders) -> str:
    """The whole HTML page with placeholders, CSS inlined; no network, and the same input gives the same bytes.

    `title` and `preheader` are plain text with placeholders, `letter` is HTML.
    """
    language = envelope.language or "en"
    shell = _SHELL.format(
        language=escape(language),
        direction=direction(language),
        style=_STYLE,
        title=escape(places.pattern.sub("…", title)),
        preheader=preheader_block(preheader),
        letter=letter,
        footer_style=_FOOTER_STYLE,
        footer=html_footer(footer, language=language, places=places),
        pixel=pixel(places) if envelope.track_opens else "",
    )
    inliner = Premailer(
        shell, allow_network=False, strip_important=False, keep_style_tags=False, disable_validation=True,
        disable_basic_attributes=["width", "height"], cssutils_logging_level=50,
    )  # fmt: skip
    return str(inliner.transform(pretty_print=False))


def preheader_block(text: str) -> str:
    """What inboxes show after the subject, unseen in the mail; `text` is plain with placeholders."""
    return f'<div style="{_HIDDEN}">{escape(text)} {_PAD}</div>' if text else ""


def pixel(places: Placeholders) -> str:
    """The picture that asks for opens."""
    return _PIXEL.format(places.put("{{ open_url }}"))


def footer_block(footer: Footer, *, language: str, places: Placeholders) -> str:
    """The footer for a page of the author's own: on a ground of its own, so that it can be read on any."""
    return _FOOTER_BLOCK.format(
        direction=direction(language), style=_FOOTER_STYLE, footer=html_footer(footer, language=language, places=places)
    )


def html_footer(footer: Footer, *, language: str, places: Placeholders) -> str:
    """Why, who, where, and the way out, as HTML."""
    lines = [
        _why(footer, language, places),
        f"{footer.sender}, {_one_line(footer.postal_address)}",
    ]
    paragraphs = [f'<p style="margin:0 0 8px 0">{escape(line)}</p>' for line in lines if line.strip(", ")]
    anchors = [
        f'<a href="{address}" style="color:#52606d;text-decoration:underline">{escape(label)}</a>'
        for label, address in _ways(footer, language, places)
    ]
    return "\n".join(
        [
            *paragraphs,
            f'<p style="margin:0">{" &nbsp;·&nbsp; ".join(anchors)}</p>' if anchors else "",
        ]
    )


def text_footer(footer: Footer, *, language: str, places: Placeholders) -> str:
    """The same as plain text, behind the signature mark that mail programs know."""
    lines = [
        _why(footer, language, places),
        f"{footer.sender}, {_one_line(footer.postal_address)}",
    ]
    ways = [f"{label}: {address}" for label, address in _ways(footer, language, places)]
    return "\n".join(["-- ", *(line for line in lines if line.strip(", ")), *ways]) + "\n"


def _why(footer: Footer, language: str, places: Placeholders) -> str:
    said = phrases(language)
    sentence = footer.reason or (said.why_list if footer.list_name else said.why)
    names = {
        "{list}": footer.list_name,
        "{sender}": footer.sender,
        "{email}": places.put("{{ contact.email }}"),
    }
    for name, value in names.items():
        sentence = sentence.replace(name, value)
    return sentence


def _one_line(address: str) -> str:
    return ", ".join(line.strip(" ,") for line in address.splitlines() if line.strip(" ,"))


def _ways(footer: Footer, language: str, places: Placeholders) -> list[tuple[str, str]]:
    if not footer.unsubscribe:
        return []
    said = phrases(language)
    return [
        (said.unsubscribe, places.put("{{ unsubscribe_url }}")),
        (said.preferences, places.put("{{ preferences_url }}")),
        (said.web_version, places.put("{{ web_version_url }}")),
    ]


_SHELL = """<!DOCTYPE html>
<html lang="{language}" dir="{direction}">
<head>
<meta http-equiv="Content-Type" content="text/html; charset=utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="x-apple-disable-message-reformatting">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<title>{title}</title>
<style type="text/css">{style}</style>
</head>
<body>
{preheader}<table role="presentation" class="page" width="100%" cellpadding="0" cellspacing="0" border="0">
<tr><td align="center" style="padding:24px 8px">
<!--[if mso]><table role="presentation" width="600" align="center" cellpadding="0" cellspacing="0"><tr><td><![endif]-->
<table role="presentation" class="sheet" width="100%" cellpadding="0" cellspacing="0" style="max-width:600px">
<tr><td class="letter" dir="{direction}">
{letter}
</td></tr>
<tr><td class="footer" dir="{direction}" style="{footer_style}">
{footer}
{pixel}
</td></tr>
</table>
<!--[if mso]></td></tr></table><![endif]-->
</td></tr>
</table>
</body>
</html>
"""
