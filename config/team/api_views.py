"""/account/tokens/"""

from typing import cast

from django.contrib import messages
from django.contrib.auth.models import User
from django.db.models import F
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_POST

from config import api_tokens
from config.models import ApiToken
from config.team.forms import TokenForm


@sensitive_variables("token", "context")
def tokens(request: HttpRequest) -> HttpResponse:
    """One's own, and a new one: shown on this answer and never again."""
    form, user, token = TokenForm(request.POST or None), cast(User, request.user), None
    if form.is_valid():
        now = timezone.now()  # clock: entry
        token = api_tokens.make(now=now, user=user, name=form.cleaned_data["name"])
        if token is None:
            form.add_error("name", _("You have %(most)s tokens. Revoke one first.") % {"most": api_tokens.AT_MOST})
        else:
            form = TokenForm()
    mine = ApiToken.objects.filter(user=user).order_by(F("revoked_at").desc(nulls_first=True), "-made_at")[:50]
    context = {"form": form, "token": token, "tokens": mine, "nav": "profile"}
    page = render(request, "team/api_tokens.html", context, status=422 if form.errors else 200)
    page["Cache-Control"] = "no-store"
    return page


@require_POST
def revoke(request: HttpRequest, token_id: int) -> HttpResponse:
    now = timezone.now()  # clock: entry
    if api_tokens.revoke(now=now, user=cast(User, request.user), token_id=token_id):
        messages.success(request, _("Revoked. Whoever has it is refused from now on."))
    return redirect("api-tokens")
