"""Where providers call. The route's secret is the permission."""

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from sending.esp import hooks


@csrf_exempt
@require_http_methods(["HEAD", "POST"])
def hook(request: HttpRequest, route: int) -> HttpResponse:
    """HEAD is how some providers look whether anybody is there."""
    if request.method == "HEAD":
        return HttpResponse()
    return HttpResponse(status=hooks.take(now=timezone.now(), route_id=route, request=request))  # clock: entry
