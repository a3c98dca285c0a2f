"""Every page of the site, in the states that have a face of their own. A route that is not here fails a test."""

from dataclasses import dataclass, field
from typing import Any

from config.handbook import pages
from tests.site_map import paths


@dataclass(frozen=True)
class Look:
    """A page to look at. `known`: what stands for the ids in its path, by name of what was told of the furnished site.

    `typed`, where it is given, is sent with its form (the one that leads to `to`, else the first), as a wrong answer
    would be; the page to look at is the one that says so.
    """

    route: str
    who: str = "admin"
    known: dict[str, str] = field(default_factory=dict)
    query: str = ""
    typed: dict[str, str] | None = None
    to: str = ""
    status: int = 200

    def __str__(self) -> str:
        parts = [self.route, *self.known.values(), self.query, "" if self.typed is None else "wrong", self.who]
        return " ".join(part for part in parts if part and part != "admin")

    def path(self, told: dict[str, Any]) -> str:
        if self.route.startswith("/"):
            return self.route
        ids = {**told, **{name: told.get(value, value) for name, value in self.known.items()}}
        return paths(ids)[self.route] + self.query


def of(campaign: str, *routes: str) -> list[Look]:
    return [Look(route, known={"campaign_id": campaign}) for route in routes]


def plain(*routes: str, who: str = "admin") -> list[Look]:
    return [Look(route, who) for route in routes]


DOORS = ("unsubscribe", "preferences", "privacy", "confirm")
LISTS = """home campaigns campaigns-calendar people lists
    messages imports domains routes limits warmup suppressions answers team settings
    outside deliverability fields pictures privacy-requests palette profile api-tokens usersessions_list help""".split()

EMPTY = [
    *plain(*LISTS),
    Look("account_login", "stranger"),
    Look("invitation", "stranger", {"secret": "secret"}),
    Look("invitation", "stranger", {"secret": "gone"}, status=410),
    Look("/no/such/page/", status=404),
]

FULL = [
    *plain(*LISTS),
    Look("campaigns", query="?status=drafts"),
    *of("draft", "campaign", "campaign-review", "campaign-letter"),
    *of("draft", "campaign-name", "campaign-audience", "campaign-sender", "campaign-tracking", "campaign-kind"),
    *of("draft", "campaign-versions", "campaign-test", "campaign-pictures"),
    *of("unwritten", "campaign", "campaign-review", "campaign-letter"),
    *of("code", "campaign", "campaign-review", "campaign-letter", "campaign-file"),
    Look("campaign-test-result", known={"campaign_id": "code", "mailing_id": "trial"}),
    *of("later", "campaign", "campaign-review", "campaign-letter", "campaign-audience"),
    Look(
        "campaign-review",
        known={"campaign_id": "draft"},
        query="?when=local&wall_time=2036-01-05T09%3A00&zone=Europe%2FWarsaw",
    ),
    *of("local", "campaign-monitor"),
    Look("messages", query="?waited=google"),
    *of("running", "campaign", "campaign-monitor", "campaign-report", "campaign-guard"),
    *of("ab", "campaign", "campaign-variants", "campaign-review"),
    Look("campaign-letter", known={"campaign_id": "ab"}, query="?of=1"),
    *of("testing", "campaign-monitor", "campaign-report"),
    *of("stopped", "campaign-monitor", "campaign-guard", "campaign-report"),
    *of("sent", "campaign", "campaign-monitor", "campaign-report", "campaign-people"),
    Look("campaign-report", known={"campaign_id": "sent"}, query="?links=mail"),
    *plain("campaign-new", "message", "list", "list-new", "list-edit", "person", "person-new"),
    *plain("person-messages", "person-edit", "field-new", "field-edit", "import-new"),
    *plain("deliverability-at", "deliverability-thresholds", "bulk", "outside-figures"),
    *(Look("outside-key", known={"source": source}) for source in ("google", "snds")),
    *of("sent", "campaign-share"),
    Look("report-shared", "stranger", {"token": "gone"}, status=404),
    *(Look("import", known={"upload_id": state}) for state in ("waiting", "done")),
    *plain("suppression-new", "suppression-lift", "domain", "domain-new", "address", "address-new", "limit"),
    Look("limits-of", known={"kind": "ip"}),
    *plain("warmup-plan", "warmup-new", "warmup-series", "warmup-budget"),
    Look("warmup-stop", known={"kind": "ip"}),
    *plain("route", "route-edit", "pool", "pool-new", "answer", "storm", "stop-sending", "resume-sending"),
    *(Look("route-new", known={"kind": kind}) for kind in ("direct", "relay", "esp")),
    *plain("team-remove", "team-link", "account_change_password", "account_reauthenticate", "account_logout"),
    *plain("mfa_index", "mfa_list_webauthn", "mfa_add_webauthn", "mfa_activate_totp"),
    Look("mfa_authenticate", "half signed in"),
    *plain("mfa_index", "mfa_view_recovery_codes", "mfa_generate_recovery_codes", "mfa_deactivate_totp", who="careful"),
    *plain("account_login", "account_inactive", who="stranger"),
    Look("domain-records", "stranger", {"token": "records"}),
    Look("domain-records", "stranger", {"token": "gone"}, status=404),
    Look("outside-report", known={"report_id": "report"}),
    *(Look("help-page", known={"name": name}) for name in pages.PAGES[1:]),
    Look("door-ask", "reader"),
    Look("door-forward", "reader", {"token": "door_web"}),
    Look("door-mailed", "reader", {"token": "gone"}, status=404),
    *(Look(f"door-{name}", "reader", {"token": f"door_{name}"}) for name in DOORS),
    *(Look(f"door-{name}", "reader", {"token": "gone"}, status=404) for name in ("unsubscribe", "preferences")),
    Look("team", "viewer", status=403),
]

BLANK: dict[str, str] = {}
WRONG = [
    Look("account_login", "stranger", typed={"login": "mara@harbour.example", "password": "wrong"}),
    Look("invitation", "stranger", {"secret": "secret"}, typed={"name": "Ines", "password": "ines"}),
    *(
        Look(route, typed=BLANK)
        for route in """campaign-new list-new person-new import-new domain-new address-new suppression-new warmup-new
        pool-new stop-sending suppression-lift""".split()
    ),
    Look("campaign-sender", known={"campaign_id": "draft"}, typed=BLANK),
    Look("campaign-variants", known={"campaign_id": "draft"}, typed={"hours": "0", "subject_b": "{{ contact.nam }}"}),
    Look("settings", typed={"name": ""}),
    Look("api-tokens", typed={"name": ""}, to="api-tokens"),
    Look("team", typed={"email": "mara@harbour.example"}, to="team"),
    *(Look("route-new", known={"kind": kind}, typed=BLANK) for kind in ("direct", "relay")),
    Look("limit", typed={"per_minute": "many"}),
    Look("answer", typed=BLANK),
    Look("outside-key", known={"source": "snds"}, typed={"secret": "https://example.com/?key=1"}),
    Look("account_change_password", typed={"oldpassword": "wrong"}),
]

# Routes that are no page of their own.
NO_PAGE: dict[str, str] = {
    **dict.fromkeys(
        """campaign-copy campaign-restore campaign-schedule campaign-unschedule campaign-pause campaign-resume
        campaign-stop campaign-resend-blocked campaign-speed campaign-lane-pause campaign-lane-resume
        campaign-guard-resume campaign-first-part campaign-variants-choose
        import-run list-restore person-lists domain-check domain-key
        address-check route-test route-drain route-activate pool-delete limit-hold limit-release answer-undo
        warmup-start warmup-put-back warmup-weekends bulk-start bulk-undo bulk-go-on campaign-ask campaign-decide
        campaign-share-end campaign-go-on campaign-ignore campaign-say campaigns-archive campaigns-keep-view
        campaigns-forget-view field-delete import-check
        import-undo language person-consent person-note sample-new sample-remove setup-hide
        team-role team-withdraw api-token-revoke import-reading privacy-close person-unsubscribe person-suppress
        person-erase list-archive outside-ask outside-forget""".split(),
        "takes a form and leads to a page",
    ),
    **dict.fromkeys(
        """campaign-check campaign-arming campaign-progress campaign-problems campaign-pace campaign-over-time
        campaign-variants-outlook campaign-variants-result campaign-subjects campaign-audience-count
        import-progress bulk-progress campaigns-moving""".split(),
        "a piece of a page, which is looked at there",
    ),
    **dict.fromkeys(
        "campaign-preview campaign-click-map message-letter door-web door-share".split(),
        "a letter, as its author wrote it",
    ),
    **dict.fromkeys(
        """campaign-source campaign-report-csv campaign-people-csv import-rejected outside-refused bulk-file
        message-eml person-export suppression-export
        mfa_download_recovery_codes media""".split(),
        "a file",
    ),
    **dict.fromkeys("bulk-job picture".split(), "not looked at yet: nothing on the furnished site leads there"),
    **dict.fromkeys(
        "api-preflight health esp-hook door-open door-link mfa_login_webauthn mfa_reauthenticate_webauthn".split(),
        "is asked by programs, or leads elsewhere",
    ),
    **dict.fromkeys(
        "account_set_password mfa_reauthenticate mfa_edit_webauthn mfa_remove_webauthn".split(),
        "has the form of one that is looked at, and needs what no test has",
    ),
}
