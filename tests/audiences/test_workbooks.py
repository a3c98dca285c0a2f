import io
import zipfile

import pytest

from audiences import imports, spreadsheets
from audiences.import_files import BadFile, receive, upload_folder
from audiences.models import Import, Subscriber
from tests.audiences.cast import NOW, make_list
from tests.audiences.workbooks import workbook

pytestmark = pytest.mark.django_db
ROWS: list[list[str | float]] = [
    ["E-Mail", "Vorname", "Points"],
    ["jane@x.example", "Zoë", 12.0],
    ["joe@", "Joe", 1.5],
    ["ann@x.example", "", 0],
]


@pytest.fixture(autouse=True)
def _own_folder(settings, tmp_path):
    settings.VAR_DIR = tmp_path


def take(content, **mapping):
    upload = receive(chunks=[content], file_name="fair.xlsx", list_id=make_list().pk)
    Import.objects.update(mapping={**upload.mapping, **mapping})
    imports.start(upload_id=upload.pk)
    imports.run_import(now=NOW, upload_id=upload.pk)
    upload.refresh_from_db()
    return upload


def test_an_excel_workbook_is_taken_like_a_csv():
    upload = take(workbook(ROWS), points="Points")

    assert (upload.state, upload.n_created, upload.n_rejected) == ("done", 2, 1)
    assert Subscriber.objects.get(email="jane@x.example").fields == {"first_name": "Zoë", "points": "12"}
    assert list(upload.rejections.values_list("line", "value")) == [(3, "joe@")]
    assert not list(upload_folder().iterdir())


def test_lines_of_the_report_are_rows_of_the_sheet_also_below_empty_ones():
    upload = take(workbook(ROWS, first_row=4))

    assert list(upload.rejections.values_list("line", "value")) == [(6, "joe@")]


def test_a_damaged_workbook_is_refused_with_a_sentence_and_not_kept():
    content = workbook(ROWS)
    with pytest.raises(BadFile, match=r"can’t be read|ZIP archive"):
        receive(chunks=[content[: len(content) - 200]], file_name="fair.xlsx", list_id=None)
    assert not list(upload_folder().iterdir())


def test_a_workbook_that_unpacks_to_too_much_is_refused(monkeypatch):
    monkeypatch.setattr(spreadsheets, "MAX_UNPACKED", 100)
    with pytest.raises(BadFile, match="too large"):
        receive(chunks=[workbook(ROWS)], file_name="fair.xlsx", list_id=None)
    assert not list(upload_folder().iterdir())


def test_an_empty_workbook_is_refused_with_a_sentence():
    with pytest.raises(BadFile, match="no rows"):
        receive(chunks=[workbook([])], file_name="fair.xlsx", list_id=None)


def test_another_archive_is_no_workbook(tmp_path):
    path = tmp_path / "other.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("people.csv", "email\na@b.example\n")
    with pytest.raises(BadFile, match="ZIP archive"):
        receive(chunks=[path.read_bytes()], file_name="other.zip", list_id=None)


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        ("worksheets/sheet1.xml", '<c r="XFD1048576" t="n">'),
        ("elsewhere.part", '<c r="XFD1048576" t="n">'),
        ("worksheets/sheet1.xml", f'<c s="{">" * 5000}" r="xfd01048576" t="n">'),
    ],
)
def test_a_workbook_whose_cells_lie_far_apart_is_refused_before_it_is_read(name: str, cell: str):
    with zipfile.ZipFile(io.BytesIO(workbook(ROWS))) as archive:
        parts = {part: archive.read(part).decode() for part in archive.namelist()}
    far = f'<row r="1048576">{cell}<v>1</v></c></row></sheetData>'
    parts[f"xl/{name}"] = parts.pop("xl/worksheets/sheet1.xml").replace("</sheetData>", far)
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for part, text in parts.items():
            archive.writestr(part, text.replace("worksheets/sheet1.xml", name))

    with pytest.raises(BadFile, match="row 1048576 and column 16384"):
        receive(chunks=[made.getvalue()], file_name="fair.xlsx", list_id=None)
    assert not list(upload_folder().iterdir())


def test_no_text_makes_judging_a_workbook_slow():
    assert spreadsheets._corner(io.BytesIO(b"<c " * 1_000_000 + b'<c r="B7">')) == (7, 2)
