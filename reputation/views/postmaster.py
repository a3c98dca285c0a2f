"""/outside/figures/: what mailbox providers show their senders."""

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone

from reputation import postmaster
from reputation.models import PostmasterFigure, SendingDomain
from reputation.pure.postmaster_files import LARGEST, Unreadable
from reputation.workspace import today, zone


class FiguresForm(forms.Form):
    source = forms.ChoiceField(label="Where from", choices=PostmasterFigure.Source.choices)
    domain = forms.ChoiceField(
        label="About which domain",
        required=False,
        help_text="For files that do not say it themselves. SNDS names addresses.",
    )
    file = forms.FileField(
        label="File",
        help_text="CSV as it was downloaded, at most 5 MB.",
        widget=forms.FileInput(attrs={"accept": ".csv,text/csv"}),
        error_messages={"required": "Choose a file first.", "empty": "The file is empty."},
    )

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        names = SendingDomain.objects.values_list("name", flat=True)
        self.fields["domain"].choices = [("", "–"), *((name, name) for name in names)]  # type: ignore[attr-defined]


def index(request: HttpRequest) -> HttpResponse:
    now = timezone.now()  # clock: entry
    form = FiguresForm(request.POST or None, request.FILES or None)
    if form.is_valid():
        given = form.cleaned_data
        try:
            data = given["file"].read(LARGEST + 1)
            n = postmaster.take_file(now=now, data=data, source=given["source"], domain=given["domain"])
        except Unreadable as refusal:
            for problem in refusal.problems:
                form.add_error("file", problem)
        else:
            messages.success(request, f"{n:,} figure{'' if n == 1 else 's'} taken.")
            return redirect("outside-figures")
    context = {"nav": "outside", "form": form, "lines": postmaster.lines(today=today(now, zone()))}
    return render(request, "reputation/postmaster.html", context, status=422 if form.errors else 200)
