"""The way in, everybody's own account, and the team."""

from allauth.account import views as account
from django.urls import include, path

from config import languages
from config.team import api_views, views

# Of allauth's pages only these: nobody signs up, and nothing waits for a mail that can't be sent yet.
urlpatterns = [
    path("sign-in/", account.login, name="account_login"),
    path("sign-in/closed/", account.account_inactive, name="account_inactive"),
    path("sign-out/", account.logout, name="account_logout"),
    path("invitation/<str:secret>/", views.invitation, name="invitation"),
    #
    path("language/", languages.choose, name="language"),
    path("find/", views.palette, name="palette"),
    path("account/", views.profile, name="profile"),
    path("account/tokens/", api_views.tokens, name="api-tokens"),
    path("account/tokens/<int:token_id>/revoke/", api_views.revoke, name="api-token-revoke"),
    path("account/confirm/", account.reauthenticate, name="account_reauthenticate"),
    path("account/password/", account.password_change, name="account_change_password"),
    path("account/password/first/", account.password_set, name="account_set_password"),
    path("account/second-factor/", include("allauth.mfa.urls")),
    path("account/sessions/", include("allauth.usersessions.urls")),
    #
    path("team/", views.team, name="team"),
    path("team/<int:user_id>/role/", views.role, name="team-role"),
    path("team/<int:user_id>/link/", views.link, name="team-link"),
    path("team/<int:user_id>/remove/", views.remove, name="team-remove"),
    path("team/invitations/<int:invitation_id>/withdraw/", views.withdraw, name="team-withdraw"),
]
