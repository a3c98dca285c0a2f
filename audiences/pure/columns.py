"""Which column is what? By its name in several languages, else by what stands in it."""

import re
import unicodedata
from collections.abc import Mapping, Sequence

from audiences.pure.sniff import is_address
from words import gettext as _

EMAIL = "email"
LANGUAGE = "language"
FIRST_NAME = "first_name"
LAST_NAME = "last_name"
# Where somebody lives, for letters that leave at an hour of theirs.
TIME_ZONE = "time_zone"
# The day of the sale or question that lets us write to them: no field of theirs.
GROUND_ON = "ground_on"
# What a column can become beside personal fields.
NO_FIELDS = (EMAIL, LANGUAGE, GROUND_ON)


def fold(name: str) -> str:
    """Lower case without accents, blanks and signs: `E-Mail-Adresse` and `email adresse` are one name."""
    plain = unicodedata.normalize("NFKD", name.replace("ł", "l").replace("Ł", "l").replace("ı", "i").casefold())
    return "".join(character for character in plain if character.isalnum())


# English, German, French, Spanish, Portuguese, Italian, Dutch, Polish, Swedish, Danish,
# Czech, Turkish, Russian, Ukrainian, Greek, Japanese, Chinese.
_NAMES = {
    EMAIL: (
        "email emailaddress emailid mail mailaddress mailadresse emailadresse emailadres emailadress emailadresa "
        "adressemail adresseemail adressemailelectronique courriel adressecourriel correo correoelectronico "
        "direcciondecorreo correoe enderecodeemail indirizzoemail indirizzodipostaelettronica postaelettronica eposta "
        "epostadresi epost epostadress epostadresse adresemail adresemejl adrespocztyelektronicznej poczta "
        "subscriberemail useremail contactemail primaryemail email1 email1value emailaddress1 почта электроннаяпочта "
        "адресэлектроннойпочты емейл имейл електроннапошта メール "
        "メールアドレス 邮箱 电子邮件 電子郵件 電郵 이메일".split()
    ),
    FIRST_NAME: (
        "firstname fname first givenname forename vorname rufname prenom nombre nombredepila primeironome nome "
        "voornaam roepnaam imie fornamn fornavn jmeno krestnijmeno ad isim имя імя ονομα "
        "名 名前 이름 contactfirstname".split()
    ),
    LAST_NAME: (
        "lastname lname last surname familyname nachname familienname zuname nomdefamille apellido apellidos sobrenome "
        "apelido cognome achternaam familienaam nazwisko efternamn efternavn prijmeni soyad soyadi фамилия прізвище "
        "επωνυμο 姓 名字 성 contactlastname".split()
    ),
    LANGUAGE: (
        "language lang locale sprache langue idioma lingua lengua taal jezyk sprak sprog jazyk dil язык "
        "мова 言語 语言".split()
    ),
    TIME_ZONE: (
        "timezone timezonename tz tzname zeitzone fuseauhoraire zonahoraria husohorario fusohorario fusoorario "
        "tijdzone strefaczasowa tidszon tidszone tidssone casovepasmo saatdilimi часовойпояс часовийпояс ζωνηωρας "
        "タイムゾーン 时区 時區".split()
    ),
}
NAMES = {target: frozenset(map(fold, words)) for target, words in _NAMES.items()}
_KEY = re.compile(r"[a-z][a-z0-9_]{0,39}")


def labels(header: Sequence[str], *, has_header: bool) -> list[str]:
    """A name for each column that no other has: what the header says, `Column 3` where it says nothing, `Name (2)`."""
    found: list[str] = []
    for number, cell in enumerate(header, 1):
        name = " ".join(cell.split())[:80] if has_header else ""
        name = name or f"Column {number}"
        copies = 2
        label = name
        while label in found:
            label, copies = f"{name} ({copies})", copies + 1
        found.append(label)
    return found


def guess(names: Sequence[str], rows: Sequence[Sequence[str]], known_keys: Sequence[str] = ()) -> dict[str, str]:
    """`{target: label}` for what can be told: the targets above, and known field keys."""
    found: dict[str, str] = {}
    for label in names:
        target = _by_name(label, known_keys)
        if target and target not in found:
            found[target] = label
    by_content = _column_of_addresses(rows)
    if by_content is not None and by_content < len(names) and _should_replace(found, names, rows):
        found = {target: label for target, label in found.items() if label != names[by_content]}
        found[EMAIL] = names[by_content]
    return found


def _by_name(label: str, known_keys: Sequence[str]) -> str:
    folded = fold(re.sub(r" \(\d+\)$", "", label))
    target = next((target for target, names in NAMES.items() if folded in names), "")
    return target or next((key for key in known_keys if fold(key) == folded), "")


def _should_replace(found: Mapping[str, str], names: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Content decides when no name said e-mail, or when that column holds no address at all (a yes/no, say)."""
    if EMAIL not in found:
        return True
    index = list(names).index(found[EMAIL])
    return not any(index < len(row) and is_address(row[index]) for row in rows)


def _column_of_addresses(rows: Sequence[Sequence[str]]) -> int | None:
    """The first column with most addresses, if at least half of its filled cells are some."""
    best, most = None, 0
    for index in range(max((len(row) for row in rows), default=0)):
        cells = [row[index] for row in rows if index < len(row) and row[index].strip()]
        hits = sum(map(is_address, cells))
        if hits > most and 2 * hits >= len(cells):
            best, most = index, hits
    return best


def is_key(text: str) -> bool:
    """May a personal field be called so? (`contact.<key>` in letters.)"""
    return _KEY.fullmatch(text) is not None


def complaint_about(mapping: Mapping[str, str], names: Sequence[str]) -> str:
    """What is wrong with `{target: label}` for these columns, in a sentence, or an empty string."""
    if EMAIL not in mapping:
        return _("Say which column holds the e-mail address.")
    for target, label in mapping.items():
        if label not in names:
            return f"There is no column “{label}”. The columns are: {', '.join(names)}."
        if not is_key(target):
            return _(
                "“%(target)s” can't name a field: small letters, digits and _ only, a letter first, at most 40."
            ) % {"target": target}
    if len(set(mapping.values())) < len(mapping):
        return _("Two fields can't come from one column.")
    return ""
