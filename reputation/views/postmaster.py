"""/outside/figures/: what mailbox providers show their senders."""

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_POST

from reputation import fetching_figures, postmaster
from reputation.models import PostmasterAccess, PostmasterFigure, SendingDomain
from reputation.pure.postmaster_files import LARGEST, Unreadable
from reputation.workspace import today, zone
from words import number

# Yahoo has no interface for its figures.
ASKED = (PostmasterFigure.Source.GOOGLE, PostmasterFigure.Source.SNDS)


class FiguresForm(forms.Form):
    source = forms.ChoiceField(label=gettext_lazy("Where from"), choices=PostmasterFigure.Source.choices)
    domain = forms.ChoiceField(
        label=gettext_lazy("About which domain"),
        required=False,
        help_text=gettext_lazy("For files that do not say it themselves. SNDS names addresses."),
    )
    file = forms.FileField(
        label=gettext_lazy("File"),
        help_text=gettext_lazy("CSV as it was downloaded, at most 5 MB."),
        widget=forms.FileInput(attrs={"accept": ".csv,text/csv"}),
        error_messages={"required": gettext_lazy("Choose a file first."), "empty": gettext_lazy("The file is empty.")},
    )

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        names = SendingDomain.objects.values_list("name", flat=True)
        self.fields["domain"].choices = [("", "–"), *((name, name) for name in names)]  # type: ignore[attr-defined]


class LinkForm(forms.Form):
    secret = forms.CharField(
        label=gettext_lazy("Link to the data report"),
        max_length=1000,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
        help_text=gettext_lazy("Whoever has it can read the figures: it is kept sealed and never shown again."),
    )


class KeyForm(forms.Form):
    secret = forms.CharField(
        label=gettext_lazy("Key, as JSON"),
        max_length=20_000,
        widget=forms.Textarea(attrs={"rows": 6, "autocomplete": "off", "spellcheck": "false"}),
        help_text=gettext_lazy(
            "The whole file of a service account or of an authorised user (with its refresh token). It is kept sealed "
            "and never shown again."
        ),
    )
    acts_for = forms.EmailField(
        label=gettext_lazy("Acts for"),
        required=False,
        help_text=gettext_lazy("Of a service account: the person who has the domains at Postmaster Tools."),
    )


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
            messages.success(request, ngettext("%(n)s figure taken.", "%(n)s figures taken.", n) % {"n": number(n)})
            return redirect("outside-figures")
    lines = postmaster.lines(today=today(now, zone()))
    context = {"nav": "outside", "form": form, "lines": lines, "keys": _keys()}
    context["by_hand"] = PostmasterFigure.Source.YAHOO.label
    return render(request, "reputation/postmaster.html", context, status=422 if form.errors else 200)


def _keys() -> list[tuple[str, str, PostmasterAccess | None]]:
    """Source, its name, and the key to it where there is one."""
    known = {row.source: row for row in PostmasterAccess.objects.defer("secret_sealed")}
    return [(source.value, str(source.label), known.get(source)) for source in ASKED]


def key(request: HttpRequest, source: str) -> HttpResponse:
    kind = _asked(source)
    form = (KeyForm if kind == PostmasterFigure.Source.GOOGLE else LinkForm)(request.POST or None)
    if form.is_valid():
        now = timezone.now()  # clock: entry
        try:
            row = fetching_figures.enter(now=now, source=source, **form.cleaned_data)
        except Unreadable as refusal:
            form.add_error("secret", str(refusal))
        else:
            fetching_figures.fetch(now=now, row=row)
            return _told(request, source)
    context = {"nav": "outside", "form": form, "source": kind}
    return render(request, "reputation/postmaster_key.html", context, status=422 if form.errors else 200)


@require_POST
def ask(request: HttpRequest, source: str) -> HttpResponse:
    row = get_object_or_404(PostmasterAccess, source=_asked(source))
    fetching_figures.fetch(now=timezone.now(), row=row)  # clock: entry
    return _told(request, source)


def _told(request: HttpRequest, source: str) -> HttpResponse:
    row = get_object_or_404(PostmasterAccess, source=source)
    if row.problem:
        messages.error(request, row.problem)
    else:
        messages.success(request, _("Asked. Figures: %(n)s.") % {"n": row.figures})
    return redirect("outside-figures")


@require_POST
def forget(request: HttpRequest, source: str) -> HttpResponse:
    fetching_figures.forget(source=_asked(source))
    messages.success(request, _("The key is thrown away. Its figures stay."))
    return redirect("outside-figures")


def _asked(source: str) -> PostmasterFigure.Source:
    if source not in ASKED:
        raise Http404(source)
    return PostmasterFigure.Source(source)
