"""SPF evaluated for our own addresses, limits counted (RFC 7208)."""

from collections.abc import Sequence

import pytest

from reputation.pure.spf import Dns, Result, Unknown, evaluate

IP = "192.0.2.10"


class Names:
    """DNS as a dictionary: {"name": ["record", …]}; the value None is a failing server."""

    def __init__(self, txt: dict[str, list[str] | None], **more: dict[str, list[str] | None]) -> None:
        self.kinds = {"txt": txt, "addresses": {}, "mx": {}} | more

    def of(self, kind: str, name: str) -> Sequence[str]:
        records = self.kinds[kind].get(name, [])
        if records is None:
            raise Unknown(f"{name} could not be looked up")
        return records

    def dns(self) -> Dns:
        return Dns(
            txt=lambda name: self.of("txt", name),
            addresses=lambda name: self.of("addresses", name),
            mx=lambda name: self.of("mx", name),
        )


def _result(record: str, ip: str = IP, **more: dict[str, list[str] | None]) -> Result:
    txt = {"d.example": [record]} | more.pop("txt", {})
    return evaluate(ip=ip, domain="d.example", dns=Names(txt, **more).dns())


@pytest.mark.parametrize(
    ("record", "verdict"),
    [
        ("v=spf1 ip4:192.0.2.10 -all", "pass"),
        ("v=spf1 ip4:192.0.2.0/24 -all", "pass"),
        ("V=SPF1 IP4:192.0.2.10 -ALL", "pass"),
        ("v=spf1 ip4:192.0.2.11 -all", "fail"),
        ("v=spf1 ip4:192.0.2.11 ~all", "softfail"),
        ("v=spf1 ip4:192.0.2.11 ?all", "neutral"),
        ("v=spf1 ip4:192.0.2.11", "neutral"),
        ("v=spf1 -ip4:192.0.2.10 +all", "fail"),
        ("v=spf1 exp=why.d.example ip4:192.0.2.10 -all", "pass"),
        ("v=spf1 ip4:192.0.2.300 -all", "permerror"),
        ("v=spf1 ip6:192.0.2.10 -all", "permerror"),
        ("v=spf1 ipv4:192.0.2.10 -all", "permerror"),
        ("v=spf1 a: -all", "permerror"),
        ("v=spf10 ip4:192.0.2.10", "none"),
        ("something else", "none"),
    ],
)
def test_simple_records(record: str, verdict: str) -> None:
    assert _result(record).verdict == verdict


def test_ipv6() -> None:
    assert _result("v=spf1 ip6:2001:db8::/32 -all", ip="2001:db8::5").verdict == "pass"
    assert _result("v=spf1 a//64 -all", ip="2001:db8::5", addresses={"d.example": ["2001:db8::1"]}).verdict == "pass"


def test_hosts_and_mail_hosts() -> None:
    addresses: dict[str, list[str] | None] = {"d.example": ["192.0.2.9"], "mx.d.example": [IP]}
    assert _result("v=spf1 a -all", addresses=addresses).verdict == "fail"
    assert _result("v=spf1 a/24 -all", addresses=addresses).verdict == "pass"
    assert _result("v=spf1 mx -all", addresses=addresses, mx={"d.example": ["mx.d.example"]}).verdict == "pass"
    assert _result("v=spf1 exists:mx.%{d} -all", addresses=addresses).verdict == "pass"
    assert (
        _result("v=spf1 exists:%{ir}.d.example -all", addresses={"10.2.0.192.d.example": ["127.0.0.2"]}).verdict
        == "pass"
    )


def test_an_include_passes_only_when_it_passes() -> None:
    txt: dict[str, list[str] | None] = {"i.example": ["v=spf1 ip4:192.0.2.10 -all"], "no.example": ["v=spf1 -all"]}
    result = _result("v=spf1 include:no.example include:i.example -all", txt=txt)
    assert (result.verdict, result.lookups) == ("pass", 2)
    assert [depth for depth, _ in result.tree] == [0, 1, 1]
    assert _result("v=spf1 include:gone.example -all").verdict == "permerror"


def test_a_redirect_takes_over_only_at_the_end() -> None:
    txt: dict[str, list[str] | None] = {"r.example": ["v=spf1 ip4:192.0.2.10 -all"]}
    assert _result("v=spf1 redirect=r.example", txt=txt).verdict == "pass"
    assert _result("v=spf1 redirect=r.example -all", txt=txt).verdict == "fail"


def test_two_records_are_an_error_with_advice() -> None:
    dns = Names({"d.example": ["v=spf1 ip4:192.0.2.10 -all", "v=spf1 -all"]}).dns()
    result = evaluate(ip=IP, domain="d.example", dns=dns)
    assert result.verdict == "permerror"
    assert "2 SPF records" in result.detail


@pytest.mark.parametrize(("includes", "verdict"), [(9, "pass"), (10, "pass"), (11, "permerror")])
def test_the_eleventh_look_up_is_an_error(includes: int, verdict: str) -> None:
    txt: dict[str, list[str] | None] = {f"i{n}.example": ["v=spf1 -all"] for n in range(includes)}
    record = " ".join(["v=spf1", *(f"include:i{n}.example" for n in range(includes)), "ip4:192.0.2.10"])
    result = _result(record, txt=txt)
    assert result.verdict == verdict
    assert ("10 DNS look-ups" in result.detail) == (verdict == "permerror")


def test_a_record_that_includes_itself_ends() -> None:
    assert _result("v=spf1 include:d.example -all").verdict == "permerror"


def test_the_third_name_that_leads_nowhere_is_an_error() -> None:
    assert _result("v=spf1 a:x.example a:y.example ip4:192.0.2.10").verdict == "pass"
    assert _result("v=spf1 a:x.example a:y.example a:z.example ip4:192.0.2.10").verdict == "permerror"


@pytest.mark.parametrize("record", ["v=spf1 include:down.example -all", "v=spf1 a:down.example -all"])
def test_a_failed_look_up_is_no_failure_of_the_record(record: str) -> None:
    result = _result(record, txt={"down.example": None}, addresses={"down.example": None})
    assert result.verdict == "temperror"
    assert "down.example" in result.detail


@pytest.mark.parametrize(
    ("record", "words"),
    [("v=spf1 +all", "everybody"), ("v=spf1 all", "everybody"), ("v=spf1 ptr ip4:192.0.2.10 -all", "ptr")],
)
def test_dangerous_records_are_warned_about(record: str, words: str) -> None:
    assert any(words in warning for warning in _result(record).warnings)
