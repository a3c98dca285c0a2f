"""What a web server's answer says of a link. A program that asks is turned away where a person is not, so much is only
unknown (RFC 9110 §15 names the codes)."""

from enum import StrEnum

from words import gettext as _


class Result(StrEnum):
    WAITING = "waiting"
    OK = "ok"
    BROKEN = "broken"
    # Could not be checked: nothing bad is known.
    UNKNOWN = "unknown"


class Why(StrEnum):
    """What else than a status came of it."""

    NO_HOST = "no_host"
    CERTIFICATE = "certificate"
    SILENT = "silent"
    CIRCLES = "circles"
    INSIDE = "inside"
    NOT_ASKED = "not_asked"


# Sign in, not for programs, too many questions, come back later; 999 is LinkedIn's own.
_NOT_FOR_PROGRAMS = frozenset({401, 402, 403, 405, 406, 407, 408, 421, 423, 425, 429, 451, 503, 999})
_BROKEN = frozenset({Why.NO_HOST, Why.CERTIFICATE, Why.CIRCLES})


def of_status(status: int) -> Result:
    """Of the last answer, redirects followed."""
    if status < 400:
        return Result.OK
    return Result.UNKNOWN if status in _NOT_FOR_PROGRAMS else Result.BROKEN


def of_trouble(why: Why) -> Result:
    return Result.BROKEN if why in _BROKEN else Result.UNKNOWN


def sentence(url: str, host: str, status: int | None, why: str) -> str:
    """What is wrong with a link that does not work."""
    about = {"url": url, "host": host, "status": status}
    if why == Why.NO_HOST:
        return _("The link %(url)s leads nowhere: there is no host %(host)s.") % about
    if why == Why.CERTIFICATE:
        said = _("The link %(url)s frightens readers: the certificate of %(host)s is for another name or has ended.")
        return said % about
    if why == Why.CIRCLES:
        return _("The link %(url)s goes round in circles.") % about
    if status in (404, 410):
        return _("The link %(url)s leads to a page that is not there (%(status)s).") % about
    return _("The link %(url)s answers with an error (%(status)s).") % about


def reason(status: int | None, why: str) -> str:
    """Why a link could not be checked, in a few words."""
    if status is not None:
        return _("answers programs with %(status)s") % {"status": status}
    if why == Why.SILENT:
        return _("no answer in time")
    if why == Why.INSIDE:
        return _("an address that is not of the public internet")
    return _("not asked")
