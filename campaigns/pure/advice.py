"""Advice on the words: what can be said of a letter without sending it. Sources: providers.md §5 rows 13, 14 and 16."""

import re
from collections.abc import Iterable
from datetime import datetime, time
from urllib.parse import urlsplit

from campaigns.pure.code import written_links
from campaigns.pure.contrast import Faint, faint_words
from campaigns.pure.findings import Finding, Place, fine, must, should
from campaigns.pure.kinds import Kind
from campaigns.pure.markup import read_markup
from campaigns.pure.markup_text import text_of_markup
from campaigns.pure.placeholders import Placeholders
from campaigns.pure.subject_words import marks_in, money_in, words_in
from words import gettext as _
from words import number

# When mail is quiet, by the workspace's clock.
QUIET_FROM, QUIET_UNTIL = time(22), time(6)
SUBJECT_LONG = 78
SUBJECT_SHORT = 10
# Gmail clips a message whose HTML is longer than this, and with it the unsubscribe link.
CLIPPED_AT = 102 * 1024
NEARLY_CLIPPED = 90 * 1024
SHORTENERS = frozenset(
    "bit.ly goo.gl t.co tinyurl.com ow.ly is.gd buff.ly rebrand.ly cutt.ly t.ly tiny.cc rb.gy shorturl.at".split()
)
VAGUE = frozenset(
    [
        "click here",
        "here",
        "click",
        "link",
        "this link",
        "read more",
        "more",
        "hier",
        "ici",
        "aquí",
    ]
)
FREE_MAIL = frozenset(
    """gmail.com googlemail.com yahoo.com hotmail.com outlook.com live.com msn.com aol.com icloud.com me.com gmx.de
    gmx.net gmx.com web.de mail.com proton.me protonmail.com t-online.de orange.fr wanadoo.fr free.fr laposte.net
    libero.it mail.ru yandex.ru qq.com 163.com comcast.net""".split()
)
# [text](target) of Markdown; images have a ! in front.
LINK = re.compile(r"(?<!!)\[([^\]\n]{0,300})\]\(\s*<?([^)\s>]{1,2000})")
IMAGE = re.compile(r"!\[([^\]\n]{0,300})\]\(\s*<?([^)\s>]{1,2000})")
BARE_LINK = re.compile(r"https?://[^\s<>()\[\]\"']{1,2000}")
HOST = re.compile(r"(?:[\w-]{1,63}\.)+[\w-]{2,63}")
_PICTURE = re.compile(r"<(?:img|mj-image)\b", re.IGNORECASE)
THREAD = re.compile(r"^\s*(re|fwd?|aw|wg|tr|rv)\s*:", re.IGNORECASE)


def of_subject(subject: str, preheader: str) -> list[Finding]:
    found = []
    if not subject.strip():
        return [
            must(
                "subject.empty",
                Place.CONTENT,
                _("The subject is empty. Write one; people decide by it."),
            )
        ]
    if len(subject) > SUBJECT_LONG:
        found.append(
            should(
                "subject.long",
                Place.CONTENT,
                _("The subject has %(n)s characters; phones show about 40.") % {"n": len(subject)},
            )
        )
    elif len(subject.strip()) < SUBJECT_SHORT:
        found.append(
            should(
                "subject.short",
                Place.CONTENT,
                _("The subject is very short. Say what is inside."),
            )
        )
    if THREAD.match(subject):
        found.append(
            should(
                "subject.thread",
                Place.CONTENT,
                _("The subject looks like an answer (“Re:”, “Fwd:”) but is none."),
            )
        )
    if subject.isupper() and len(subject) > SUBJECT_SHORT:
        found.append(
            should(
                "subject.shouting",
                Place.CONTENT,
                _("The subject is all capitals; filters dislike that."),
            )
        )
    found += _of_words(subject)
    if not preheader.strip():
        found.append(
            should(
                "preheader.empty",
                Place.CONTENT,
                _("There is no preheader, the line that inboxes show after the subject."),
            )
        )
    return found


def _of_words(subject: str) -> Iterable[Finding]:
    """What spam has taught readers and filters. Advice: words alone seldom decide."""
    for word, why in words_in(subject):
        sentence = _(
            "“%(word)s” in the subject: %(why)s. Words alone seldom decide; whether people want your mail counts far "
            "more."
        )
        yield should("subject.words", Place.CONTENT, sentence % {"word": word, "why": why})
    if marks := marks_in(subject):
        sentence = _("The subject has “%(marks)s”. One mark says the same; more look like spam.")
        yield should("subject.marks", Place.CONTENT, sentence % {"marks": marks})
    if money := money_in(subject):
        sentence = _("The subject has “%(money)s”. Write the price, or what is new.")
        yield should("subject.money", Place.CONTENT, sentence % {"money": money})


def wrong_in_subject(subject: str) -> str:
    """What is wrong with a subject as one person gets it; empty when it is fine."""
    if not subject.strip():
        return "the subject is empty"
    if "{{" in subject or "{%" in subject:
        return "the subject still has a tag in it"
    return "the subject has a line break" if any(c in subject for c in "\r\n") else ""


def of_letter(letter: str, kind: str = Kind.LETTER) -> list[Finding]:
    """Links and pictures of the source, each with its line."""
    return _of_markdown(letter) if kind == Kind.LETTER else _of_code(letter)


def _of_code(source: str) -> list[Finding]:
    found = [finding for text, target, line in written_links(source) for finding in _of_link(text, target, line)]
    found += [_of_colours(faint) for faint in faint_words(read_markup(source))]
    if _PICTURE.search(source) and len(re.sub(r"\W", "", text_of_markup(source, Placeholders(source)))) < 80:
        found.append(_only_pictures())
    return found


def _of_colours(faint: Faint) -> Finding:
    about = {"ink": faint.ink, "paper": faint.paper, "ratio": number(faint.ratio, 1), "needed": number(faint.needed, 1)}
    sentence = _("Words in %(ink)s on %(paper)s are hard to read: %(ratio)s to 1, and %(needed)s are needed.") % about
    return should("content.contrast", Place.CONTENT, sentence, faint.line)


def _only_pictures() -> Finding:
    sentence = _("The letter is almost only pictures; say it in words too.")
    return should("content.image_only", Place.CONTENT, sentence)


def _of_markdown(letter: str) -> list[Finding]:
    found: list[Finding] = []
    for at, line in enumerate(letter.splitlines(), 1):
        for text, target in LINK.findall(line):
            found.extend(_of_link(text, target, at))
        for alt, _target in IMAGE.findall(line):
            if not alt.strip():
                found.append(
                    should(
                        "image.alt",
                        Place.CONTENT,
                        _("A picture has no description for those who cannot see it."),
                        at,
                    )
                )
    if letter.strip() and len(re.sub(r"!?\[[^\]]*\]\([^)]*\)|\W", "", letter)) < 80 and IMAGE.search(letter):
        found.append(_only_pictures())
    return found


def targets_of(source: str, kind: str = Kind.LETTER) -> list[tuple[str, int]]:
    """(address, line) of every link to the web that is the same for everybody."""
    if kind == Kind.LETTER:
        lines = list(enumerate(source.splitlines(), 1))
        found = [(target, number) for number, line in lines for _text, target in LINK.findall(line)]
        # In a line that has links with words, what stands alone may be part of one of them.
        found += [(target, number) for number, line in lines if "](" not in line for target in BARE_LINK.findall(line)]
    else:
        found = [(target, line) for _text, target, line in written_links(source)]
    web = ("https://", "http://")
    return [(to, at) for to, at in found if to.lower().startswith(web) and "{" not in to and _host(to)]


def hosts_of(letter: str) -> set[str]:
    """The hosts that links and pictures of a letter lead to, without those that depend on the person."""
    targets = [target for pattern in (LINK, IMAGE) for _, target in pattern.findall(letter)]
    targets += BARE_LINK.findall(letter)
    return {host for target in targets if "{" not in target.split("?")[0] and (host := _host(target))}


def _host(target: str) -> str:
    try:
        host = (urlsplit(target).hostname or "").rstrip(".").lower()
    except ValueError:
        return ""
    return host if HOST.fullmatch(host) and len(host) <= 253 else ""


def _of_link(text: str, target: str, line: int) -> Iterable[Finding]:
    host = (urlsplit(target).hostname or "") if "{{" not in target.split("?")[0] else ""
    if host in SHORTENERS:
        yield should(
            "link.shortener",
            Place.CONTENT,
            _("%(host)s hides where the link goes; filters distrust it.") % {"host": host},
            line,
        )
    if host in ("localhost", "127.0.0.1") or host.endswith((".local", ".localhost", ".internal")):
        yield must(
            "link.local",
            Place.CONTENT,
            _("A link goes to %(host)s, which only works on your own machine.") % {"host": host},
            line,
        )
    if target.startswith("http://") and host:
        yield should("link.insecure", Place.CONTENT, _("The link to %(host)s is not https.") % {"host": host}, line)
    if text.strip().lower() in VAGUE:
        yield should(
            "link.vague",
            Place.CONTENT,
            _("“%(text)s” does not say where the link goes.") % {"text": text.strip()},
            line,
        )


def of_start(starts_at: datetime) -> list[Finding]:
    """Whether most people sleep when it begins: in the zone it is told in, the workspace's."""
    if QUIET_UNTIL <= starts_at.time() < QUIET_FROM:
        return []
    sentence = _("It would begin at night in %(zone)s: it wakes some, and lies below the morning's mail for the rest.")
    return [should("when.quiet", Place.WHEN, sentence % {"zone": starts_at.tzinfo})]


def of_size(html_bytes: int) -> Finding:
    size = f"{html_bytes / 1024:.0f}"
    if html_bytes >= CLIPPED_AT:
        sentence = _("The letter is %(size)s KB. Gmail cuts it at 102 KB, and with it the unsubscribe link.") % {
            "size": size
        }
        return must("size.clipped", Place.CONTENT, sentence)
    if html_bytes >= NEARLY_CLIPPED:
        return should(
            "size.nearly_clipped",
            Place.CONTENT,
            _("The letter is %(size)s KB; Gmail cuts it at 102 KB.") % {"size": size},
        )
    return fine("size.ok", Place.CONTENT, _("%(size)s of 102 KB.") % {"size": size})


def of_sender(from_address: str, sending_domain: str) -> list[Finding]:
    domain = from_address.rpartition("@")[2].lower()
    if not domain or not from_address.rpartition("@")[0]:
        return [
            must(
                "sender.empty",
                Place.SENDER,
                _("Choose the address this campaign comes from."),
            )
        ]
    if domain in FREE_MAIL:
        sentence = _(
            "Nobody may send campaigns from %(domain)s: receivers reject it. Use an address at your own domain."
        ) % {"domain": domain}
        return [must("sender.free_mail", Place.SENDER, sentence)]
    if (
        domain != sending_domain
        and not domain.endswith("." + sending_domain)
        and not sending_domain.endswith("." + domain)
    ):
        return [
            must(
                "sender.not_aligned",
                Place.SENDER,
                _("%(from_address)s is not at the sending domain %(sending_domain)s.")
                % {"from_address": from_address, "sending_domain": sending_domain},
            )
        ]
    return [
        fine(
            "sender.aligned",
            Place.SENDER,
            _("From %(from_address)s, aligned with %(sending_domain)s.")
            % {"from_address": from_address, "sending_domain": sending_domain},
        )
    ]
