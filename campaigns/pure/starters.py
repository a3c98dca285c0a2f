"""What stands on the page when somebody begins to write MJML or HTML, and how line ends survive a browser."""

from .code import as_html
from .kinds import Kind
from .placeholders import Placeholders

_MJML = """\
<mjml>
  <mj-head>
    <mj-attributes>
      <mj-all font-family="Helvetica, Arial, sans-serif" />
      <mj-text font-size="16px" line-height="1.5" color="#1f2933" />
      <mj-button background-color="#1a56b8" font-size="16px" border-radius="6px" />
    </mj-attributes>
  </mj-head>
  <mj-body background-color="#f4f5f7">
    <mj-section background-color="#ffffff">
      <mj-column>
        <mj-text font-size="26px" line-height="1.25">A headline</mj-text>
        <mj-text>Say in one sentence what this is about.</mj-text>
        <mj-button href="https://example.org/">Read more</mj-button>
      </mj-column>
    </mj-section>
  </mj-body>
</mjml>
"""
_HTML = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>A headline</title>
</head>
<body style="margin: 0; padding: 0; background-color: #f4f5f7;">
<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0">
<tr><td align="center">
<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0" style="max-width: 600px;">
<tr><td style="padding: 32px; background-color: #ffffff; font: 16px/24px Helvetica, Arial, sans-serif; color: #1f2933;">
<h1 style="margin: 0 0 16px; font-size: 26px; line-height: 32px;">A headline</h1>
<p style="margin: 0 0 16px;">Say in one sentence what this is about.</p>
</td></tr>
</table>
</td></tr>
</table>
</body>
</html>
"""


def first_page(kind: str, before_kind: str, before: str) -> str:
    """The source to begin with; MJML turns into the HTML it makes, where it can be read."""
    if kind == Kind.HTML and before_kind == Kind.MJML and (html := as_html(before, Placeholders(before))):
        return html
    return {Kind.MJML: _MJML, Kind.HTML: _HTML}.get(Kind(kind), "")


def with_line_ends_of(before: str, typed: str) -> str:
    """Browsers send every line end as CRLF and show every one as LF: a source keeps those it had."""
    plain = typed.replace("\r\n", "\n").replace("\r", "\n")
    if before.replace("\r\n", "\n").replace("\r", "\n") == plain:
        return before
    only_crlf = "\r\n" in before and before.count("\n") == before.count("\r\n") == before.count("\r")
    return plain.replace("\n", "\r\n") if only_crlf else plain
