"""What a domain may publish besides: where DMARC reports go, MTA-STS and TLS-RPT for the mail that comes back, a logo.

Nothing here decides whether mail leaves. Three results, as everywhere: what could not be looked up is no fault.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from reputation import mta_sts, resolver
from reputation.findings import Check
from reputation.models import Finding
from reputation.pure import dmarc, mta_sts_policy, optional_records, spf
from reputation.pure.optional_records import NOT_THERE
from reputation.resolver import CouldNotLookUp, Found

PASS, FAIL, UNKNOWN = Finding.Result.PASS, Finding.Result.FAIL, Finding.Result.UNKNOWN
SHOULD, TELL = Finding.Weight.SHOULD, Finding.Weight.TELL

Txt = Callable[[str], Sequence[str]]


def checks(*, domain: str, host: str, txt: Txt) -> list[Callable[[], Check]]:
    """The checks of a sending domain whose return path is at `host`. `txt` as for `dmarc.find`."""
    reports_to = f"v=TLSRPTv1; rua=mailto:tls@{domain}"
    return [
        lambda: _reports(domain, txt),
        lambda: _policy(host),
        lambda: _record("tls_rpt", f"_smtp._tls.{host}", reports_to, optional_records.tls_rpt),
        lambda: _logo(domain, txt),
    ]


def _reports(domain: str, txt: Txt) -> Check:
    """DMARC reports: asked for, and allowed by the domains they go to (RFC 9990)."""

    own = (f"_dmarc.{domain}", f"v=DMARC1; p=none; rua=mailto:dmarc@{domain}")

    def check(result: str, detail: str = "", found: str = "", place: tuple[str, str] = own) -> Check:
        at, expected = place
        return Check("dmarc_reports", result, at, "TXT", expected, found, detail, required=False, weight=SHOULD)

    try:
        policy = dmarc.find(domain, txt)
        if policy is None or not policy.tags.get("rua"):
            return check(FAIL, "DMARC reports are not asked for (rua=): abuse of the name goes unseen.")
        ours = dmarc.organisation(domain, txt)
        hosts = optional_records.report_hosts(policy.tags["rua"])
        for target in [host for host in hosts if dmarc.organisation(host, txt) != ours]:
            at = f"{policy.name}._report._dmarc.{target}"
            if not any(text.startswith("v=DMARC1") for text in txt(at)):
                detail = f"{target} has not said that it takes reports about {policy.name}; they are not sent there."
                return check(FAIL, detail, policy.record, (at, "v=DMARC1"))
    except spf.Unknown as error:
        return check(UNKNOWN, str(error))
    except dmarc.Wrong as error:
        return check(FAIL, str(error))
    return check(PASS, found=policy.record)


def _policy(host: str) -> Check:
    """MTA-STS: where the record is right, the policy it speaks of has to be there and to allow our MX."""
    record = _record("mta_sts", f"_mta-sts.{host}", "v=STSv1; id=1", optional_records.mta_sts)
    if record.result != PASS:
        return record
    try:
        wrong = mta_sts.wrong_with(mta_sts.fetch(host), host)
    except mta_sts.CouldNotFetch as error:
        return replace(record, result=UNKNOWN, detail=str(error))
    except mta_sts_policy.Wrong as error:
        wrong = str(error)
    return replace(record, result=FAIL, detail=wrong) if wrong else record


def _record(kind: str, name: str, expected: str, read: Callable[[Sequence[str], str], str]) -> Check:
    answer = resolver.lookup(name, "TXT", fresh=True)
    if isinstance(answer, CouldNotLookUp):
        detail = f"{name} could not be looked up: {answer.reason}."
        return Check(kind, UNKNOWN, name, "TXT", expected, detail=detail, required=False, weight=TELL)
    records = answer.records if isinstance(answer, Found) else ()
    wrong = read(records, name)
    said = "There is none. It is not needed to send." if wrong == NOT_THERE else wrong
    return Check(
        kind, FAIL if wrong else PASS, name, "TXT", expected, "\n".join(records), said, required=False, weight=TELL
    )


def _logo(domain: str, txt: Txt) -> Check:
    name, expected = f"default._bimi.{domain}", f"v=BIMI1; l=https://{domain}/logo.svg"
    try:
        found = dmarc.find(domain, txt)
    except spf.Unknown as error:
        return Check("bimi", UNKNOWN, name, "TXT", expected, detail=str(error), required=False, weight=TELL)
    except dmarc.Wrong:
        found = None  # said at DMARC itself; without it no logo is shown
    policy = found.policy if found else ""
    return _record("bimi", name, expected, lambda records, at: optional_records.bimi(records, at, policy))
