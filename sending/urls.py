"""What sending answers: providers' webhooks, and pages of routes and pools. Recipients' doors are in `doors.urls`."""

from django.urls import include, path

from sending.views import answers, people, routes, stopping

urlpatterns = [
    path("", include("sending.esp.urls")),
    #
    path("routes/", routes.index, name="routes"),
    path("routes/new/<str:kind>/", routes.new, name="route-new"),
    path("routes/<int:route_id>/", routes.show, name="route"),
    path("routes/<int:route_id>/edit/", routes.edit, name="route-edit"),
    path("routes/<int:route_id>/test/", routes.test, name="route-test"),
    path("routes/<int:route_id>/drain/", routes.drain, name="route-drain"),
    path("routes/<int:route_id>/activate/", routes.activate, name="route-activate"),
    path("pools/new/", routes.new_pool, name="pool-new"),
    path("pools/<int:pool_id>/", routes.pool, name="pool"),
    path("pools/<int:pool_id>/delete/", routes.delete_pool, name="pool-delete"),
    path("routes/stop/", stopping.stop, name="stop-sending"),
    path("routes/resume/", stopping.resume, name="resume-sending"),
    #
    path("answers/", answers.index, name="answers"),
    path("answers/<int:reply_id>/", answers.show, name="answer"),
    path("answers/<int:reply_id>/undo/", answers.undo, name="answer-undo"),
    path("answers/storms/<int:storm_id>/", answers.storm, name="storm"),
    #
    path("people/<int:person_id>/messages/", people.messages, name="person-messages"),
]
