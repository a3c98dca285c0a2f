"""The words of MJML 4: which elements there are, what may stand in them, which attributes they take.

From the reference of MJML 4 (documentation.mjml.io). The compiler ignores what it does not know; we say so instead.
"""

_PADDING = "padding padding-top padding-right padding-bottom padding-left "
_BORDER = "border border-top border-right border-bottom border-left border-radius "
_FONT = "color font-family font-size font-style font-weight line-height letter-spacing text-decoration text-transform "
_BACKGROUND = (
    "background-color background-position background-position-x background-position-y background-repeat "
    "background-size background-url "
)
_BLOCK = _PADDING + "align container-background-color vertical-align "
_LINK = "href name rel target title "
_SECTION = _PADDING + _BORDER + _BACKGROUND + "direction full-width gap text-align text-padding "
_ICONS = (
    "icon-align icon-height icon-position icon-unwrapped-alt icon-unwrapped-url icon-width icon-wrapped-alt "
    "icon-wrapped-url "
)

_ATTRIBUTES = {
    "mjml": "lang dir owa version",
    "mj-head": "",
    "mj-attributes": "",
    "mj-all": "*",
    "mj-class": "*",
    "mj-breakpoint": "width",
    "mj-font": "name href",
    "mj-preview": "",
    "mj-style": "inline",
    "mj-title": "",
    "mj-body": "background-color width lang dir title",
    "mj-section": _SECTION,
    "mj-wrapper": _SECTION,
    "mj-group": "background-color direction vertical-align width",
    "mj-column": _PADDING + _BORDER + "background-color direction vertical-align width inner-background-color "
    "inner-border inner-border-top inner-border-right inner-border-bottom inner-border-left inner-border-radius",
    "mj-hero": _BLOCK + _BACKGROUND + "background-height background-width border-radius height mode width "
    "inner-background-color inner-padding inner-padding-top inner-padding-right inner-padding-bottom "
    "inner-padding-left",
    "mj-text": _BLOCK + _FONT + "height",
    "mj-button": _BLOCK + _BORDER + _FONT + _LINK + "background-color height inner-padding text-align width",
    "mj-image": _BLOCK + _BORDER + _LINK + "alt fluid-on-mobile font-size height max-height sizes src srcset usemap "
    "width",
    "mj-divider": _BLOCK + "border-color border-style border-width width",
    "mj-spacer": _BLOCK + "height",
    "mj-table": _BLOCK + _FONT + "border cellpadding cellspacing role table-layout width",
    "mj-raw": "position",
    "mj-navbar": _BLOCK + "hamburger ico-align ico-close ico-color ico-font-family ico-font-size ico-line-height "
    "ico-open ico-padding ico-padding-top ico-padding-right ico-padding-bottom ico-padding-left ico-text-decoration "
    "ico-text-transform",
    "mj-navbar-link": _PADDING + _FONT + _LINK,
    "mj-social": _BLOCK + _FONT + "border-radius icon-height icon-padding icon-size inner-padding mode table-layout "
    "text-padding",
    "mj-social-element": _BLOCK + _FONT + _LINK + "alt background-color border-radius icon-height icon-padding "
    "icon-position icon-size sizes src srcset text-padding",
    "mj-accordion": _BLOCK + _ICONS + "border font-family",
    "mj-accordion-element": _ICONS + "background-color border font-family",
    "mj-accordion-title": _PADDING + _FONT + "background-color",
    "mj-accordion-text": _PADDING + _FONT + "background-color",
    "mj-carousel": _BLOCK + "border-radius icon-width left-icon right-icon tb-border tb-border-radius "
    "tb-hover-border-color tb-selected-border-color tb-width thumbnails",
    "mj-carousel-image": _LINK + "alt border-radius sizes src srcset tb-border tb-border-radius thumbnails-src",
}
ATTRIBUTES = {name: frozenset(words.split()) | {"css-class", "mj-class"} for name, words in _ATTRIBUTES.items()}

_CONTENT = frozenset(
    """mj-accordion mj-button mj-carousel mj-divider mj-image mj-navbar mj-raw mj-social mj-spacer mj-table
    mj-text""".split()
)
CHILDREN = {
    "": frozenset({"mjml"}),
    "mjml": frozenset({"mj-head", "mj-body", "mj-raw"}),
    "mj-head": frozenset("mj-attributes mj-breakpoint mj-font mj-preview mj-raw mj-style mj-title".split()),
    "mj-attributes": frozenset(ATTRIBUTES) - {"mjml", "mj-head", "mj-attributes"},
    "mj-body": frozenset("mj-section mj-wrapper mj-hero mj-raw".split()),
    "mj-wrapper": frozenset("mj-section mj-hero mj-raw".split()),
    "mj-section": frozenset("mj-column mj-group mj-raw".split()),
    "mj-group": frozenset("mj-column mj-raw".split()),
    "mj-column": _CONTENT,
    "mj-hero": _CONTENT,
    "mj-navbar": frozenset({"mj-navbar-link", "mj-raw"}),
    "mj-social": frozenset({"mj-social-element", "mj-raw"}),
    "mj-accordion": frozenset({"mj-accordion-element", "mj-raw"}),
    "mj-accordion-element": frozenset({"mj-accordion-title", "mj-accordion-text", "mj-raw"}),
    "mj-carousel": frozenset({"mj-carousel-image"}),
}
# What the compiler would take from another host's pictures when the author names none of their own.
OWN_PICTURES = {
    "mj-social-element": ("src",),
    "mj-accordion": ("icon-wrapped-url", "icon-unwrapped-url"),
    "mj-carousel": ("left-icon", "right-icon"),
}
# For HTML, the few words that mails are made of.
HTML_WORDS = {
    "a": ["href", "style", "target", "title"],
    "img": ["src", "alt", "width", "height", "style"],
    "table": ["role", "width", "align", "border", "cellpadding", "cellspacing", "style"],
    "td": ["align", "valign", "width", "bgcolor", "style"],
    "tr": ["style"],
    **{name: ["style"] for name in "body div span p h1 h2 h3 ul ol li strong em br hr style".split()},
}
