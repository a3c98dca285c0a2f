import io
import os
import tracemalloc
import zipfile

import pytest

from audiences import import_files, imports
from audiences.import_files import BadFile, describe, look, receive, upload_folder
from audiences.models import Import, Subscriber
from tests.audiences.cast import NOW, make_list

pytestmark = pytest.mark.django_db


def run(path, **fields):
    upload = describe(path=path, file_name=path.name, list_id=make_list().pk)
    for name, value in fields.items():
        setattr(upload, name, value)
    upload.save()
    imports.start(upload_id=upload.pk)
    imports.run_import(now=NOW, upload_id=upload.pk)
    upload.refresh_from_db()
    return upload


@pytest.fixture
def file(tmp_path):
    def write(content):
        path = tmp_path / "people.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def zipped():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../evil.csv", "0" * 1_000_000)
    return out.getvalue()


@pytest.mark.parametrize(
    ("content", "because"),
    [
        (b"", "empty"),
        (b"\0" * 5000, "empty"),
        (zipped(), "ZIP archive"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "Excel"),
        (b"E-mail,Name\n", "nothing else"),
        (",".join(f"c{number}" for number in range(10_000)).encode() + b"\na@x.example\n", "10,000 columns"),
    ],
)
def test_what_is_no_csv_is_refused_with_a_sentence_and_not_kept(settings, tmp_path, content, because):
    settings.VAR_DIR = tmp_path
    with pytest.raises(BadFile, match=because):
        receive(chunks=[content], file_name="people.csv", list_id=None)
    assert not list(upload_folder().iterdir())
    assert not Import.objects.exists()


def test_a_file_beyond_the_limit_is_refused_while_it_arrives(settings, tmp_path, monkeypatch):
    settings.VAR_DIR = tmp_path
    monkeypatch.setattr(import_files, "MAX_BYTES", 1024 * 1024)
    endless = iter(lambda: b"0" * 65536, None)
    with pytest.raises(BadFile, match="larger than 1 MB"):
        receive(chunks=endless, file_name="zeros.csv", list_id=None)
    assert not list(upload_folder().iterdir())


def test_pipes_devices_and_missing_files_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path / "missing", tmp_path):
        with pytest.raises(BadFile):
            look(path=path)


def test_an_unknown_encoding_is_a_sentence(file):
    with pytest.raises(BadFile, match="no encoding called"):
        look(path=file("E-mail\na@x.example\n"), encoding="klingon")


def test_a_line_of_three_megabytes_costs_one_line(file):
    upload = run(file("E-mail,Name\na@x.example,A\n" + "z" * 3_000_000 + ",B\nc@x.example,C\n"))
    assert (upload.state, upload.n_created, upload.n_rejected) == ("done", 2, 1)
    assert upload.rejections.get().line == 3


def test_nul_and_broken_bytes_cost_their_lines(file):
    content = (
        "E-mail,First name\nzoë@x.example,x\na@x.example,Zoë\n".encode()
        + b"b\0@x.example,B\nc@x.example,Ren\xe9\nd@x.example,D\n"
    )
    upload = run(file(content + "e@x.example,Žofie Ünal Ångström\n".encode()))
    assert upload.encoding == "utf-8"
    assert [(row.line, row.value) for row in upload.rejections.all()] == [
        (2, "zoë@x.example"),
        (4, "b\u2400@x.example"),
        (5, "Ren\ufffd"),
    ]
    assert {person.email for person in Subscriber.objects.all()} == {"a@x.example", "d@x.example", "e@x.example"}


def test_hostile_cells_are_data(file):
    cells = [
        "=cmd|'/C calc'!A0",
        "'; DROP TABLE audiences_subscriber; --",
        "\\N",
        "\\.",
        "{{ settings }}",
        "%s%(list)s",
    ]
    rows = "".join(f'p{number}@x.example,"{cell}"\n' for number, cell in enumerate(cells))
    upload = run(file("E-mail,First name\n" + rows))
    assert upload.n_created == len(cells)
    assert [person.fields["first_name"] for person in Subscriber.objects.order_by("email")] == cells


@pytest.mark.parametrize(
    "cell",
    [
        "<a@x.example> NOTIFY=NEVER",
        "a@x.example>",
        '"a@x.example\r\nRCPT TO:<b@x.example>"',
        "a@x.example b@x.example",
        '"a@x.example,b@x.example"',
        "a@[127.0.0.1]",
        "раypal@x.example",
        '"""quoted local"" @x.example"',
        "a@x.invalid",
        "a" * 70 + "@x.example",
    ],
)
def test_hostile_addresses_are_rejected_with_a_sentence(file, cell):
    upload = run(file(f"E-mail,Name\ngood@y.example,x\n{cell},x\n"), mapping={"email": "E-mail"})
    assert (upload.n_created, upload.n_rejected) == (1, 1)
    assert upload.rejections.get().reason.endswith((".", ")"))


def test_columns_of_one_name_are_told_apart(file):
    upload = run(file("E-mail,E-mail,Name\na@x.example,b@x.example,A\n"))
    assert upload.mapping["email"] == "E-mail"
    assert Subscriber.objects.get().email == "a@x.example"


@pytest.mark.parametrize("mapping", [{}, {"email": "Nope"}, {"email": "E-mail", "x'--": "Name"}])
def test_a_mapping_that_does_not_fit_fails_with_a_sentence_and_can_be_mended(file, mapping):
    upload = run(file("E-mail,Name\na@x.example,A\n"), mapping=mapping)
    assert upload.state == "failed"
    assert upload.error.endswith(".")
    Import.objects.update(mapping={"email": "E-mail"})
    assert imports.start(upload_id=upload.pk)
    imports.run_import(now=NOW, upload_id=upload.pk)
    upload.refresh_from_db()
    assert (upload.state, upload.error, upload.n_created) == ("done", "", 1)


def test_a_file_that_went_away_fails_with_a_sentence(file):
    path = file("E-mail,Name\na@x.example,A\n")
    upload = describe(path=path, file_name="people.csv", list_id=None)
    path.unlink()
    imports.start(upload_id=upload.pk)
    imports.run_import(now=NOW, upload_id=upload.pk)
    upload.refresh_from_db()
    assert (upload.state, "not there any more" in upload.error) == ("failed", True)


def test_one_person_on_every_line_is_one_person_in_flat_memory(file):
    path = file("E-mail,First name\n" + "jane@x.example,Jane\n" * 20_000)
    tracemalloc.start()
    upload = run(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (upload.n_created, upload.n_duplicates) == (1, 19_999)
    assert peak < 8 * 1024 * 1024
