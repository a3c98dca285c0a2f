"""Reports as receivers write them, for tests."""

import gzip
import io
import json
import zipfile
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage

DOMAIN = "news.harbour.example"
BEGINS = datetime(2026, 11, 25, tzinfo=UTC)

ROW = """<record><row><source_ip>{ip}</source_ip><count>{n}</count><policy_evaluated><disposition>none</disposition>
<dkim>{dkim}</dkim><spf>{spf}</spf></policy_evaluated></row><identifiers><header_from>{domain}</header_from></identifiers>
<auth_results/></record>"""


def dmarc(
    *rows: tuple[str, int, str, str],
    domain: str = DOMAIN,
    report_id: str = "17",
    organisation: str = "google.com",
    begins: datetime = BEGINS,
    namespace: str = "",
) -> bytes:
    """An aggregate report of one day. A row: (address, messages, dkim, spf)."""
    given = rows or (("127.0.1.1", 12, "pass", "pass"), ("203.0.113.9", 3, "fail", "fail"))
    records = "".join(ROW.format(ip=ip, n=n, dkim=dkim, spf=spf, domain=domain) for ip, n, dkim, spf in given)
    seconds = int(begins.timestamp())
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<feedback{namespace}><version>1.0</version><report_metadata><org_name>{organisation}</org_name>
<email>reports@{organisation}</email><report_id>{report_id}</report_id>
<date_range><begin>{seconds}</begin><end>{seconds + 86399}</end></date_range></report_metadata>
<policy_published><domain>{domain}</domain><p>none</p></policy_published>{records}</feedback>""".encode()


def tls(*, domain: str = f"bounce.{DOMAIN}", report_id: str = "tls-1", failed: int = 2) -> bytes:
    return json.dumps(
        {
            "organization-name": "Google Inc.",
            "date-range": {
                "start-datetime": f"{BEGINS:%Y-%m-%dT00:00:00Z}",
                "end-datetime": f"{BEGINS + timedelta(days=1):%Y-%m-%dT00:00:00Z}",
            },
            "report-id": report_id,
            "policies": [
                {
                    "policy": {"policy-type": "no-policy-found", "policy-domain": domain},
                    "summary": {"total-successful-session-count": 40, "total-failure-session-count": failed},
                    "failure-details": [{"result-type": "starttls-not-supported", "failed-session-count": failed}],
                }
            ],
        }
    ).encode()


def zipped(*files: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, data in enumerate(files):
            archive.writestr(f"report{number}.xml", data)
    return out.getvalue()


def mail_with(data: bytes, *, subject: str = f"Report Domain: {DOMAIN} Submitter: google.com", name: str = "") -> bytes:
    """A mail that brings a report as an attachment."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "noreply@google.com", f"dmarc@bounce.{DOMAIN}", subject
    message.set_content("This is an aggregate report.")
    name = name or f"google.com!{DOMAIN}!1764028800!1764115199.xml.gz"
    message.add_attachment(gzip.compress(data), maintype="application", subtype="gzip", filename=name)
    return bytes(message)
