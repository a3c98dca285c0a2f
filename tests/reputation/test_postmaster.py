"""Figures of mailbox providers: taken from files, once a day and subject, beside our own."""

from datetime import UTC, date, datetime, timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from config.roles import Role
from reputation import postmaster
from reputation.models import Budget, DayTally, PostmasterFigure
from reputation.pure.postmaster_files import Unreadable
from tests.cast import direct_route, shop, verified_domain
from tests.visitors import visitor

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
TODAY = date(2026, 11, 27)
DOMAIN = "news.harbour.example"


@pytest.fixture(autouse=True)
def house():
    shop()
    verified_domain(DOMAIN)
    direct_route("127.0.1.1")


def google(day: date = TODAY, rate: str = "0.05%") -> bytes:
    return f"Date,Spam rate\n{day},{rate}\n".encode()


def snds(ip: str = "127.0.1.1") -> bytes:
    return f"{ip},11/26/2026 12:00 AM,11/26/2026 11:59 PM,99,99,98,YELLOW,0.4%,,,2,h,f\n".encode()


def test_a_day_that_is_told_again_is_told_anew():
    assert postmaster.take_file(now=NOW, data=google(), source="google", domain=DOMAIN) == 1
    postmaster.take_file(now=NOW, data=google(rate="0.2%"), source="google", domain=DOMAIN)
    assert [row.complaints for row in PostmasterFigure.objects.all()] == [0.2]


def test_figures_about_others_are_refused_whole():
    with pytest.raises(Unreadable, match=r"192\.0\.2\.1 is no sending address here"):
        postmaster.take_file(now=NOW, data=snds() + snds("192.0.2.1"), source="snds")
    with pytest.raises(Unreadable, match="no sending domain here"):
        postmaster.take_file(now=NOW, data=google(), source="google", domain="other.example")
    assert not PostmasterFigure.objects.exists()


def test_our_own_count_of_the_same_day_stands_beside_it():
    budget = Budget.objects.create(kind=Budget.Kind.IP, scope="127.0.1.1", provider="microsoft")
    DayTally.objects.create(budget=budget, day=date(2026, 11, 26), sent=100, accepted=80, complained=1)
    DayTally.objects.create(budget=budget, day=date(2026, 11, 25), sent=900, accepted=900)
    postmaster.take_file(now=NOW, data=snds(), source="snds")
    (line,) = postmaster.lines(today=TODAY)
    assert (line.figure.colour, line.figure.traps, line.accepted, line.complained) == ("yellow", 2, 80, 1.25)


def test_gmail_tells_us_no_complaint_so_nothing_of_ours_is_set_beside_its_rate():
    budget = Budget.objects.create(kind=Budget.Kind.DKIM_DOMAIN, scope=DOMAIN, provider="google")
    DayTally.objects.create(budget=budget, day=TODAY, sent=100, accepted=100)
    postmaster.take_file(now=NOW, data=google(), source="google", domain=DOMAIN)
    (line,) = postmaster.lines(today=TODAY)
    assert (line.accepted, line.complained) == (100, None)


def test_old_figures_leave_the_page_and_later_the_database():
    postmaster.take_file(now=NOW, data=google(), source="google", domain=DOMAIN)
    assert postmaster.lines(today=TODAY + timedelta(days=30)) == []
    postmaster.prune(now=NOW + timedelta(days=399))
    assert PostmasterFigure.objects.exists()
    postmaster.prune(now=NOW + timedelta(days=402))
    assert not PostmasterFigure.objects.exists()


def send(data: bytes, source: str = "google", domain: str = DOMAIN):
    given = {"source": source, "domain": domain, "file": SimpleUploadedFile("figures.csv", data)}
    return visitor("admin", Role.ADMIN).post("/outside/figures/", given, follow=True)


def test_an_admin_uploads_a_file_and_sees_its_figures():
    page = send(google(day=timezone.localdate(), rate="0.31%")).content.decode()
    assert "1 figure taken." in page
    assert "0.31 %" in page and "Bad" in page


def test_what_is_wrong_with_a_file_is_said_beside_it():
    answer = send(google(rate="much%"))
    assert answer.status_code == 422
    assert "Line 2: “much%” is no rate" in answer.content.decode()


def test_a_viewer_sees_the_figures_and_is_offered_no_upload():
    client = visitor("viewer", Role.VIEWER)
    assert 'type="file"' not in client.get("/outside/figures/").content.decode()
    assert client.post("/outside/figures/").status_code == 403
