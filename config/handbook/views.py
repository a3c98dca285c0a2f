"""/help/: the documentation, for whoever is signed in."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from config.handbook import pages


@require_safe
def show(request: HttpRequest, name: str = pages.FIRST) -> HttpResponse:
    if name not in pages.PAGES:
        raise Http404
    tabs = [(pages.title_of(other), pages.address(other), other == name) for other in pages.PAGES]
    return render(request, "handbook/page.html", {"page": pages.read(name), "tabs": tabs})
