from io import BytesIO

import pytest
from PIL import Image

from campaigns.media import BadPicture, add
from campaigns.models import Media

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def own_media_folder(settings, tmp_path) -> None:
    settings.MEDIA_ROOT = tmp_path


def picture(format_: str = "PNG", size: tuple[int, int] = (40, 20), **options: object) -> BytesIO:
    out = BytesIO()
    Image.new("RGB", size, "teal").save(out, format_, **options)
    out.seek(0)
    return out


def test_a_picture_is_stored_once_under_an_unguessable_name() -> None:
    first, again = (
        add(file=picture(), name="a.png", by=None),
        add(file=picture(), name="b.png", by=None),
    )

    assert first.pk == again.pk
    assert Media.objects.count() == 1
    assert "a.png" not in str(first.file.name)
    assert (first.width, first.height, first.content_type) == (40, 20, "image/png")


def test_metadata_does_not_leave_the_house() -> None:
    exif = Image.Exif()
    exif[0x010E] = "taken at home"
    stored = add(file=picture("JPEG", exif=exif), name="x.jpg", by=None)

    assert b"taken at home" not in stored.file.read()


def test_a_wide_picture_is_brought_to_twice_the_width_of_a_letter() -> None:
    assert add(file=picture(size=(3000, 1500)), name="x.png", by=None).width == 1200


def test_webp_becomes_what_every_mail_program_shows() -> None:
    assert add(file=picture("WEBP"), name="x.webp", by=None).content_type == "image/jpeg"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        b"<html><script>alert(1)</script>",
        b"GIF89a<script>alert(1)</script>",
        b"\x89PNG\r\n\x1a\n" + b"\0" * 50,
        b"%PDF-1.7",
    ],
)
def test_what_is_no_picture_is_refused_in_a_sentence(raw: bytes) -> None:
    with pytest.raises(BadPicture, match="not a picture"):
        add(file=BytesIO(raw), name="x.png", by=None)


def test_a_page_hidden_behind_a_picture_is_cut_off() -> None:
    file = BytesIO(picture().getvalue() + b"<script>alert(1)</script>")

    assert b"<script>" not in add(file=file, name="x.png", by=None).file.read()


def test_a_pixel_flood_is_refused() -> None:
    with pytest.raises(BadPicture, match="too many pixels"):
        add(file=picture(size=(9000, 9000)), name="x.png", by=None)


def test_a_file_too_large_is_refused() -> None:
    with pytest.raises(BadPicture, match="10 MB"):
        add(file=BytesIO(b"x" * (10 * 1024 * 1024 + 2)), name="x.png", by=None)
