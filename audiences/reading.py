"""What a person decides about an uploaded file before it is run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.db.models import QuerySet

from audiences.import_files import look
from audiences.imports import WAITING
from audiences.models import Import


def read_as(*, upload: Import, encoding: str, delimiter: str) -> None:
    """Read it in another encoding or with another delimiter, and guess the columns anew. Raises BadFile."""
    seen = look(path=Path(upload.path), encoding=encoding, delimiter=delimiter)
    _waiting(upload).update(
        encoding=seen.encoding,
        delimiter=seen.delimiter,
        has_header=seen.has_header,
        mapping=seen.mapping,
        # A trial of another reading says nothing of this one.
        state=Import.State.UPLOADED,
        trial={},
    )


def settle(*, upload: Import, form: Mapping[str, Any], mapping: Mapping[str, str]) -> bool:
    """Write down what is to be done with the rows. False when it was run meanwhile."""
    return (
        _waiting(upload).update(
            list=form["list"],
            consent_basis=form["basis"],
            existing=form["existing"],
            has_header=form["has_header"],
            mapping=dict(mapping),
        )
        == 1
    )


def _waiting(upload: Import) -> QuerySet[Import]:
    return Import.objects.filter(pk=upload.pk, state__in=WAITING)
