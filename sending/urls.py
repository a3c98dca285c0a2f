"""What sending answers: recipients' doors and providers' webhooks."""

from django.urls import include, path

urlpatterns = [path("", include("sending.doors.urls"))]
