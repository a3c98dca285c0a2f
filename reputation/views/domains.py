"""/domains/ and /addresses/"""

from datetime import datetime

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from reputation import blocklists, dkim_keys, domains, handing_on
from reputation.add_domain import add_domain
from reputation.forms import AddressForm, DomainForm
from reputation.models import DkimKey, Finding, SendingAddress, SendingDomain
from reputation.published import NAMES, history, listings, rows_of_address, rows_of_domain, sum_of
from reputation.pure.blocklists import is_worth_asking
from words import marked

MAILBOXES_NEXT = marked("Its mailboxes are asked within half a minute.")


def index(request: HttpRequest) -> HttpResponse:
    now = timezone.now()  # clock: entry
    rows = [
        (domain, *domains.may_send(now=now, domain=domain), sum_of(listings(domain.findings.all())))
        for domain in SendingDomain.objects.prefetch_related("findings")
    ]
    addresses = [
        (address, _names(address), sum_of(listings(address.findings.all())))
        for address in SendingAddress.objects.prefetch_related("findings")
    ]
    return render(request, "reputation/domains.html", {"nav": "domains", "domains": rows, "addresses": addresses})


def _names(address: SendingAddress) -> list[tuple[Finding, str]]:
    """The findings about an address's names, with what each is called."""
    return [(row, NAMES[row.check_name][0]) for row in address.findings.all() if row.check_name in NAMES]


def new(request: HttpRequest) -> HttpResponse:
    form = DomainForm(request.POST or None)
    if form.is_valid():
        now = timezone.now()  # clock: entry
        domain = add_domain(now=now, **form.cleaned_data)
        messages.success(request, _("Added. Publish the records below, then let us look."))
        return redirect("domain", domain.pk)
    context = {"nav": "domains", "form": form}
    return render(request, "reputation/domain_form.html", context, status=422 if form.errors else 200)


def show(request: HttpRequest, domain_id: int) -> HttpResponse:
    domain = get_object_or_404(SendingDomain, pk=domain_id)
    now = timezone.now()  # clock: entry
    allowed, sentence = domains.may_send(now=now, domain=domain)
    context = {
        "nav": "domains",
        "domain": domain,
        "allowed": allowed,
        "sentence": sentence,
        "rows": rows_of_domain(domain),
        "zone_file": handing_on.zone_file(_wanted(domain)),
        "link": settings.PUBLIC_URL + reverse("domain-records", args=[handing_on.link_token(domain.pk)]),
        "link_days": handing_on.LINK_DAYS,
        "listings": listings(domain.findings.all()),
        "history": history(domain),
        "keys": [(key, dkim_keys.bits(key.public_key), _switches_at(key)) for key in domain.keys.order_by("-id")],
        "has_active": domain.keys.filter(state=DkimKey.State.ACTIVE).exists(),
        "has_pending": domain.keys.filter(state=DkimKey.State.PENDING).exists(),
    }
    return render(request, "reputation/domain.html", context)


def records(request: HttpRequest, token: str) -> HttpResponse:
    """What a domain has to publish, for whoever keeps its DNS and has no account here."""
    domain_id = handing_on.domain_of(token)
    domain = SendingDomain.objects.filter(pk=domain_id).first() if domain_id else None
    if domain is None:
        return render(request, "reputation/records_gone.html", status=404)
    wanted = _wanted(domain)
    context = {"domain": domain, "records": wanted, "zone_file": handing_on.zone_file(wanted)}
    answer = render(request, "reputation/records.html", context)
    answer.headers["Referrer-Policy"] = "no-referrer"
    answer.headers["X-Robots-Tag"] = "noindex"
    return answer


def _wanted(domain: SendingDomain) -> list[domains.Record]:
    ips = list(SendingAddress.objects.values_list("ip", flat=True))
    return domains.records_to_publish(domain=domain, addresses=ips)


def _switches_at(key: DkimKey) -> datetime | None:
    """When a key that waits will begin to sign by itself."""
    return key.seen_since + dkim_keys.SEEN_FOR if key.seen_since else None


@require_POST
def check(request: HttpRequest, domain_id: int) -> HttpResponse:
    get_object_or_404(SendingDomain, pk=domain_id)
    now = timezone.now()  # clock: entry
    domain = domains.check_domain(now=now, domain_id=domain_id)
    SendingDomain.objects.filter(pk=domain_id).update(probe_wanted_at=now)
    blocklists.check(now=now, about=domain)
    allowed, sentence = domains.may_send(now=now, domain=domain)
    level = messages.SUCCESS if allowed else messages.WARNING
    found = sentence or _("Everything that is needed is there.")
    said = _("Looked. %(found)s") % {"found": found}
    messages.add_message(request, level, f"{said} {_(MAILBOXES_NEXT)}")
    return redirect("domain", domain_id)


@require_POST
def key(request: HttpRequest, domain_id: int) -> HttpResponse:
    """POST `new` for the next key; without it, look for the pending key's record and let it sign if it is there."""
    domain = get_object_or_404(SendingDomain, pk=domain_id)
    now = timezone.now()  # clock: entry
    if "new" in request.POST:
        made = dkim_keys.rotate(now=now, domain=domain)
        messages.success(
            request, _("Publish the record of %(selector)s. The key before it signs on.") % {"selector": made.selector}
        )
        return redirect("domain", domain_id)
    domains.check_domain(now=now, domain_id=domain_id, switch=True)
    waiting = domain.keys.filter(state=DkimKey.State.PENDING).first()
    if waiting:
        messages.warning(
            request,
            _("The record of %(selector)s is not there yet. Nothing was switched.") % {"selector": waiting.selector},
        )
    else:
        messages.success(request, _("Its record is there: the new key signs. Leave the old record for a week."))
    return redirect("domain", domain_id)


def new_address(request: HttpRequest) -> HttpResponse:
    form = AddressForm(request.POST or None)
    if form.is_valid():
        made = form.save()
        messages.success(request, _("Added. Its names must lead to each other before receivers trust it."))
        return redirect("address", made.pk)
    context = {"nav": "domains", "form": form}
    return render(request, "reputation/address_form.html", context, status=422 if form.errors else 200)


def address(request: HttpRequest, address_id: int) -> HttpResponse:
    row = get_object_or_404(SendingAddress, pk=address_id)
    checked = row.findings.order_by("-checked_at").values_list("checked_at", flat=True).first()
    context = {
        "nav": "domains",
        "address": row,
        "rows": rows_of_address(row),
        "listings": listings(row.findings.all()),
        "history": history(row),
        "private": not is_worth_asking(row.ip),
        "checked_at": checked,
    }
    return render(request, "reputation/address.html", context)


@require_POST
def check_address(request: HttpRequest, address_id: int) -> HttpResponse:
    row = get_object_or_404(SendingAddress, pk=address_id)
    now = timezone.now()  # clock: entry
    blocklists.check(now=now, about=row)
    found = domains.check_address(now=now, address_id=address_id)
    bad = [finding for finding in found if finding.result != "pass"]
    said = "Looked. " + (" ".join(finding.detail for finding in bad) or "All names lead to each other.")
    messages.add_message(request, messages.WARNING if bad else messages.SUCCESS, said)
    return redirect("address", address_id)
