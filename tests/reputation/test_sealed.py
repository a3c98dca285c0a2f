"""Secrets at rest and signing keys."""

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from pytest_django import DjangoAssertNumQueries, Settings

from reputation import dkim_keys, sealed
from reputation.models import DkimKey, SendingDomain
from reputation.sealed import SealBroken


def test_a_sealed_text_opens_only_for_what_it_is_about(settings: Settings) -> None:
    settings.SEAL_KEYS = {1: b"a" * 32}
    blob = sealed.seal("s3cret-ö", about="relay:1")
    assert b"s3cret" not in blob
    assert sealed.unseal(memoryview(blob), about="relay:1") == "s3cret-ö"
    assert sealed.seal("s3cret-ö", about="relay:1") != blob
    with pytest.raises(SealBroken, match="relay:2") as caught:
        sealed.unseal(blob, about="relay:2")
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("place", range(0, 40, 3))
def test_a_changed_byte_is_noticed(settings: Settings, place: int) -> None:
    settings.SEAL_KEYS = {1: b"a" * 32}
    blob = bytearray(sealed.seal("a secret of some length", about="x"))
    blob[place] ^= 1
    with pytest.raises(SealBroken):
        sealed.unseal(bytes(blob), about="x")


def test_old_keys_open_and_rekeying_moves_to_the_newest(settings: Settings) -> None:
    settings.SEAL_KEYS = {1: b"a" * 32}
    old = sealed.seal("text", about="x")
    settings.SEAL_KEYS = {2: b"b" * 32, 1: b"a" * 32}
    fresh = sealed.rekey(old, about="x")
    assert (sealed.version_of(old), sealed.version_of(fresh)) == (1, 2)
    assert sealed.rekey(fresh, about="x") == fresh
    settings.SEAL_KEYS = {2: b"b" * 32}
    assert sealed.unseal(fresh, about="x") == "text"
    with pytest.raises(SealBroken, match="seal-1 is missing"):
        sealed.unseal(old, about="x")


@pytest.fixture
def domain(db: None) -> SendingDomain:
    dkim_keys.forget()
    return SendingDomain.objects.create(name="news.example", return_path_host="bounce.news.example")


def test_a_key_signs_only_when_active_and_is_never_shown(
    now, domain: SendingDomain, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    key = dkim_keys.make(now=now, domain=domain)
    assert dkim_keys.signing_key(domain.pk) is None
    assert dkim_keys.activate(key=key)
    assert not dkim_keys.activate(key=key)
    signing = dkim_keys.signing_key(domain.pk)
    assert signing is not None
    assert (signing.domain, signing.selector) == ("news.example", "lp202603")
    assert "RSAPrivateKey" not in repr(signing)
    assert b"PRIVATE" not in bytes(DkimKey.objects.get().private_key_sealed)
    signature = signing.private_key.sign(b"x", padding.PKCS1v15(), hashes.SHA256())
    signing.private_key.public_key().verify(signature, b"x", padding.PKCS1v15(), hashes.SHA256())
    with django_assert_num_queries(0):
        dkim_keys.signing_key(domain.pk)


def test_rotation_keeps_the_old_key_published(now, domain: SendingDomain) -> None:
    first = dkim_keys.make(now=now, domain=domain)
    dkim_keys.activate(key=first)
    second = dkim_keys.rotate(now=now, domain=domain)
    assert dkim_keys.rotate(now=now, domain=domain) == second
    assert second.selector == "lp202603-2"
    dkim_keys.activate(key=second)
    assert dict(domain.keys.values_list("selector", "state")) == {"lp202603": "retired", "lp202603-2": "active"}
    signing = dkim_keys.signing_key(domain.pk)
    assert signing is not None
    assert signing.selector == "lp202603-2"


def test_all_keys_can_be_put_under_a_new_seal_key(now, domain: SendingDomain, settings: Settings) -> None:
    settings.SEAL_KEYS = {1: b"a" * 32}
    dkim_keys.activate(key=dkim_keys.make(now=now, domain=domain))
    settings.SEAL_KEYS = {2: b"b" * 32, 1: b"a" * 32}
    assert (dkim_keys.rekey_all(), dkim_keys.rekey_all()) == (1, 0)
    settings.SEAL_KEYS = {2: b"b" * 32}
    assert dkim_keys.signing_key(domain.pk) is not None


def test_a_key_from_elsewhere_can_be_taken_over(domain: SendingDomain) -> None:
    with pytest.raises(ValueError, match="PEM"):
        dkim_keys.adopt(domain=domain, selector="old", private_key_pem="nonsense")


def test_a_record_fits_into_strings_of_255_bytes() -> None:
    value = dkim_keys.zone_file_value("v=DKIM1; p=" + "A" * 400)
    parts = value.strip('"').split('" "')
    assert [len(part) for part in parts] == [255, 156]
    assert "".join(parts) == "v=DKIM1; p=" + "A" * 400
