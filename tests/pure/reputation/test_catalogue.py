"""The provider catalogue: recognised by the whole MX set, and validated row by row."""

import pytest

from reputation.catalogue import catalogue, provider_of, registrable
from reputation.pure.catalogue import CatalogueError, load, site_name

OTHER = '[other]\nname="Other"\nsource="s"\nmark="P"\n'


@pytest.mark.parametrize(
    ("hosts", "key"),
    [
        (["aspmx.l.google.com", "alt1.aspmx.l.google.com.", "ASPMX2.GOOGLEMAIL.COM"], "google"),
        (["smtp.google.com"], "google"),
        (["hotmail-com.olc.protection.outlook.com"], "microsoft"),
        (["shop-example.mail.protection.outlook.com"], "m365"),
        (["shop-example.a-v1.mx.microsoft"], "m365"),
        (["mta5.am0.yahoodns.net", "mta6.am0.yahoodns.net"], "yahoo"),
        (["mx01.mail.icloud.com"], "apple"),
        (["mx00.t-online.de"], "tonline"),
        (["eu-smtp-inbound-1.mimecast.com"], "mimecast"),
        (["mx1.mail.hoster.co.uk", "mx2.hoster.co.uk"], "other:hoster.co.uk"),
        (["aspmx.l.google.com", "mail.shop.example"], "other:shop.example"),
        (["mail.shop.example", "mail.elsewhere.example"], "other:shop.example"),
        (["evilgoogle.com"], "other:evilgoogle.com"),
        (["google.com.evil.example"], "other:evil.example"),
        (["192.0.2.1"], "other:192.0.2.1"),
    ],
)
def test_a_provider_is_known_by_its_whole_mx_set(hosts: list[str], key: str) -> None:
    assert provider_of(hosts, "news.shop.example") == key


def test_every_well_known_domain_is_guessed() -> None:
    guess = catalogue().guess
    assert [guess(domain) for domain in ("gmail.com", "GMX.de.", "outlook.fr", "nobody.example")] == [
        "google", "gmx", "microsoft", "unknown",
    ]  # fmt: skip


@pytest.mark.parametrize("provider", list(catalogue().providers.values()), ids=lambda provider: provider.key)
def test_every_row_has_a_source_and_limits_that_can_be_kept(provider) -> None:
    assert provider.source
    assert provider.name
    assert provider.cold.per_day
    assert provider.cold.connections == 1
    assert provider.warm.connections >= 1
    assert provider.warm.per_minute
    assert provider.warm.batch_size


def test_names_for_people() -> None:
    title = catalogue().title
    assert (title("google"), title("other:foo.org")) == ("Gmail", "foo.org")
    assert title("unknown") == "Not looked up yet"
    assert catalogue().get("other:foo.org").key == "other"


def test_a_site_has_one_name_however_its_hosts_are_ordered() -> None:
    assert (
        site_name(["b.mx.example", "a.mx.example."])
        == site_name(["A.mx.example", "b.mx.example"])
        == "(a|b).mx.example"
    )
    assert len(site_name([f"mx{n}.some-long-host-name.example" for n in range(200)])) <= 500


def test_what_somebody_registered() -> None:
    assert registrable("a.b.shop.co.uk") == "shop.co.uk"
    assert registrable("example") == "example"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[x", "not valid TOML"),
        ('[x]\nname="X"\nsource="s"\nmark="P"\n', "'other' is missing"),
        (OTHER + '[Bad-Key]\nname="X"\nsource="s"\nmark="P"', "[Bad-Key] is no provider key"),
        (OTHER + 'warm = { connections = 501 }', "connections must be 500 at most"),
        (OTHER + 'warm = { per_hour = 2000000 }', "per_hour must be 1e+06 at most"),
        (OTHER + 'warmup_factor = 11', "warmup_factor must be a number up to 10"),
        (OTHER + 'cold = { per_day = 9 }\nwarm = { per_day = 8 }', "cold per_day 9 is more than warm per_day 8"),
        (OTHER + 'mx = ["a.example", "mx.a.example"]', "'mx.a.example', which lies below 'a.example' of [other]"),
        (OTHER + '[unknown]\nname="X"\nsource="s"\nmark="P"', "[unknown] is no provider key"),
        (OTHER + '[x]\nname="X"\nmark="P"', "[x] source is missing"),
        (OTHER + '[x]\nname="X"\nsource="s"\nmark="Q"', "[x] mark must be one of"),
        (OTHER + '[x]\nname="X"\nsource="s"\nmark="P"\nmx=[".a.com"]', "[x] mx has '.a.com'"),
        (OTHER + '[x]\nname="X"\nsource="s"\nmark="P"\nspeed=3', "[x] speed is not a field"),
        (OTHER + '[x]\nname="X"\nsource="s"\nmark="P"\nwarm={per_week=3}', "[x] warm has 'per_week'"),
        (OTHER + '[x]\nname="X"\nsource="s"\nmark="P"\nwarm={per_day=0}', "[x] warm per_day must be"),
        (OTHER + '[x]\nname="X"\nsource="s"\nmark="P"\nwarm={batch_pause=-1}', "[x] warm batch_pause"),
        (OTHER + '[x]\nname="X"\nsource="s"\nmark="P"\nstop_minutes=0', "[x] stop_minutes must be"),
        (OTHER + '[x]\nname="X"\nsource="s"\nmark="P"\ntls_required="yes"', "[x] tls_required must be"),
        (
            '[other]\nname="O"\nsource="s"\nmark="P"\nmx=["a.com"]\n[y]\nname="Y"\nsource="s"\nmark="P"\nmx=["a.com"]',
            "[y] mx has 'a.com', which [other]",
        ),
    ],
)  # fmt: skip
def test_wrong_data_is_refused_by_row_and_field(text: str, words: str) -> None:
    with pytest.raises(CatalogueError) as caught:
        load(text)
    assert words in str(caught.value)
