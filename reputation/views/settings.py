"""/settings/"""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from reputation.access import acting
from reputation.forms import WorkspaceForm
from reputation.models import Workspace
from reputation.workspace import workspace


def show(request: HttpRequest) -> HttpResponse:
    """Everybody may read them; admins change them."""
    admin = acting(request).is_staff
    form = WorkspaceForm(request.POST or None, instance=workspace())
    if form.is_valid():
        Workspace.objects.filter(pk=1).update(**form.cleaned_data)
        messages.success(request, _("Saved."))
        return redirect("settings")
    for field in form.fields.values():
        field.disabled = not admin
    context = {"nav": "settings", "form": form, "admin": admin}
    return render(request, "reputation/settings.html", context, status=422 if form.errors else 200)
