"""The site as operators run it, with one bare view more: `DJANGO_SETTINGS_MODULE=benchmarks._site_settings`."""

from django.http import HttpRequest, HttpResponse
from django.urls import path

from config import roles
from config.urls import urlpatterns as site

# For strangers, as recipients' doors are.
roles.PUBLIC = roles.PUBLIC | {"bare"}


def bare(_request: HttpRequest) -> HttpResponse:
    """What every answer costs: the server, the middleware, a few bytes."""
    return HttpResponse("ok")


urlpatterns = [path("bare", bare, name="bare"), *site]
