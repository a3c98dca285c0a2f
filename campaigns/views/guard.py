"""/campaigns/7/guard/: why it was stopped early, and going on with a reason."""

from collections.abc import Callable

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from audiences.access import acting
from campaigns.access import launched_or_404
from campaigns.forms import GoOnForm
from campaigns.watching import watched
from sending import guard


@require_safe
def show(request: HttpRequest, campaign_id: int) -> HttpResponse:
    return _page(request, campaign_id)


def _page(request: HttpRequest, campaign_id: int, status: int = 200) -> HttpResponse:
    campaign, mailing = launched_or_404(campaign_id)
    context = {"nav": "campaigns", "campaign": campaign, "mailing": mailing, "watched": watched(mailing)}
    return render(request, "campaigns/guard.html", context, status=status)


@require_POST
def resume(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """Everywhere, or at the provider named."""
    return _decide(
        request,
        campaign_id,
        guard.resume,
        refused=_("It did not go on: say why it may, in a sentence."),
        done=_("It goes on. The answers so far stop it no more; new ones are watched."),
        nothing=_("Nothing was held there any more."),
    )


@require_POST
def let_rest_go(request: HttpRequest, campaign_id: int) -> HttpResponse:
    return _decide(
        request,
        campaign_id,
        guard.let_rest_go,
        refused=_("The rest still waits: say why it need not, in a sentence."),
        done=_("The rest is on its way. The answers are still watched."),
        nothing=_("Nobody waits there any more."),
    )


def _decide(
    request: HttpRequest, campaign_id: int, act: Callable[..., bool], *, refused: str, done: str, nothing: str
) -> HttpResponse:
    """A decision that needs a reason, which is kept with who and when."""
    _, mailing = launched_or_404(campaign_id)
    form, now = GoOnForm(request.POST), timezone.now()  # clock: entry
    if not form.is_valid():
        messages.error(request, refused)
        return _page(request, campaign_id, 422)
    lane, reason = form.cleaned_data["provider"], form.cleaned_data["reason"]
    if act(now=now, mailing_id=mailing.pk, lane=lane, actor=acting(request), reason=reason):
        messages.success(request, done)
    else:
        messages.info(request, nothing)
    return redirect("campaign-monitor", campaign_id)
