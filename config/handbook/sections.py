"""Which section of docs/ helps with which page: one table, read by the “?” at the top of every page."""

from config.handbook.pages import FIRST, address

_TABLE: dict[str, str] = {
    FIRST: "palette help help-page",
    "api#tokens": "api-tokens api-token-revoke",
    "api#preflight": "api-preflight",
    "marketers#lists-and-consent": """lists list list-new list-edit list-archive list-restore people person-new
        person-lists person-unsubscribe person-erase person-edit person-note person-export person-consent""",
    "marketers#many-people-at-once": """bulk bulk-job bulk-progress bulk-start bulk-undo bulk-go-on bulk-file
        sample-new sample-remove""",
    "marketers#import": """imports import import-new import-check import-run import-undo import-reading import-progress
        import-rejected""",
    "marketers#personal-fields": "fields field-new field-edit field-delete",
    "marketers#finding-a-campaign": """campaigns campaigns-archive campaigns-moving campaigns-calendar
        campaigns-keep-view campaigns-forget-view campaign-subjects""",
    "marketers#pictures": "pictures picture",
    "marketers#notes-and-approval": "campaign-say campaign-ask campaign-decide",
    "marketers#preflight": "campaign-ignore",
    "marketers#the-letter": """campaign-letter campaign-check campaign-kind campaign-file campaign-pictures
        campaign-preview campaign-source""",
    "marketers#look-save-go-back": "campaign-versions campaign-restore",
    "marketers#ab-tests": """campaign-variants campaign-variants-outlook campaign-variants-result
        campaign-variants-choose""",
    "marketers#links-and-tracking": "campaign-tracking",
    "marketers#test-and-preflight": "campaign-test campaign-test-result campaign-sender",
    "marketers#send-schedule-undo": """campaign campaign-new campaign-name campaign-copy campaign-audience
        campaign-audience-count campaign-review campaign-schedule campaign-unschedule campaign-arming""",
    "marketers#the-monitor": """campaign-monitor campaign-progress campaign-problems campaign-pace campaign-pause
        campaign-resume campaign-stop campaign-lane-pause campaign-lane-resume campaign-speed""",
    "marketers#when-a-list-is-bad": "campaign-guard campaign-guard-resume campaign-first-part",
    "marketers#the-report": """campaign-report campaign-report-csv campaign-over-time campaign-click-map
        campaign-share campaign-share-end campaign-go-on
        campaign-people campaign-people-csv""",
    "marketers#send-to-the-blocked-again": "campaign-resend-blocked",
    "marketers#did-somebody-get-it": "messages message message-letter message-eml person-messages",
    "marketers#why-somebody-gets-nothing": "person",
    "admins#first-steps": "home setup-hide",
    "admins#settings": "settings",
    "admins#the-team": """team team-role team-link team-remove team-withdraw profile account_reauthenticate
        account_change_password account_set_password mfa_index mfa_reauthenticate mfa_activate_totp
        mfa_view_recovery_codes mfa_deactivate_totp mfa_generate_recovery_codes mfa_download_recovery_codes
        mfa_list_webauthn mfa_add_webauthn mfa_reauthenticate_webauthn mfa_remove_webauthn mfa_edit_webauthn
        usersessions_list""",
    "admins#sending-domains": "domains domain-new",
    "admins#dns-records": "domain domain-check",
    "admins#dkim-keys": "domain-key",
    "admins#addresses": "address address-new address-check",
    "admins#routes-and-pools": """routes route route-new route-edit route-test route-drain route-activate pool
        pool-new pool-delete""",
    "admins#stop-all-sending": "stop-sending resume-sending",
    "admins#limits": "limits limit limits-of limit-hold limit-release",
    "admins#warm-up": """warmup warmup-new warmup-plan warmup-series warmup-start warmup-stop warmup-weekends
        warmup-put-back warmup-budget""",
    "admins#answers": "answers answer answer-undo",
    "admins#storms": "storm",
    "marketers#deliverability": "deliverability deliverability-at deliverability-thresholds",
    "admins#reports-from-outside": """outside outside-report outside-refused outside-figures
        outside-key outside-ask outside-forget""",
    "admins#privacy-requests": "privacy-requests privacy-close",
    "admins#suppressions": "suppressions suppression-new suppression-lift suppression-export person-suppress",
}
SECTIONS: dict[str, str] = {route: section for section, routes in _TABLE.items() for route in routes.split()}


def help_for(route: str) -> str:
    """The address of the section about this route; of the first page where the table knows none."""
    name, _, anchor = SECTIONS.get(route, FIRST).partition("#")
    return address(name, anchor)
