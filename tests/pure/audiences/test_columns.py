import pytest

from audiences.pure import columns


@pytest.mark.parametrize(
    ("header", "mapping"),
    [
        (
            ["E-mail", "First name", "Last name"],
            {"email": "E-mail", "first_name": "First name", "last_name": "Last name"},
        ),
        (
            ["Vorname", "Nachname", "E-Mail-Adresse"],
            {"email": "E-Mail-Adresse", "first_name": "Vorname", "last_name": "Nachname"},
        ),
        (["Prénom", "Courriel"], {"email": "Courriel", "first_name": "Prénom"}),
        (["Correo electrónico", "Apellidos"], {"email": "Correo electrónico", "last_name": "Apellidos"}),
        (["Imię", "Adres e-mail"], {"email": "Adres e-mail", "first_name": "Imię"}),
        (["Имя", "Электронная почта"], {"email": "Электронная почта", "first_name": "Имя"}),
        (["メールアドレス", "名"], {"email": "メールアドレス", "first_name": "名"}),
        (["EMAIL_ADDRESS", "lang"], {"email": "EMAIL_ADDRESS", "language": "lang"}),
    ],
)
def test_columns_are_known_by_their_names(header, mapping):
    assert columns.guess(header, []) == mapping


def test_a_column_of_addresses_is_known_by_what_stands_in_it():
    rows = [["7", "Jane <jane@x.example>"], ["8", "joe@x.example"]]
    assert columns.guess(["Column 1", "Column 2"], rows) == {"email": "Column 2"}


def test_a_column_called_email_that_holds_no_address_gives_way():
    rows = [["yes", "jane@x.example"], ["no", "joe@x.example"]]
    assert columns.guess(["Email", "Contact"], rows) == {"email": "Contact"}


def test_personal_fields_are_known_by_their_keys():
    assert columns.guess(["E-mail", "Birth Day", "Other"], [], ["birth_day"]) == {
        "email": "E-mail",
        "birth_day": "Birth Day",
    }


def test_every_column_gets_a_name_of_its_own():
    assert columns.labels(["Name", "", " Name ", "Name"], has_header=True) == [
        "Name",
        "Column 2",
        "Name (2)",
        "Name (3)",
    ]
    assert columns.labels(["jane@x.example", "x"], has_header=False) == ["Column 1", "Column 2"]


@pytest.mark.parametrize(
    ("mapping", "because"),
    [
        ({}, "which column holds the e-mail"),
        ({"email": "Mail"}, "no column “Mail”"),
        ({"email": "E-mail", "__class__": "Name"}, "can't name a field"),
        ({"email": "E-mail", "naïve": "Name"}, "can't name a field"),
        ({"email": "E-mail", "first_name": "E-mail"}, "one column"),
    ],
)
def test_a_wrong_mapping_is_explained(mapping, because):
    assert because in columns.complaint_about(mapping, ["E-mail", "Name"])


def test_a_right_one_is_not():
    assert columns.complaint_about({"email": "E-mail", "shoe_size": "Name"}, ["E-mail", "Name"]) == ""
