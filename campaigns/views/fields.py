"""/people/fields/"""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from audiences.forms import FieldForm
from audiences.models import PersonField
from campaigns import field_use


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    counts, uses = field_use.people_with_fields(), field_use.uses_of()
    rows = [
        (field, None if counts is None else counts.get(field.key, 0), uses.get(field.key, []))
        for field in PersonField.objects.order_by("label")
    ]
    return render(request, "audiences/fields.html", {"nav": "people", "rows": rows})


def new(request: HttpRequest) -> HttpResponse:
    form = FieldForm(request.POST or None)
    if form.is_valid():
        form.save()
        messages.success(request, _("Letters can use it as contact.%(key)s.") % {"key": form.instance.key})
        return redirect("fields")
    context = {"nav": "people", "form": form}
    return render(request, "audiences/field_form.html", context, status=422 if form.errors else 200)


def edit(request: HttpRequest, field_id: int) -> HttpResponse:
    """Another kind is shown with what it would do first; it is done when that was seen."""
    field = get_object_or_404(PersonField, pk=field_id)
    label, kind, options = field.label, field.kind, field.options
    form = FieldForm(request.POST or None, instance=field)
    change = None
    if form.is_valid():
        if field.kind != kind or set(options) - set(field.options):
            change = field_use.what_would_change(key=field.key, kind=field.kind, options=field.options)
        if change is None or (not change.is_too_many and "seen" in request.POST):
            form.save()
            if change is not None:
                field_use.change_kind(key=field.key, kind=field.kind, options=field.options)
            messages.success(request, _("Saved."))
            return redirect("fields")
    context = {"nav": "people", "form": form, "field": field, "label": label, "change": change}
    context["used"] = field_use.campaigns_using(field.key)
    return render(request, "audiences/field_form.html", context, status=422 if form.errors or change else 200)


@require_POST
def delete(request: HttpRequest, field_id: int) -> HttpResponse:
    field = get_object_or_404(PersonField, pk=field_id)
    try:
        field_use.delete(field_id=field_id)
    except field_use.FieldInUse as error:
        context = {"nav": "people", "field": field, "used": error.campaigns}
        return render(request, "audiences/field_in_use.html", context, status=409)
    said = _("“%(label)s” is gone. What people had in it stays with them.")
    messages.success(request, said % {"label": field.label})
    return redirect("fields")
