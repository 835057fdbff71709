"""What is shown is built as the specifications say, part by part: checks that other tests passed without."""

import json
from hashlib import sha256
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from tests.credentials.presentation.test_formats_shown import (
    BINDING,
    SPACE,
    Case,
    changed_mdoc,
    dropped,
    kb,
    mso_case,
    opened,
)
from tests.credentials.presentation.test_formats_shown import trusted as trusted
from tests.credentials.presentation.wallet import NOW, b64u

from msingi.credentials import claim169, cose, statuslist
from msingi.credentials.errors import NotGenuine, Unreadable
from msingi.credentials.presentation import errors, mdoc, sdjwt
from msingi.kernel.keys import SoftwareSigner

SALT = "c2FsdHNhbHRzYWx0c2FsdA"


def hidden(*content: Any) -> tuple[str, str]:
    """A disclosure and its digest."""
    text = b64u(json.dumps([SALT, *content]).encode())
    return text, b64u(sha256(text.encode()).digest())


NAME, NAME_DIGEST = hidden("role", "king")
ITEM, ITEM_DIGEST = hidden("king")
KEY, KEY_DIGEST = hidden("jwk", {"kty": "EC"})
DEEP: Any = {"a": 1}
for _ in range(200):
    DEEP = {"a": DEEP}


@pytest.mark.parametrize(
    ("claims", "disclosures", "rule"),
    [
        ({"_sd": [NAME_DIGEST, NAME_DIGEST]}, (NAME,), "digest-twice"),
        ({"_sd": [NAME_DIGEST], "other": {"_sd": [NAME_DIGEST]}}, (NAME,), "digest-twice"),
        ({"_sd": [1]}, (), "digest"),
        ({"_sd": NAME_DIGEST}, (NAME,), "_sd"),
        ({"...": "x"}, (), "_sd"),
        ({"list": [{"...": ITEM_DIGEST, "more": 1}]}, (ITEM,), "placeholder"),
        ({"list": [{"...": NAME_DIGEST}]}, (NAME,), "disclosure"),
        ({"_sd": [ITEM_DIGEST]}, (ITEM,), "disclosure"),
        (DEEP, (), "depth"),
        ({"cnf": {"_sd": [KEY_DIGEST]}}, (KEY,), "sd-not-allowed"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_disclosures_are_where_they_belong(claims, disclosures, rule):
    with pytest.raises(errors.Unreadable) as refused:
        sdjwt.disclosed(claims, disclosures)
    assert refused.value.facts["rule"] == rule


def test_what_is_right_beside_it_is_opened():
    claims = {"_sd": [NAME_DIGEST], "list": [{"...": ITEM_DIGEST}, {"...": "decoy"}]}
    assert sdjwt.disclosed(claims, (NAME, ITEM)) == {"role": "king", "list": ["king"]}


def test_nobody_shows_thousands_of_disclosures():
    with pytest.raises(errors.Unreadable):
        sdjwt.take_apart("a.b.c~" + "x~" * 5_000)


SD_CASES = [
    Case("other names", lambda w, a, h, s: kb(w, dropped(s, a, aka_vcts=[1]), h), errors.Unreadable, "aka_vcts"),
    Case(
        "hashes no list",
        lambda w, a, h, s: kb(w, s, h, more={"transaction_data_hashes": "x"}),
        errors.Refused,
        "transaction_data_hashes",
    ),
    Case(
        "another hash",
        lambda w, a, h, s: kb(
            w, s, h, more={"transaction_data_hashes": ["x"], "transaction_data_hashes_alg": "sha-512"}
        ),
        errors.Refused,
        "transaction_data_hashes_alg",
    ),
]


@pytest.mark.parametrize("case", SD_CASES, ids=lambda case: case.name)
def test_every_wrong_sd_jwt_has_its_rule(case, wallet, authority, holder, sd_credential, trusted):
    with pytest.raises(case.refusal) as refused:
        sdjwt.verify(case.make(wallet, authority, holder, sd_credential), BINDING, trusted, NOW)
    assert refused.value.facts["rule"] == case.rule


def items(document) -> list[Any]:
    return document["issuerSigned"]["nameSpaces"][SPACE]


def unwrapped(document, _) -> None:
    items(document)[0] = opened(items(document)[0].value)


def twice_named(document, response, key: ec.EllipticCurvePrivateKey) -> None:
    """The issuer itself signs one name with two values."""
    first = opened(items(document)[0].value)
    second = cbor2.CBORTag(24, cbor2.dumps(first | {"digestID": 999, "elementValue": "Else"}))
    items(document).append(second)
    mso = opened(opened(document["issuerSigned"]["issuerAuth"][2]).value)
    digests = {SPACE: mso["valueDigests"][SPACE] | {999: sha256(cbor2.dumps(second)).digest()}}
    mso_case(key, valueDigests=mso["valueDigests"] | digests)(document, response)


def attached(document, _) -> None:
    document["deviceSigned"]["deviceAuth"]["deviceSignature"][2] = b"payload"


def signed_by(change):
    return lambda w, a, h, m: changed_mdoc(lambda d, r: change(d, r, a.key))(w, a, h, m)


def with_mso(**members: Any):
    return signed_by(lambda d, r, key: mso_case(key, **members)(d, r))


MDOC_CASES = [
    Case("element not encoded", changed_mdoc(unwrapped), errors.Unreadable, "IssuerSignedItem"),
    Case("element twice", signed_by(twice_named), errors.Unreadable, "elementIdentifier"),
    Case("signature not detached", changed_mdoc(attached), errors.Unreadable, "deviceSignature"),
    Case(
        "own words not encoded",
        changed_mdoc(lambda d, _: d["deviceSigned"].update(nameSpaces={})),
        errors.Unreadable,
        "DeviceNameSpaces",
    ),
    Case("other digests", with_mso(digestAlgorithm="MD5"), errors.Unreadable, "digestAlgorithm"),
    Case(
        "times as text",
        with_mso(validityInfo={"signed": "x", "validFrom": "x", "validUntil": "x"}),
        errors.Unreadable,
        "tdate",
    ),
    Case("no device key", with_mso(deviceKeyInfo={"deviceKey": {1: 2, -1: 1, -2: "x"}}), errors.NotHolder, "deviceKey"),
    Case(
        "certificates no bytes",
        changed_mdoc(lambda d, _: d["issuerSigned"]["issuerAuth"][1].update({33: [1]})),
        errors.Unreadable,
        "x5chain",
    ),
]


@pytest.mark.parametrize("case", MDOC_CASES, ids=lambda case: case.name)
def test_every_wrong_mdoc_has_its_rule(case, wallet, authority, holder, mdoc_credential, trusted):
    with pytest.raises(case.refusal) as refused:
        mdoc.verify(case.make(wallet, authority, holder, mdoc_credential), BINDING, trusted, NOW)
    assert refused.value.facts["rule"] == case.rule


def test_values_without_a_form_in_json_are_no_values():
    with pytest.raises(errors.Unreadable):
        mdoc.as_json(cbor2.undefined)


SIGNER = SoftwareSigner("Ed25519", bytes(range(32)))
KEYS = cose.keys_of_jwks([SIGNER.jwk])
LIST = {"bits": 1, "lst": statuslist.compress(statuslist.pack(8, 1, {}))}
GOOD: dict[int, Any] = {2: "https://id.example/l", 6: 1_700_000_000, 65533: LIST}


def listed(**changes: Any) -> bytes:
    claims = {k: v for k, v in (GOOD | {int(k[1:]): v for k, v in changes.items()}).items() if v is not None}
    return cose.sign(cbor2.dumps(claims), SIGNER, {cose.HEADER_TYPE: statuslist.MEDIA_CWT}, {})


def test_a_signed_status_list_is_whole_or_none():
    body = LIST
    assert statuslist.CLAIM_STATUS_LIST == 65533
    assert statuslist.read(listed(), KEYS).uri == GOOD[2]
    for changes in (
        {"c2": None},
        {"c6": "soon"},
        {"c4": "never"},
        {"c65533": [1]},
        {"c65533": {"bits": 3, "lst": body["lst"]}},
        {"c65533": {"bits": True, "lst": body["lst"]}},
        {"c65533": {"bits": 1, "lst": "text"}},
        {"c65533": {"bits": 1, "lst": body["lst"][:-1]}},
        {"c65533": {"bits": 1, "lst": body["lst"] + b"more"}},
    ):
        with pytest.raises(Unreadable):
            statuslist.read(listed(**changes), KEYS)
    with pytest.raises(ValueError, match="outside"):
        statuslist.pack(8, 1, {8: 1})


def jwt_list(header: Any, claims: Any) -> str:
    signed = f"{b64u(json.dumps(header).encode())}.{b64u(json.dumps(claims).encode())}"
    return f"{signed}.{b64u(SIGNER.sign(signed.encode()))}"


def test_a_status_list_as_jwt_is_an_object_with_a_list_and_a_whole_signature():
    header = {"alg": "EdDSA", "kid": SIGNER.kid, "typ": statuslist.TYP_JWT}
    good = {"sub": GOOD[2], "iat": 1, "status_list": {"bits": 1, "lst": b64u(LIST["lst"])}}
    assert statuslist.read(jwt_list(header, good), KEYS).uri == GOOD[2]
    for head, claims in (([], good), (header, []), (header, good | {"status_list": {"bits": 1, "lst": 7}})):
        with pytest.raises(Unreadable):
            statuslist.read(jwt_list(head, claims), KEYS)
    with pytest.raises(NotGenuine):
        statuslist.read(jwt_list(header, good)[:-4], KEYS)


@pytest.mark.parametrize(
    "claims",
    [
        {1: 7, 169: {}},
        {65535: {"status_list": {"idx": -1, "uri": "x"}}, 169: {}},
        {65535: [1], 169: {}},
        {169: {4: 7}},
        {169: {"name": "x"}},
        {169: {8: "yesterday"}},
        {169: {8: "1990-1-1"}},
        {4: "soon", 169: {}},
    ],
    ids=str,
)
def test_claims_of_a_card_have_their_types(claims):
    with pytest.raises(Unreadable):
        claim169.read_claims(cbor2.dumps(claims))


def test_a_header_of_a_signed_message_is_a_map():
    for parts in ([cbor2.dumps([1]), {}, b"", bytes(64)], [cbor2.dumps({1: -8}), [], b"", bytes(64)]):
        with pytest.raises(Unreadable):
            cose.parse(cbor2.dumps(parts))
