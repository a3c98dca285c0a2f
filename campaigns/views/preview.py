"""/campaigns/7/letter/preview/: the mail as a document of its own, with a policy of its own."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_http_methods

from campaigns import content, letters
from campaigns.access import campaign_or_404
from campaigns.compile import CompileError
from campaigns.models import Campaign, Revision
from campaigns.pure.colour_scheme import fixed_scheme, forced_dark
from campaigns.samples import person_by_address
from campaigns.variants import variant_of
from campaigns.views.compose import typed_revision
from sending.pure.personalise import PersonalisationFailed
from words.typed import is_whole, whole

# A frame with `srcdoc` would inherit the page's policy and lose the mail's own styles. Of one origin with the page, so
# that it can scroll a new preview to where the old one was; scripts run in neither sandbox.
POLICY = (
    "sandbox allow-same-origin; default-src 'none'; style-src 'unsafe-inline'; img-src {images}; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'self'"
)


@xframe_options_sameorigin
@require_http_methods(["GET", "HEAD", "POST"])
def show(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """POST shows what was typed and not saved yet; it changes nothing either."""
    campaign = campaign_or_404(campaign_id)
    asked = request.POST if request.method == "POST" else request.GET
    page = _document(request, campaign, _content(request, campaign, asked), asked)
    pictures = "data:" if asked.get("pictures") == "off" else f"'self' {settings.PUBLIC_URL} https: data:"
    page["Content-Security-Policy"] = POLICY.format(images=pictures)
    page["Cache-Control"] = "no-store"
    return page


def _content(request: HttpRequest, campaign: Campaign, asked: QueryDict) -> Revision:
    if request.method == "POST":
        return typed_revision(request, campaign, content.current(campaign))
    number = asked.get("number", "")
    if is_whole(number, digits=8):
        return get_object_or_404(Revision, campaign=campaign, number=int(number))
    return content.current(campaign)


def _document(request: HttpRequest, campaign: Campaign, shown: Revision, asked: QueryDict) -> HttpResponse:
    address = asked.get("as_email", "").strip()
    person = person_by_address(address) if address else None
    if address and person is None:
        reason = f"nobody on your lists has the address {address}"
        return render(request, "campaigns/preview_problems.html", {"reason": reason})
    now = timezone.now()  # clock: entry
    try:
        written = variant_of(campaign, shown, whole(asked.get("variant", ""), digits=1))
        copy = letters.copy_for(letters.to_look_at(written.campaign, written.content), person, now=now)
    except CompileError as error:
        return render(request, "campaigns/preview_problems.html", {"problems": error.problems})
    except PersonalisationFailed as error:
        return render(request, "campaigns/preview_problems.html", {"reason": str(error).rstrip(".")})
    if asked.get("part") == "text":
        return HttpResponse(copy.text, content_type="text/plain; charset=utf-8")
    if asked.get("scheme") == "forced":
        return HttpResponse(forced_dark(copy.html))
    return HttpResponse(fixed_scheme(copy.html, dark=asked.get("scheme") == "dark"))
