"""Who may do what: one table of every route, asked by the gatekeeper before a view runs and by pages before they offer.

A route that is missing here is refused to everybody, so that a new page can't be open by being forgotten.
"""

from enum import StrEnum
from typing import NamedTuple

from words import gettext, marked


class Role(StrEnum):
    """Each may do what those before it may."""

    VIEWER = "viewer"
    MARKETER = "marketer"
    APPROVER = "approver"
    ADMIN = "admin"

    @property
    def word(self) -> str:
        return gettext(_WORDS[self])

    @property
    def says(self) -> str:
        return gettext(_SAYS[self])

    def covers(self, other: "Role") -> bool:
        return _ORDER.index(self) >= _ORDER.index(other)


_ORDER = list(Role)
_WORDS = {
    Role.VIEWER: marked("Viewer"),
    Role.MARKETER: marked("Marketer"),
    Role.APPROVER: marked("Approver"),
    Role.ADMIN: marked("Admin"),
}
_SAYS = {
    Role.VIEWER: marked("Sees campaigns, people and reports. Changes nothing."),
    Role.MARKETER: marked("Makes and sends campaigns, looks after people and lists."),
    Role.APPROVER: marked("The same, and sends campaigns where a second person has to."),
    Role.ADMIN: marked("Everything: sending domains, routes, limits, the team."),
}


class Needs(NamedTuple):
    """The least role for looking (GET, HEAD, OPTIONS) and for changing (everything else)."""

    read: Role
    change: Role
    # Where campaigns need a second person, only approvers and admins may change here.
    sends: bool = False

    def least(self, *, changes: bool, second_person: bool) -> Role:
        if not changes:
            return self.read
        return Role.APPROVER if self.sends and second_person else self.change


SEE = Needs(Role.VIEWER, Role.VIEWER)
WORK = Needs(Role.MARKETER, Role.MARKETER)
DECIDE = Needs(Role.APPROVER, Role.APPROVER)
SEND = Needs(Role.MARKETER, Role.MARKETER, sends=True)
SEE_OR_RUN = Needs(Role.VIEWER, Role.ADMIN)
SEE_OR_WORK = Needs(Role.VIEWER, Role.MARKETER)
RUN = Needs(Role.ADMIN, Role.ADMIN)

# Strangers: recipients' doors, providers' webhooks, health, pictures in letters, the way in.
PUBLIC = frozenset(
    """health media invitation language
    account_login account_logout account_inactive mfa_authenticate mfa_login_webauthn
    door-unsubscribe door-preferences door-confirm door-web door-link door-open door-privacy door-ask door-mailed
    door-forward door-share esp-hook
    domain-records report-shared""".split()
)
# Everybody's own account, whatever the role.
OWN = frozenset(
    """help help-page palette profile api-tokens api-token-revoke
    account_reauthenticate account_change_password account_set_password mfa_index mfa_reauthenticate
    mfa_activate_totp mfa_deactivate_totp mfa_view_recovery_codes mfa_generate_recovery_codes
    mfa_download_recovery_codes mfa_list_webauthn mfa_add_webauthn mfa_reauthenticate_webauthn mfa_remove_webauthn
    mfa_edit_webauthn usersessions_list""".split()
)
# Of the table's, those that programs ask by a token and nobody by a session.
API = frozenset({"api-preflight"})
# The way to a second factor: open to whoever has to get one before anything else.
ON_THE_WAY = frozenset(
    """account_reauthenticate mfa_reauthenticate mfa_reauthenticate_webauthn mfa_index mfa_activate_totp
    mfa_add_webauthn mfa_view_recovery_codes mfa_download_recovery_codes help help-page""".split()
)
_TABLE: dict[Needs, str] = {
    SEE: """api-preflight home campaigns campaigns-moving campaigns-calendar campaigns-keep-view
        campaigns-forget-view
        campaign campaign-preview campaign-versions campaign-source campaign-test-result
        campaign-arming campaign-review campaign-subjects campaign-monitor campaign-progress campaign-problems
        campaign-pace campaign-variants-result
        campaign-report campaign-report-csv campaign-over-time campaign-click-map campaign-guard campaign-people
        messages message message-letter
        lists list fields people person person-messages imports import import-progress
        domains domain address routes route limits warmup suppressions answers outside-report
        deliverability deliverability-at""",
    WORK: """campaign-new campaigns-archive campaign-go-on campaign-share campaign-share-end
        campaign-say campaign-ask campaign-ignore
        campaign-name campaign-copy campaign-audience campaign-audience-count campaign-sender campaign-tracking
        campaign-letter campaign-check campaign-kind campaign-file campaign-pictures campaign-restore campaign-test
        campaign-variants campaign-variants-outlook
        campaign-people-csv campaign-pause
        campaign-lane-pause campaign-stop campaign-unschedule list-new list-edit list-archive list-restore person-new
        person-lists person-edit person-note field-new field-edit setup-hide sample-new sample-remove
        import-new import-reading import-check import-run import-undo import-rejected""",
    DECIDE: "campaign-decide",
    SEND: """campaign-schedule campaign-resume campaign-lane-resume campaign-resend-blocked campaign-speed
        campaign-guard-resume campaign-first-part campaign-variants-choose""",
    SEE_OR_WORK: "pictures picture",
    SEE_OR_RUN: """settings limit limits-of warmup-plan warmup-budget answer storm outside
        outside-figures""",
    RUN: """message-eml
        person-unsubscribe person-suppress person-erase suppression-new suppression-lift domain-new domain-check
        domain-key address-new address-check route-new route-edit route-test route-drain route-activate pool pool-new
        pool-delete stop-sending resume-sending limit-hold limit-release answer-undo warmup-new warmup-series
        warmup-start warmup-stop warmup-weekends warmup-put-back team team-role team-link team-remove team-withdraw
        outside-refused outside-key outside-ask outside-forget deliverability-thresholds suppression-export
        privacy-requests privacy-close
        person-export person-consent field-delete
        bulk bulk-job bulk-progress bulk-start bulk-undo bulk-go-on bulk-file""",
}
ROUTES: dict[str, Needs] = {name: needs for needs, names in _TABLE.items() for name in names.split()}


def may(role: Role | None, route: str, *, changes: bool, second_person: bool) -> bool:
    """May somebody with this role (None: a stranger) open, or change something at, the route of this name?"""
    if route in PUBLIC:
        return True
    if role is None or (route not in OWN and route not in ROUTES):
        return False
    return route in OWN or role.covers(ROUTES[route].least(changes=changes, second_person=second_person))
