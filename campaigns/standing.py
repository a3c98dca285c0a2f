"""What was found out about our address, our domain and the hosts of a letter's links, for preflight: read, never asked.

Blocklists are asked by `reputation.blocklists` on its own time; here the campaigns tell it which hosts they link to.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from django.db.models import Max, Q

from campaigns import link_checks
from campaigns.models import Campaign, LinkCheck, Revision
from campaigns.pure import advice, link_results
from campaigns.pure.findings import Finding, Level, Place, fine, must, should
from campaigns.pure.link_results import Result
from campaigns.pure.variants import letters_in
from reputation import blocklists
from reputation.catalogue import registrable
from reputation.domains import MAILBOXES
from reputation.models import Finding as Fact
from reputation.models import SendingAddress, SendingDomain
from words import gettext as _
from words import ngettext

# A draft that nobody touched for so long is not asked about; it is again after its next save.
DRAFTS_OF = timedelta(days=30)
WATCH_FOR = timedelta(days=2)


def watch_links(*, now: datetime) -> None:
    """Let the links in letters of drafts and scheduled campaigns be asked about: hosts by blocklists, all by us."""
    waiting = Campaign.objects.filter(
        Q(state=Campaign.State.SCHEDULED) | Q(state=Campaign.State.DRAFT, updated_at__gt=now - DRAFTS_OF)
    )
    newest = Revision.objects.filter(campaign__in=waiting).values("campaign").annotate(newest=Max("pk"))
    rows = Revision.objects.filter(pk__in=newest.values("newest")).values_list("letter", "kind", "ab_test")
    letters = [(letter, kind) for first, kind, ab_test in rows for letter in letters_in(first, ab_test)]
    hosts = {host for letter, _kind in letters for host in advice.hosts_of(letter)}
    blocklists.watch(hosts=hosts, until=now + WATCH_FOR)
    link_checks.watch(now=now, urls={url for letter, kind in letters for url in link_checks.links_of(letter, kind)})
    link_checks.forget(now=now)


def of_names(addresses: Sequence[SendingAddress]) -> Iterator[Finding]:
    """The reverse name of each address that a campaign may leave by."""
    for address in addresses:
        required = Fact.objects.filter(address=address, required=True)
        failed = required.filter(result=Fact.Result.FAIL).first()
        if failed is not None:
            sentence = _("The address %(ip)s has no matching reverse name: %(detail)s") % {
                "ip": address.ip,
                "detail": failed.detail,
            }
            yield must("route.reverse_name", Place.DOMAIN, sentence)
        elif not required.filter(result=Fact.Result.PASS).exists():
            sentence = _("The reverse name of %(ip)s has not been looked up yet.") % {"ip": address.ip}
            yield should("route.reverse_name_unknown", Place.DOMAIN, sentence)
        else:
            yield fine(
                "route.reverse_name_ok",
                Place.DOMAIN,
                _("%(ip)s and its name point to each other.") % {"ip": address.ip},
            )


def of_stream(domain: SendingDomain) -> Iterator[Finding]:
    """Marketing mail under a name of its own: what it does to the name, it does not do to office mail and invoices."""
    if registrable(domain.name) == domain.name:
        sentence = _("Office mail bears the name %(name)s too. Send from a part of it, such as news.%(name)s.")
        sentence %= {"name": domain.name}
        yield should("sender.shared_name", Place.DOMAIN, sentence)
    else:
        sentence = _("%(name)s keeps its name apart from that of office mail.") % {"name": domain.name}
        yield fine("sender.own_name", Place.DOMAIN, sentence)


def of_mailboxes(domain: SendingDomain) -> Iterator[Finding]:
    """Whether the domain's servers take mail for the addresses it has to have; said once it was refused twice."""
    facts = Fact.objects.filter(domain=domain, check_name__in=MAILBOXES).order_by("id")
    refused = [fact for fact in facts if fact.result == Fact.Result.FAIL and fact.confirmed]
    for fact in refused:
        about = {"address": fact.record_name.rpartition("@")[2]}
        if fact.check_name == "bounces":
            sentence = _("The server of %(address)s refuses bounces: dead addresses would never be noticed.") % about
            yield must("sender.bounces_refused", Place.DOMAIN, sentence)
        else:
            sentence = _("%(mailbox)s takes no mail. Receivers write there when something is wrong.")
            yield should(f"sender.{fact.check_name}", Place.DOMAIN, sentence % {"mailbox": fact.record_name})
    if facts and all(fact.result == Fact.Result.PASS for fact in facts):
        yield fine("sender.mailboxes", Place.DOMAIN, _("Postmaster, abuse and bounces are taken."))


def of_blocklists(campaign: Campaign, addresses: Sequence[SendingAddress], letter: str) -> Iterator[Finding]:
    """Listings that were seen twice stop or warn, as the list weighs; a list that could not be asked is said once."""
    about = Q(address__in=addresses) | Q(host__name__in=advice.hosts_of(letter))
    if campaign.sending_domain is not None:
        about |= Q(domain=campaign.sending_domain)
    facts = Fact.objects.filter(about, check_name__startswith=blocklists.PREFIX).order_by("id")
    rows = list(facts.select_related("address", "domain", "host"))
    listed = [row for row in rows if row.failing_since is not None and row.weight != Fact.Weight.TELL]
    yield from (_listed(row) for row in listed)
    unasked = [row for row in rows if row.result == Fact.Result.UNKNOWN and row.weight == Fact.Weight.MUST]
    unasked = [row for row in unasked if row not in listed]
    if unasked:
        yield should(
            "lists.unknown",
            Place.DOMAIN,
            _("%(detail)s Whether we are on it is not known.") % {"detail": unasked[0].detail},
        )
    elif rows and not listed:
        yield fine("lists.clean", Place.DOMAIN, _("Our address, our domain and the links are on no blocklist."))


def of_links(letter: str, kind: str) -> Iterator[Finding]:
    """Which links do not work, as far as they were asked. One that could not be checked may be fine."""
    lines = link_checks.links_of(letter, kind)
    rows = LinkCheck.objects.filter(url__in=lines).order_by("url")
    by_result: dict[str, list[LinkCheck]] = {}
    for row in rows:
        by_result.setdefault(row.result, []).append(row)
    for row in by_result.get(Result.BROKEN, []):
        sentence = link_results.sentence(row.url, urlsplit(row.url).hostname or "", row.status, row.why)
        yield should("link.broken", Place.CONTENT, sentence, lines[row.url])
    if unknown := by_result.get(Result.UNKNOWN, []):
        told = [f"{urlsplit(row.url).hostname}: {link_results.reason(row.status, row.why)}" for row in unknown]
        sentence = ngettext(
            "%(n)s link could not be checked (%(hosts)s). It may be fine; click it once yourself.",
            "%(n)s links could not be checked (%(hosts)s). They may be fine; click them once yourself.",
            len(unknown),
        )
        yield fine("link.unknown", Place.CONTENT, sentence % {"n": len(unknown), "hosts": "; ".join(told[:3])})
    if waiting := len(lines) - sum(len(some) for result, some in by_result.items() if result != Result.WAITING):
        sentence = ngettext("%(n)s link is still being checked.", "%(n)s links are still being checked.", waiting)
        yield fine("link.waiting", Place.CONTENT, sentence % {"n": waiting})
    if answered := by_result.get(Result.OK):
        sentence = ngettext("%(n)s link works.", "%(n)s links work.", len(answered))
        yield fine("link.works", Place.CONTENT, sentence % {"n": len(answered)})


def _listed(row: Fact) -> Finding:
    level = Level.MUST_FIX if row.confirmed and row.weight == Fact.Weight.MUST else Level.SHOULD_LOOK
    again = "" if row.confirmed else _(" It was seen once; we ask again within ten minutes.")
    said = (
        row.detail
        if row.result == Fact.Result.FAIL
        else _("%(detail)s When it last could be, we were on it.") % {"detail": row.detail}
    )
    if row.host is not None:
        return Finding(
            "link.listed",
            level,
            Place.CONTENT,
            _("A link leads to a host that filters block: %(said)s%(again)s") % {"said": said, "again": again},
        )
    id = "route.listed" if row.address is not None else "sender.listed"
    return Finding(id, level, Place.DOMAIN, f"{said}{again}")
