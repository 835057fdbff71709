"""Presentations of both formats against our verification: what is accepted, and every reason for a no (laws 3, 9)."""

import base64
import hashlib
import json
import random
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.credentials.presentation.conftest import issue_mdoc, issue_sd
from tests.credentials.presentation.wallet import (
    DOCTYPE,
    NOW,
    SPACE,
    VCT,
    Authority,
    b64u,
    certificate,
    jwk_of,
    raw_signature,
)

from msingi.credentials.presentation import errors, mdoc, sdjwt
from msingi.credentials.presentation.model import Binding
from msingi.credentials.presentation.trust import Anchor, Published, Trusted, key_of_jwk
from msingi.kernel.errors import Refusal

CLIENT, RESPONSE = "x509_hash:Uvo3HtuIxuhC92rShpgqcT3YXwrqRxWEviRiA0OZszk", "https://id.example/present/wallet/abc"
BINDING = Binding(
    client_id=CLIENT, nonce="n-0S6_WzA2Mj", response_uri=RESPONSE, thumbprint=bytes(range(32)), asked_at=NOW - 30
)
DISCLOSE = {"given_name": True, "address": {"region": True}, "nationalities": {"0": True}}


@pytest.fixture(scope="module")
def trusted(authority) -> Trusted:
    return Trusted([Anchor("Civil Registry", authority.ca)])


def kb(wallet, credential: str, holder, **changed: Any) -> str:
    """A presentation by @sd-jwt; `changed` replaces what the key binding says."""
    order: dict[str, Any] = {"aud": CLIENT, "nonce": BINDING.nonce, "iat": NOW - 5, "frame": DISCLOSE, "more": {}}
    return wallet("presentSd", credential=credential, holder=holder, **(order | changed))


def device(wallet, credential: str, holder, **changed: Any) -> str:
    """A DeviceResponse by @owf/mdoc."""
    order: dict[str, Any] = {
        "clientId": CLIENT, "nonce": BINDING.nonce, "responseUri": RESPONSE, "thumbprint": b64u(BINDING.thumbprint),
        "asked": {SPACE: ["given_name", "age_over_18"]}, "doctype": DOCTYPE,
    }  # fmt: skip
    return wallet("presentMdoc", credential=credential, device=holder, **(order | changed))


def test_an_sd_jwt_of_another_library_verifies_and_says_only_what_was_disclosed(wallet, sd_credential, holder, trusted):
    shown = sdjwt.verify(kb(wallet, sd_credential, holder), BINDING, trusted, NOW)
    assert shown.kind == VCT and shown.issuer == "Civil Registry issuer" and shown.bound
    assert shown.claims["given_name"] == "Neema" and shown.claims["address"] == {"region": "Mashariki"}
    assert shown.claims["nationalities"] == ["UTO"]
    assert "family_name" not in shown.claims and "_sd" not in json.dumps(shown.claims)
    assert len(shown.akis) == 1


def test_an_mdoc_of_another_library_verifies(wallet, mdoc_credential, holder, trusted):
    [shown] = mdoc.verify(device(wallet, mdoc_credential, holder), BINDING, trusted, NOW)
    assert shown.kind == DOCTYPE and shown.claims == {SPACE: {"given_name": "Neema", "age_over_18": True}}
    assert shown.expires_at == NOW - 3_600 + 86_400 * 30


def test_an_mdoc_over_the_digital_credentials_api(wallet, mdoc_credential, holder, trusted):
    origin = "https://shop.example"
    text = device(wallet, mdoc_credential, holder, origin=origin)
    assert mdoc.verify(text, replace(BINDING, origin=origin), trusted, NOW)
    with pytest.raises(errors.NotForThisRequest):
        mdoc.verify(text, BINDING, trusted, NOW)


def test_session_transcripts_are_the_specifications_own_bytes():
    """OpenID4VP 1.0, B.2.6.1 and B.2.6.2."""
    thumbprint = bytes.fromhex("4283ec927ae0f208daaa2d026a814f2b22dca52cf85ffa8f3f8626c6bd669047")
    binding = Binding(
        client_id="x509_san_dns:example.com",
        nonce="exc7gBkxjx1rdc9udRrveKvSsJIq80avlXeLHhGwqtA",
        response_uri="https://example.com/response",
        thumbprint=thumbprint,
        asked_at=0,
    )
    assert mdoc.transcript(binding).hex() == (
        "83f6f682714f70656e494434565048616e646f7665725820"
        "048bc053c00442af9b8eed494cefdd9d95240d254b046b11b68013722aad38ac"
    )
    assert mdoc.transcript(replace(binding, origin="https://example.com")).hex() == (
        "83f6f682764f70656e4944345650444341504948616e646f7665725820"
        "fbece366f4212f9762c74cfdbf83b8c69e371d5d68cea09cb4c48ca6daab761a"
    )


def resigned(text: str, key: ec.EllipticCurvePrivateKey, header: dict | None = None, **claims: Any) -> str:
    """A compact JWS with other header members or claims, signed again by `key`."""
    parts = [json.loads(base64.urlsafe_b64decode(part + "==")) for part in text.split(".")[:2]]
    changed = [old | (new or {}) for old, new in zip(parts, (header, claims), strict=True)]
    kept = [{k: v for k, v in part.items() if v is not None} for part in changed]
    signed = ".".join(b64u(json.dumps(part).encode()) for part in kept)
    return f"{signed}.{b64u(raw_signature(key, signed.encode()))}"


KEEP: dict[int, Any] = {tag: lambda value, _, tag=tag: cbor2.CBORTag(tag, value) for tag in (0, 24, 1004)}


def opened(raw: bytes) -> Any:
    """CBOR with its tags left alone."""
    return cbor2.loads(raw, semantic_decoders=KEEP)


class Case:
    """One way to go wrong: how the presentation is made, and the rule that catches it."""

    def __init__(self, name: str, make, refusal: type[Refusal], rule: str, **changed: Any) -> None:
        self.name, self.make, self.refusal, self.rule, self.changed = name, make, refusal, rule, changed


OTHER = jwk_of(ec.generate_private_key(ec.SECP256R1()))
SD_CASES = [
    Case("kb wrong aud", lambda w, a, h, s: kb(w, s, h, aud="x509_hash:else"), errors.NotForThisRequest, "aud"),
    Case("kb aud without prefix", lambda w, a, h, s: kb(w, s, h, aud=CLIENT[10:]), errors.NotForThisRequest, "aud"),
    Case("kb aud as list", lambda w, a, h, s: kb(w, s, h, aud=[CLIENT]), errors.NotForThisRequest, "aud"),
    Case("kb replayed nonce", lambda w, a, h, s: kb(w, s, h, nonce="another"), errors.NotForThisRequest, "nonce"),
    Case("kb iat in the past", lambda w, a, h, s: kb(w, s, h, iat=NOW - 3600), errors.NotForThisRequest, "iat"),
    Case("kb iat in the future", lambda w, a, h, s: kb(w, s, h, iat=NOW + 600), errors.NotForThisRequest, "iat"),
    Case("kb iat absent", lambda w, a, h, s: kb(w, s, h, iat=None), errors.NotForThisRequest, "iat"),
    Case("kb of another key", lambda w, a, h, s: kb(w, s, OTHER), errors.NotHolder, "signature"),
    Case("kb missing", lambda w, a, h, s: kb(w, s, None), errors.NotHolder, "kb-missing"),
    Case(
        "kb over other disclosures",
        lambda w, a, h, s: s.rsplit("~", 1)[0] + "~" + kb(w, s, h).rsplit("~", 1)[1],
        errors.NotHolder,
        "sd_hash",
    ),
    Case(
        "another transaction",
        lambda w, a, h, s: kb(w, s, h, more={"transaction_data_hashes": [b64u(bytes(32))]}),
        errors.NotForThisRequest,
        "transaction_data_hashes",
    ),
    Case("expired", lambda w, a, h, s: kb(w, issue_sd(w, a, h, exp=NOW), h), errors.OutOfDate, "exp"),
    Case("not yet", lambda w, a, h, s: kb(w, issue_sd(w, a, h, nbf=NOW + 99), h), errors.OutOfDate, "nbf"),
    Case("time as text", lambda w, a, h, s: kb(w, issue_sd(w, a, h, nbf=True), h), errors.Unreadable, "nbf"),
    Case("no cnf", lambda w, a, h, s: kb(w, issue_sd(w, a, h, cnf=None), h), errors.NotHolder, "cnf"),
    Case("no vct", lambda w, a, h, s: kb(w, dropped(s, a, vct=None), h), errors.Unreadable, "vct"),
    Case("vc+sd-jwt", lambda w, a, h, s: kb(w, dropped(s, a, {"typ": "vc+sd-jwt"}), h), errors.Unreadable, "typ"),
    Case("alg of another key", lambda w, a, h, s: renamed(kb(w, s, h), "alg", "EdDSA"), errors.NotGenuine, "alg"),
    Case("alg none", lambda w, a, h, s: renamed(kb(w, s, h), "alg", "none"), errors.NotGenuine, "alg"),
    Case("crit", lambda w, a, h, s: renamed(kb(w, s, h), "crit", ["x"]), errors.Unreadable, "crit"),
    Case(
        "self-signed",
        lambda w, a, h, s: kb(w, dropped(s, a, {"x5c": own(a)}), h),
        errors.IssuerNotTrusted,
        "self-signed",
    ),
    Case("no x5c", lambda w, a, h, s: kb(w, dropped(s, a, {"x5c": None}), h), errors.IssuerNotTrusted, "iss"),
    Case("x5c rubbish", lambda w, a, h, s: kb(w, dropped(s, a, {"x5c": ["AAAA"]}), h), errors.Unreadable, "x5c"),
    Case("x5c no list", lambda w, a, h, s: kb(w, dropped(s, a, {"x5c": "AAAA"}), h), errors.Unreadable, "x5c"),
    Case("leaf expired", lambda w, a, h, s: kb(w, dropped(s, a, {"x5c": old(a)}), h), errors.IssuerNotTrusted, "x5c"),
    Case(
        "stranger", lambda w, a, h, s: kb(w, issue_sd(w, Authority("Elsewhere"), h), h), errors.IssuerNotTrusted, "x5c"
    ),
    Case("posing", lambda w, a, h, s: kb(w, issue_sd(w, posing(a), h), h), errors.IssuerNotTrusted, "x5c"),
    Case("stolen chain", lambda w, a, h, s: kb(w, issue_sd(w, thief(a), h), h), errors.NotGenuine, "signature"),
    Case("other hash", lambda w, a, h, s: kb(w, dropped(s, a, _sd_alg="sha-512"), h), errors.Unreadable, "_sd_alg"),
    Case(
        "status malformed",
        lambda w, a, h, s: kb(w, issue_sd(w, a, h, status={"status_list": 1}), h),
        errors.Unreadable,
        "status",
    ),
    Case("no tilde", lambda w, a, h, s: s.split("~")[0], errors.Unreadable, "sd-jwt-compact"),
    Case("disclosure twice", lambda w, a, h, s: doubled(kb(w, s, h)), errors.Unreadable, "disclosure-twice"),
    Case(
        "disclosure of nothing",
        lambda w, a, h, s: with_disclosure(kb(w, s, h), ["c2FsdA", "role", "king"]),
        errors.Unreadable,
        "disclosure-unused",
    ),
    Case(
        "disclosure named _sd",
        lambda w, a, h, s: with_disclosure(kb(w, s, h), ["c2FsdA", "_sd", []]),
        errors.Unreadable,
        "disclosure-name",
    ),
    Case(
        "disclosure malformed",
        lambda w, a, h, s: with_disclosure(kb(w, s, h), {"a": 1}),
        errors.Unreadable,
        "disclosure",
    ),
    Case("hidden exp", lambda w, a, h, s: hiding(w, a, h, "exp", 2**35), errors.Unreadable, "sd-claim"),
    Case("claim twice", lambda w, a, h, s: hiding(w, a, h, "iss", "https://else"), errors.Unreadable, "sd-claim"),
]


def renamed(text: str, member: str, value: Any) -> str:
    """The presentation with another member in its issuer's header, not signed again."""
    head, rest = text.split(".", 1)
    header = json.loads(base64.urlsafe_b64decode(head + "==")) | {member: value}
    return b64u(json.dumps(header).encode()) + "." + rest


def dropped(credential: str, authority: Authority, header: dict | None = None, **claims: Any) -> str:
    """The credential with other header members or claims, signed again by its issuer."""
    jwt, rest = credential.split("~", 1)
    return resigned(jwt, authority.key, header, **claims) + "~" + rest


def own(authority: Authority) -> list[str]:
    """A leaf that signed itself."""
    from cryptography.hazmat.primitives.serialization import Encoding

    made = certificate("me", authority.key.public_key(), "me", authority.key)
    return [base64.b64encode(made.public_bytes(Encoding.DER)).decode()]


def old(authority: Authority) -> list[str]:
    """A leaf that has expired."""
    from cryptography.hazmat.primitives.serialization import Encoding

    made = certificate(
        "old", authority.key.public_key(), authority.name, authority.ca_key, begins=NOW - 86_400 * 90, lives_days=30
    )
    return [base64.b64encode(made.public_bytes(Encoding.DER)).decode()]


def posing(authority: Authority) -> Authority:
    """Somebody else's authority of the same name."""
    return Authority(authority.name)


def thief(authority: Authority) -> Authority:
    """Somebody who shows the authority's chain and signs with a key of their own."""
    made = Authority("Elsewhere")
    made.leaf = authority.leaf
    return made


def doubled(text: str) -> str:
    """With its first disclosure twice."""
    parts = text.split("~")
    return "~".join([parts[0], parts[1], *parts[1:]])


def with_disclosure(text: str, content: Any) -> str:
    """With one more disclosure."""
    parts = text.split("~")
    return "~".join([*parts[:-1], b64u(json.dumps(content).encode()), parts[-1]])


def hiding(wallet, authority: Authority, holder, name: str, value: Any) -> str:
    """A credential whose issuer hides a claim that must be open, or hides one that is there already."""
    disclosure = b64u(json.dumps(["c2FsdHNhbHRzYWx0c2FsdA", name, value]).encode())
    digest = b64u(hashlib.sha256(disclosure.encode()).digest())
    jwt = issue_sd(wallet, authority, holder).split("~")[0]
    changed = {name: None} if name == "exp" else {}
    body = json.loads(base64.urlsafe_b64decode(jwt.split(".")[1] + "=="))
    jwt = resigned(jwt, authority.key, _sd=[*body["_sd"], digest], **changed)
    return kb(wallet, f"{jwt}~{disclosure}~", holder, frame={name: True})


@pytest.mark.parametrize("case", SD_CASES, ids=lambda case: case.name)
def test_every_wrong_sd_jwt_is_refused_for_its_own_reason(case, wallet, authority, holder, sd_credential, trusted):
    text = case.make(wallet, authority, holder, sd_credential)
    with pytest.raises(case.refusal) as refused:
        sdjwt.verify(text, BINDING, trusted, NOW)
    assert refused.value.facts["rule"] == case.rule, refused.value.facts


def changed_mdoc(change) -> Any:
    """Take a DeviceResponse apart, let `change` do its work, and put it together."""

    def make(wallet, authority, holder, credential):
        text = device(wallet, credential, holder)
        response = opened(base64.urlsafe_b64decode(text + "=="))
        change(response["documents"][0], response)
        return b64u(cbor2.dumps(response))

    return make


def _first_item(document, **members: Any) -> None:
    items = document["issuerSigned"]["nameSpaces"][SPACE]
    items[0] = cbor2.CBORTag(24, cbor2.dumps(opened(items[0].value) | members))


def _resign(document, key, payload: bytes) -> None:
    auth = document["issuerSigned"]["issuerAuth"]
    auth[2:] = [payload, raw_signature(key, cbor2.dumps(["Signature1", auth[0], b"", payload]))]


def mso_case(authority_key: ec.EllipticCurvePrivateKey, **members: Any):
    """Change members of the security object and sign it again with the issuer's own key."""

    def change(document, _):
        mso = opened(opened(document["issuerSigned"]["issuerAuth"][2]).value)
        _resign(document, authority_key, cbor2.dumps(cbor2.CBORTag(24, cbor2.dumps(mso | members))))

    return change


MDOC_CASES = [
    Case("nonce", lambda w, a, h, m: device(w, m, h, nonce="other"), errors.NotForThisRequest, "signature"),
    Case("client", lambda w, a, h, m: device(w, m, h, clientId="x509_hash:x"), errors.NotForThisRequest, "signature"),
    Case(
        "response_uri",
        lambda w, a, h, m: device(w, m, h, responseUri="https://else"),
        errors.NotForThisRequest,
        "signature",
    ),
    Case(
        "swapped encryption key",
        lambda w, a, h, m: device(w, m, h, thumbprint=b64u(bytes(32))),
        errors.NotForThisRequest,
        "signature",
    ),
    Case("not encrypted", lambda w, a, h, m: device(w, m, h, thumbprint=None), errors.NotForThisRequest, "signature"),
    Case("another device", lambda w, a, h, m: device(w, m, OTHER), errors.NotForThisRequest, "signature"),
    Case(
        "stranger",
        lambda w, a, h, m: device(w, issue_mdoc(w, Authority("Elsewhere"), h), h),
        errors.IssuerNotTrusted,
        "x5c",
    ),
    Case("stolen chain", lambda w, a, h, m: device(w, issue_mdoc(w, thief(a), h), h), errors.NotGenuine, "signature"),
    Case(
        "expired",
        lambda w, a, h, m: device(w, issue_mdoc(w, a, h, NOW - 86_400 * 31), h),
        errors.OutOfDate,
        "validUntil",
    ),
    Case("not yet", lambda w, a, h, m: device(w, issue_mdoc(w, a, h, NOW + 999), h), errors.OutOfDate, "validFrom"),
    Case(
        "element changed", changed_mdoc(lambda d, _: _first_item(d, elementValue="Else")), errors.NotGenuine, "digest"
    ),
    Case(
        "element renamed", changed_mdoc(lambda d, _: _first_item(d, elementIdentifier="x")), errors.NotGenuine, "digest"
    ),
    Case("digest of another", changed_mdoc(lambda d, _: _first_item(d, digestID=3)), errors.NotGenuine, "digest"),
    Case(
        "namespace renamed",
        changed_mdoc(
            lambda d, _: d["issuerSigned"]["nameSpaces"].update(other=d["issuerSigned"]["nameSpaces"].pop(SPACE))
        ),
        errors.NotGenuine,
        "valueDigests",
    ),
    Case(
        "doctype changed",
        changed_mdoc(lambda d, _: d.update(docType="org.iso.18013.5.1.mDL")),
        errors.NotGenuine,
        "docType",
    ),
    Case(
        "mac",
        changed_mdoc(lambda d, _: d["deviceSigned"].update(deviceAuth={"deviceMac": [b"", {}, None, bytes(32)]})),
        errors.NotHolder,
        "deviceMac",
    ),
    Case(
        "own words",
        changed_mdoc(lambda d, _: d["deviceSigned"].update(nameSpaces=cbor2.CBORTag(24, cbor2.dumps({"x": {"y": 1}})))),
        errors.Refused,
        "DeviceNameSpaces",
    ),
    Case("no device signature", changed_mdoc(lambda d, _: d.pop("deviceSigned")), errors.Unreadable, "cddl"),
    Case("version", changed_mdoc(lambda _, r: r.update(version="2.0")), errors.Unreadable, "version-status"),
    Case("status", changed_mdoc(lambda _, r: r.update(status=10)), errors.Unreadable, "version-status"),
    Case("no documents", changed_mdoc(lambda _, r: r.update(documents=[])), errors.Unreadable, "documents"),
    Case(
        "x5chain missing",
        changed_mdoc(lambda d, _: d["issuerSigned"]["issuerAuth"][1].clear()),
        errors.Unreadable,
        "x5c",
    ),
    Case(
        "alg outside",
        changed_mdoc(lambda d, _: d["issuerSigned"]["issuerAuth"][1].update({1: -7})),
        errors.Unreadable,
        "cose-header",
    ),
    Case("rubbish", lambda w, a, h, m: "AAAA", errors.Unreadable, "cbor"),
    Case("not base64url", lambda w, a, h, m: device(w, m, h) + "=", errors.Unreadable, "base64url"),
]


@pytest.mark.parametrize("case", MDOC_CASES, ids=lambda case: case.name)
def test_every_wrong_mdoc_is_refused_for_its_own_reason(case, wallet, authority, holder, mdoc_credential, trusted):
    text = case.make(wallet, authority, holder, mdoc_credential)
    with pytest.raises(case.refusal) as refused:
        mdoc.verify(text, BINDING, trusted, NOW)
    assert refused.value.facts["rule"] == case.rule, refused.value.facts


def test_a_status_in_the_security_object_is_read(wallet, authority, holder, mdoc_credential, trusted):
    reference = {"status_list": {"idx": 7, "uri": "https://id.example/status/1"}}
    text = changed_mdoc(mso_case(authority.key, status=reference))(wallet, authority, holder, mdoc_credential)
    [shown] = mdoc.verify(text, BINDING, trusted, NOW)
    assert shown.status and (shown.status.uri, shown.status.index) == ("https://id.example/status/1", 7)
    text = changed_mdoc(mso_case(authority.key, docType="x"))(wallet, authority, holder, mdoc_credential)
    with pytest.raises(errors.NotGenuine):
        mdoc.verify(text, BINDING, trusted, NOW)


def test_law_9_no_mutation_of_any_byte_of_an_sd_jwt_is_accepted(wallet, sd_credential, holder, trusted):
    text = kb(wallet, sd_credential, holder)
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~="
    dice = random.Random(7)
    for place, character in enumerate(text):
        for other in {letters[letters.index(character) ^ 1], dice.choice(letters)} - {character}:
            with pytest.raises(errors.Refused):
                sdjwt.verify(text[:place] + other + text[place + 1 :], BINDING, trusted, NOW)
    for cut in range(0, len(text), 5):
        with pytest.raises(errors.Refused):
            sdjwt.verify(text[:cut], BINDING, trusted, NOW)


def test_law_9_no_mutation_of_an_mdoc_changes_what_it_says(wallet, mdoc_credential, holder, trusted):
    """A byte that nobody signed may change; what is accepted says the same of the same holder all the same."""
    text = device(wallet, mdoc_credential, holder)
    raw = base64.urlsafe_b64decode(text + "==")
    honest = mdoc.verify(text, BINDING, trusted, NOW)
    passed = 0
    for place in range(len(raw)):
        for bit in (1, 32, 128):
            changed = raw[:place] + bytes([raw[place] ^ bit]) + raw[place + 1 :]
            try:
                found = mdoc.verify(b64u(changed), BINDING, trusted, NOW)
            except errors.Refused:
                continue
            passed += 1
            assert found == honest
    assert passed <= 6, "the version of the response, and nothing else"


LIKE_SD_JWT = r"[\w-]{1,40}\.[\w-]{1,40}\.[\w-]{1,40}~([\w-]{1,30}~){0,3}"


@settings(max_examples=120, deadline=None)
@given(st.text(max_size=200) | st.binary(max_size=200).map(b64u) | st.from_regex(LIKE_SD_JWT, fullmatch=True))
def test_law_9_readers_raise_nothing_but_refusals(text):
    nobody = Trusted()
    for read in (sdjwt.verify, mdoc.verify):
        with pytest.raises(Refusal):
            read(text, BINDING, nobody, NOW)


def test_an_issuer_known_by_its_published_keys(wallet, authority, holder):
    from msgspec.structs import replace as changed

    jwk = {k: v for k, v in authority.jwk.items() if k != "d"}
    known = Published("Civil Registry", {"k1": key_of_jwk(jwk, errors.NotGenuine)}, frozenset({VCT}))
    trusted = Trusted((), {"https://id.example": known})
    claims = {"vct": VCT, "iss": "https://id.example", "cnf": {"jwk": {k: v for k, v in holder.items() if k != "d"}}}
    made = wallet("issueSd", key=authority.jwk, kid="k1", claims=claims, frame={})
    assert sdjwt.verify(kb(wallet, made, holder, frame={}), BINDING, trusted, NOW).issuer == "Civil Registry"
    for other in ({"kid": "k2"}, {"kid": None}):
        with pytest.raises(errors.IssuerNotTrusted):
            sdjwt.verify(kb(wallet, dropped(made, authority, other), holder, frame={}), BINDING, trusted, NOW)
    narrow = Trusted((), {"https://id.example": changed(known, kinds=frozenset({"urn:other"}))})
    with pytest.raises(errors.IssuerNotTrusted) as refused:
        sdjwt.verify(kb(wallet, made, holder, frame={}), BINDING, narrow, NOW)
    assert refused.value.facts["rule"] == "kind"


def test_an_anchor_stands_only_for_its_kinds(wallet, authority, holder, sd_credential, mdoc_credential):
    narrow = Trusted([Anchor("Civil Registry", authority.ca, frozenset({"urn:other"}))])
    with pytest.raises(errors.IssuerNotTrusted):
        sdjwt.verify(kb(wallet, sd_credential, holder), BINDING, narrow, NOW)
    with pytest.raises(errors.IssuerNotTrusted):
        mdoc.verify(device(wallet, mdoc_credential, holder), BINDING, narrow, NOW)
