"""A page with its pictures as one ZIP."""

import zipfile
from io import BytesIO

import pytest
from PIL import Image

from campaigns import packages
from campaigns.models import Media
from campaigns.packages import read_package
from campaigns.source_files import BadSource

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def own_media_folder(settings, tmp_path) -> None:
    settings.MEDIA_ROOT = tmp_path


def picture(colour: str = "teal") -> bytes:
    out = BytesIO()
    Image.new("RGB", (40, 20), colour).save(out, "PNG")
    return out.getvalue()


def packed(files: dict[str, bytes | str]) -> bytes:
    out = BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as folder:
        for name, raw in files.items():
            folder.writestr(name, raw)
    return out.getvalue()


PAGE = """<html>\r\n<body style="background:url('images/back.png')"><img src="images/a%20b.png?v=2" alt="A">
<td background=images/back.png><img src="https://elsewhere.example/x.png"><img src="{{ contact.picture }}">
<img src='images/gone.png'></body></html>"""


def test_pictures_of_a_zip_go_into_the_library_and_only_their_addresses_change() -> None:
    page = PAGE.replace("background=images/back.png", 'background="images/back.png"')
    raw = packed({"mail/index.html": page, "mail/images/back.png": picture("navy"), "mail/images/a b.png": picture(),
                  "__MACOSX/mail/._index.html": "x", "mail/.DS_Store": "x", "mail/notes.txt": "x"})  # fmt: skip
    taken = read_package(raw, by=None)

    back, other = Media.objects.get(name="back.png").file.url, Media.objects.get(name="a b.png").file.url
    assert taken.source == page.replace("images/back.png", back).replace("images/a%20b.png?v=2", other)
    assert (taken.kind, taken.taken, taken.missing) == ("html", 2, ("images/gone.png",))


def test_a_zip_with_mjml_is_mjml() -> None:
    page = '<mjml><mj-body><mj-image src="a.png" /></mj-body></mjml>'
    taken = read_package(packed({"mail.mjml": page, "a.png": picture()}), by=None)
    assert taken.kind == "mjml" and 'src="/media/letters/' in taken.source


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"a.txt": "x"}, "There is no .html or .mjml file in the ZIP file."),
        ({"a.html": "<p>", "b.html": "<p>"}, "There are several pages in the ZIP file."),
        ({"index.html": '<img src="a.png">', "a.png": "no picture"}, "a.png: This is not a picture we can use."),
        ({f"{n}.txt": "x" for n in range(301)}, "has more than 300 files"),
    ],
)
def test_a_zip_that_does_not_do_is_refused_in_a_sentence(files, words: str) -> None:
    with pytest.raises(BadSource, match=words.replace(".", r"\.")):
        read_package(packed(files), by=None)


def test_a_zip_whose_contents_are_damaged_is_refused_in_a_sentence() -> None:
    raw = bytearray(packed({"index.html": PAGE * 20}))
    at = raw.index(b"index.html") + len("index.html")
    raw[at : at + 20] = b"\xff" * 20
    with pytest.raises(BadSource, match="cannot be opened"):
        read_package(bytes(raw), by=None)


def test_a_bomb_is_refused_before_it_is_unpacked(monkeypatch) -> None:
    monkeypatch.setattr(packages, "MOST_OCTETS", 1_000_000)
    raw = packed({"index.html": "<p>", "a.png": b"\0" * 2_000_000})
    assert len(raw) < 10_000
    with pytest.raises(BadSource, match="larger than 40 MB"):
        read_package(raw, by=None)


def test_a_path_that_climbs_out_reads_nothing_outside() -> None:
    taken = read_package(packed({"index.html": '<img src="../../etc/a.png">', "../../etc/a.png": picture()}), by=None)
    assert taken.missing == ("../../etc/a.png",) and not Media.objects.exists()
