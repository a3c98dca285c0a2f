"""The pages about our name: domains, addresses, limits, warm-up, settings."""

from django.urls import path

from reputation.views import domains, limits, outside, postmaster, settings, warmup

urlpatterns = [
    path("domains/", domains.index, name="domains"),
    path("domains/new/", domains.new, name="domain-new"),
    path("domains/<int:domain_id>/", domains.show, name="domain"),
    path("domains/<int:domain_id>/check/", domains.check, name="domain-check"),
    path("domains/<int:domain_id>/key/", domains.key, name="domain-key"),
    path("records/<str:token>/", domains.records, name="domain-records"),
    path("addresses/new/", domains.new_address, name="address-new"),
    path("addresses/<int:address_id>/", domains.address, name="address"),
    path("addresses/<int:address_id>/check/", domains.check_address, name="address-check"),
    #
    path("limits/", limits.index, name="limits"),
    path("limits/of/<str:kind>/<path:scope>/", limits.scope, name="limits-of"),
    path("limits/<int:budget_id>/", limits.show, name="limit"),
    path("limits/<int:budget_id>/hold/", limits.hold, name="limit-hold"),
    path("limits/<int:budget_id>/release/", limits.release, name="limit-release"),
    #
    path("warmup/", warmup.index, name="warmup"),
    path("warmup/new/", warmup.new, name="warmup-new"),
    path("warmup/<int:plan_id>/", warmup.show, name="warmup-plan"),
    path("warmup/<int:plan_id>/series/<str:provider>/", warmup.series, name="warmup-series"),
    path("warmup/<int:plan_id>/start/", warmup.start, name="warmup-start"),
    path("warmup/<int:plan_id>/weekends/", warmup.weekends, name="warmup-weekends"),
    path("warmup/<int:plan_id>/put-back/<int:number>/", warmup.put_back, name="warmup-put-back"),
    path("warmup/stop/<str:kind>/<path:scope>/", warmup.stop, name="warmup-stop"),
    path("warmup/budgets/<int:budget_id>/", warmup.budget, name="warmup-budget"),
    #
    path("outside/", outside.index, name="outside"),
    path("outside/figures/", postmaster.index, name="outside-figures"),
    path("outside/figures/<str:source>/key/", postmaster.key, name="outside-key"),
    path("outside/figures/<str:source>/ask/", postmaster.ask, name="outside-ask"),
    path("outside/figures/<str:source>/forget/", postmaster.forget, name="outside-forget"),
    path("outside/<int:report_id>/", outside.report, name="outside-report"),
    path("outside/refused/<int:file_id>/", outside.refused, name="outside-refused"),
    #
    path("settings/", settings.show, name="settings"),
]
