import codecs

import pytest

from audiences.pure import sniff

PEOPLE = (
    "Vorname;Nachname;E-Mail\r\nJürgen;Müller;j@x.example\r\nZoë;Weiß;z@x.example\r\n"
    "François;Bœuf – 5 €;f@x.example\r\n"
)
POLISH = "Imię;Nazwisko;E-mail\nŁukasz;Żółć;l@x.example\nJędrzej;Śliwiński;j@x.example\nMichał;Dąbrowski;m@x.example\n"
RUSSIAN = "Имя;Фамилия;Почта\nИван;Петров;i@x.example\nЮрий;Соколов;y@x.example\nНаталья;Кузнецова;n@x.example\n"
JAPANESE = "名前;メールアドレス\n山田太郎;y@x.example\n鈴木花子;s@x.example\n佐藤さくら;k@x.example\n"


@pytest.mark.parametrize(
    ("text", "codec"),
    [
        (PEOPLE, "utf-8"),
        (PEOPLE, "utf-8-sig"),
        (PEOPLE, "cp1252"),
        (PEOPLE, "utf-16-le"),
        (PEOPLE, "utf-16-be"),
        (PEOPLE, "utf-16"),
        (PEOPLE, "utf-32"),
        (POLISH, "utf-8"),
        (POLISH, "cp1250"),
        (RUSSIAN, "utf-8"),
        (RUSSIAN, "cp1251"),
        (JAPANESE, "utf-8"),
        (JAPANESE, "cp932"),
        ("name,email\nJosé,j@x.example\n", "cp1252"),
        ("name,email\nJane,j@x.example\n", "utf-8"),
    ],
)
def test_the_encoding_is_found(text, codec):
    raw = text.encode(codec)
    found = sniff.encoding_of(raw)
    assert raw.decode(found) == text
    if not text.isascii():
        assert found.removesuffix("-sig") == codec.removesuffix("-sig")


def test_a_broken_byte_does_not_make_another_encoding_of_a_utf8_file():
    raw = PEOPLE.encode() * 3 + b"Ren\xe9e;x;r@x.example\n"
    assert sniff.encoding_of(raw) == "utf-8"


def test_byte_order_marks_of_utf16_are_not_mistaken_for_those_of_utf32():
    assert sniff.encoding_of(codecs.BOM_UTF16_LE + "a,b\n".encode("utf-16-le")) == "utf-16"


@pytest.mark.parametrize("delimiter", sniff.DELIMITERS)
def test_the_delimiter_is_found_among_others_in_the_cells(delimiter):
    rows = [["E-Mail", "Name", "Note"], ["a@x.example", "Doe", "x,y;z|w"], ["b@x.example", "Roe", "quoted\nline"]]
    text = "\n".join(delimiter.join(f'"{cell}"' if set(cell) & set(",;|\n") else cell for cell in row) for row in rows)
    assert sniff.delimiter_of(text + "\n") == delimiter


@pytest.mark.parametrize(
    ("text", "delimiter"), [("a@x.example\nb@x.example\n", ","), ("", ","), ("sep=|\na;b;c\n", "|")]
)
def test_one_column_needs_none_and_a_file_may_say_it(text, delimiter):
    assert sniff.delimiter_of(text) == delimiter


@pytest.mark.parametrize(
    ("rows", "header"),
    [
        ([["E-Mail", "Name"], ["a@x.example", "A"]], True),
        ([["a@x.example", "A"], ["b@x.example", "B"]], False),
        ([["1", ""], ["b@x.example", "B"]], False),
        ([["Jane <a@x.example>", "A"]], False),
        ([], False),
    ],
)
def test_a_header_holds_no_address(rows, header):
    assert sniff.has_header(rows) is header


@pytest.mark.parametrize(
    "head", [b"PK\x03\x04....", b"\xd0\xcf\x11\xe0\xa1", b"\x1f\x8b\x08", b"%PDF-1.7", b"", b"\0" * 64, b" \n\n"]
)
def test_what_is_no_text_is_refused_with_a_sentence(head):
    assert sniff.refusal(head).endswith(".")


def test_text_is_not_refused():
    assert sniff.refusal(PEOPLE.encode()) == ""
