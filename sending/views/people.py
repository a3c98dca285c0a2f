"""/people/…/messages/: what a person got. The page about people includes it; by itself it is a page of its own."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render

from audiences.models import Subscriber
from sending.person_messages import messages_to


def messages(request: HttpRequest, person_id: int) -> HttpResponse:
    person = get_object_or_404(Subscriber, pk=person_id)
    context = {"nav": "people", "person": person, "sent": messages_to(address_keys=[person.address_key])}
    part = "#rows" if request.headers.get("HX-Request") else ""
    return render(request, f"sending/person_messages.html{part}", context)
