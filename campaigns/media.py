"""Pictures for letters: checked, stripped of what they say about their maker, stored under an unguessable name."""

import hashlib
import re
import secrets
import warnings
from io import BytesIO
from typing import BinaryIO

from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.db import transaction
from PIL import Image, ImageOps, UnidentifiedImageError

from campaigns.models import Campaign, Media
from words import gettext as _

MOST_OCTETS = 10 * 1024 * 1024
MOST_PIXELS = 40_000_000
# Twice the width of a letter, for sharp screens.
WIDEST = 1200
# What mail programs show everywhere; WebP is turned into PNG or JPEG.
KEPT = {
    "JPEG": ("jpg", "image/jpeg"),
    "PNG": ("png", "image/png"),
    "GIF": ("gif", "image/gif"),
}


# The place of a stored picture, as sources name it.
_NAMED = re.compile(r"letters/[A-Za-z0-9_-]{16,40}\.(?:jpg|png|gif)")


class BadPicture(ValueError):
    """Why this file is not taken, in a sentence."""


def add(*, file: BinaryIO, name: str, by: User | None) -> Media:
    """Store a picture; the same picture twice is one. Raises BadPicture."""
    raw = file.read(MOST_OCTETS + 1)
    if len(raw) > MOST_OCTETS:
        raise BadPicture(_("The picture is larger than 10 MB. Make it smaller first; letters need about 1,200 pixels."))
    data, format_, (width, height) = _cleaned(raw)
    digest = hashlib.sha256(data).hexdigest()
    if known := Media.objects.filter(digest=digest).first():
        return known
    ending, content_type = KEPT[format_]
    media = Media(
        name=name[:200],
        digest=digest,
        content_type=content_type,
        width=width,
        height=height,
        size=len(data),
        uploaded_by=by,
    )
    media.file.save(f"{secrets.token_urlsafe(16)}.{ending}", ContentFile(data), save=False)
    media.save(force_insert=True)
    return media


class InUse(Exception):
    """Letters name this picture."""

    def __init__(self, campaigns: list[Campaign]) -> None:
        super().__init__("This picture is in use.")
        self.campaigns = campaigns


def named_in(source: str) -> list[Media]:
    """Our pictures that a letter shows."""
    names = set(_NAMED.findall(source))
    return list(Media.objects.filter(file__in=names)) if names else []


def used_by(picture: Media) -> list[Campaign]:
    """The campaigns any version of which shows it, the newest first."""
    used = Campaign.objects.filter(pk__in=picture.revisions.values("campaign")).select_related("mailing")
    return list(used.order_by("-pk"))


def remove(*, picture: Media, sure: bool) -> None:
    """For good: whoever opens a sent letter sees a gap. Raises InUse where letters show it and nobody is sure."""
    campaigns = used_by(picture)
    if campaigns and not sure:
        raise InUse(campaigns)
    storage, name = picture.file.storage, str(picture.file.name)
    picture.delete()
    transaction.on_commit(lambda: storage.delete(name))


def _cleaned(raw: bytes) -> tuple[bytes, str, tuple[int, int]]:
    """The picture written anew: no metadata, no second file hidden behind it, no wider than a letter needs."""
    image = _opened(raw)
    source = image.format or ""
    if source == "GIF" and getattr(image, "is_animated", False):
        return _rewritten(image, "GIF", save_all=True), "GIF", image.size
    target = source if source in KEPT else ("PNG" if "A" in image.getbands() else "JPEG")
    upright = ImageOps.exif_transpose(image)
    if upright.width > WIDEST:
        upright = upright.resize((WIDEST, round(upright.height * WIDEST / upright.width)))
    if target == "JPEG" and upright.mode not in ("RGB", "L"):
        upright = upright.convert("RGB")
    return _rewritten(upright, target), target, upright.size


def _opened(raw: bytes) -> Image.Image:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(BytesIO(raw), formats=["JPEG", "PNG", "GIF", "WEBP"])
            if image.width * image.height > MOST_PIXELS:
                raise BadPicture(_("The picture has too many pixels. Make it smaller first."))
            image.load()
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise BadPicture(_("The picture has too many pixels. Make it smaller first.")) from None
    except (
        UnidentifiedImageError,
        OSError,
        SyntaxError,
        ValueError,
        EOFError,
    ) as error:
        if isinstance(error, BadPicture):
            raise
        raise BadPicture(_("This is not a picture we can use. Take a JPEG, PNG, GIF or WebP file.")) from None
    return image


def _rewritten(image: Image.Image, format_: str, **options: bool) -> bytes:
    out = BytesIO()
    image.save(out, format_, optimize=True, **options)
    return out.getvalue()
