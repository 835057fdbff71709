"""The signature profile: against an independent implementation both ways, and against every way to tamper."""

import base64
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from http_message_signatures import HTTPMessageSigner, HTTPMessageVerifier, InvalidSignature
from http_message_signatures.algorithms import ED25519
from http_message_signatures.resolvers import HTTPSignatureKeyResolver
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from msingi.exchange import signature
from msingi.exchange.errors import SignatureRefused
from msingi.exchange.signature import Message

KEY = Ed25519PrivateKey.generate()
NOW = 1_800_000_000
BODY = b'{"a": 1}'
FIELDS = {
    "host": "exchange.example",
    "x-road-client": "XT/GOV/zahanati/records",
    "x-road-id": "8d9d4b5e-8e6f-4d0b-9f64-6e8a7a8d4a11",
    "msingi-purpose": "health-care",
    "content-type": "application/json",
    "content-digest": signature.content_digest(BODY),
}
REQUEST = Message("POST", "exchange.example", "/r1/XT/GOV/rita/identity/person/abc", "a=1&b=%20", FIELDS)


class Keys(HTTPSignatureKeyResolver):
    def resolve_public_key(self, key_id):
        return KEY.public_key()

    def resolve_private_key(self, key_id):
        return KEY


def known(keyid: str):
    return KEY.public_key() if keyid == "k1" else None


def signed(message: Message = REQUEST, created: int = NOW, **more) -> Message:
    return replace(message, fields=message.fields | signature.sign(message, KEY.sign, "k1", created, **more))


def verify(message: Message, body: bytes = BODY, now: int = NOW):
    return signature.verify(message, body, known, now)


def as_request(message: Message) -> SimpleNamespace:
    query = "?" + message.query if message.query else ""
    url = f"https://{message.authority}{message.path}{query}"
    return SimpleNamespace(method=message.method, url=url, headers=dict(message.fields))


def as_answer(message: Message) -> SimpleNamespace:
    assert message.request is not None
    return SimpleNamespace(
        status_code=message.status, headers=dict(message.fields), request=as_request(message.request)
    )


def answer_to(request: Message, **fields) -> Message:
    return Message(
        status=200, request=request,
        fields={"x-road-id": FIELDS["x-road-id"], "content-digest": signature.content_digest(b"{}"),
                "content-type": "application/json"} | fields,
    )  # fmt: skip


def independent(verifier_message, body: bytes):
    # Its window is the real clock's, so the age is not limited here; ours is tested below.
    checks = HTTPMessageVerifier(signature_algorithm=ED25519, key_resolver=Keys())
    checks.max_clock_skew = __import__("datetime").timedelta(days=36500)
    return checks.verify(verifier_message, max_age=None, body=body, expect_tag=signature.TAG)


def test_our_request_verifies_with_an_independent_implementation():
    (seen,) = independent(as_request(signed()), BODY)
    assert '"x-road-client"' in seen.covered_components and seen.body == BODY
    tampered = as_request(signed())
    with pytest.raises(InvalidSignature):
        independent(tampered, b'{"a": 2}')


def test_our_answer_verifies_with_an_independent_implementation_bound_to_its_request():
    request = signed()
    made = signed(answer_to(request))
    (seen,) = independent(as_answer(made), b"{}")
    assert '"signature";req;key="msingi"' in seen.covered_components
    other = signed(created=NOW + 1)
    with pytest.raises(InvalidSignature):
        independent(as_answer(replace(made, request=other)), b"{}")


@pytest.mark.parametrize("label", ["pyhms", "sig1"])
def test_a_request_of_an_independent_implementation_verifies_here(label):
    headers = {name: value for name, value in FIELDS.items() if name != "content-digest"}
    message = SimpleNamespace(method="POST", url=as_request(REQUEST).url, headers=headers)
    signer = HTTPMessageSigner(signature_algorithm=ED25519, key_resolver=Keys())
    covers = ("@method", "@authority", "@path", "@query", "x-road-client", "x-road-id", "msingi-purpose",
              "content-type")  # fmt: skip
    signer.sign(message, key_id="k1", covered_component_ids=covers, tag=signature.TAG, label=label, body=BODY)
    got = replace(REQUEST, fields=signature.combine(message.headers.items()))
    created = int(got.fields["signature-input"].partition("created=")[2].partition(";")[0])
    seen = verify(got, now=created)
    assert (seen.keyid, seen.label) == ("k1", label)


def test_an_answer_of_an_independent_implementation_verifies_here():
    request = signed()
    plain = answer_to(request)
    headers = {name: value for name, value in plain.fields.items() if name != "content-digest"}
    message = SimpleNamespace(status_code=200, headers=headers, request=as_request(request))
    signer = HTTPMessageSigner(signature_algorithm=ED25519, key_resolver=Keys())
    covers = [item for item in signature.components_of(plain) if item != '"content-digest"']
    signer.sign(message, key_id="k1", covered_component_ids=covers, tag=signature.TAG, body=b"{}")
    got = replace(plain, fields=signature.combine(message.headers.items()))
    created = int(got.fields["signature-input"].partition("created=")[2].partition(";")[0])
    assert verify(got, b"{}", created).keyid == "k1"


def step_of(message: Message, body: bytes = BODY, now: int = NOW) -> int:
    with pytest.raises(SignatureRefused) as no:
        verify(message, body, now)
    return int(no.value.facts["step"])


def test_what_was_signed_is_accepted_within_the_window():
    assert verify(signed()).created == NOW
    assert verify(signed(), now=NOW + signature.WINDOW_S) and verify(signed(), now=NOW - signature.WINDOW_S)


def test_step_1_one_signature_in_canonical_form():
    good = signed()
    for name in ("signature", "signature-input"):
        without = {n: v for n, v in good.fields.items() if n != name}
        assert step_of(replace(good, fields=without)) == 1
        twice = good.fields | {name: good.fields[name] + ", " + good.fields[name].replace("msingi=", "other=")}
        assert step_of(replace(good, fields=twice)) == 1
    spaced = good.fields | {"signature-input": good.fields["signature-input"].replace(" ", "  ", 1)}
    assert step_of(replace(good, fields=spaced)) == 1


def test_step_2_parameters_are_known_and_single():
    good = signed()
    for old, new in ((f";created={NOW}", ""), (";alg=\"ed25519\"", ";alg=\"hmac-sha256\""),
                     (f";created={NOW}", f";created={NOW};created={NOW}"), (";tag=", ";tga="),
                     (signature.TAG, "other")):  # fmt: skip
        text = good.fields["signature-input"].replace(old, new)
        assert step_of(replace(good, fields=good.fields | {"signature-input": text})) == 2


def test_step_3_time():
    assert step_of(signed(), now=NOW + signature.WINDOW_S + 1) == 3
    assert step_of(signed(), now=NOW - signature.WINDOW_S - 1) == 3


@pytest.mark.parametrize("left_out", range(len(signature.REQUEST_COVERS) + 2))
def test_step_4_everything_decisive_is_covered(left_out):
    covers = signature.components_of(REQUEST)
    assert step_of(signed(covers=[c for n, c in enumerate(covers) if n != left_out])) == 4


def test_step_4_a_decisive_header_added_later_is_noticed():
    good = signed()
    assert step_of(replace(good, fields=good.fields | {"msingi-basis": "vital-interest"})) == 4
    assert step_of(signed(covers=[*signature.components_of(REQUEST), '"x-road-id"'])) == 4


def test_step_5_unknown_key():
    made = replace(REQUEST, fields=REQUEST.fields | signature.sign(REQUEST, KEY.sign, "k2", NOW))
    assert step_of(made) == 5


def test_step_6_a_covered_component_must_be_there():
    good = signed()
    text = good.fields["signature-input"].replace('"content-type"', '"content-type" "x-nothing"')
    assert step_of(replace(good, fields=good.fields | {"signature-input": text})) == 6


@pytest.mark.parametrize(
    "change",
    [
        {"method": "GET"},
        {"authority": "other.example"},
        {"path": "/r1/XT/GOV/rita/identity/person/abd"},
        {"query": "a=1"},
        *({"fields": {name: value + "x"}} for name, value in FIELDS.items() if name not in ("host",)),
    ],
)
def test_step_7_nothing_that_was_signed_can_be_changed(change):
    good = signed()
    fields = good.fields | change.get("fields", {})
    assert step_of(replace(good, **change | {"fields": fields})) == 7


def test_step_7_another_key_and_a_broken_signature():
    other = Ed25519PrivateKey.generate()
    made = replace(REQUEST, fields=REQUEST.fields | signature.sign(REQUEST, other.sign, "k1", NOW))
    assert step_of(made) == 7
    raw = base64.b64decode(signed().fields["signature"].partition(":")[2].rstrip(":"))
    short = base64.b64encode(raw[:-1]).decode()
    assert step_of(replace(signed(), fields=signed().fields | {"signature": f"msingi=:{short}:"})) == 7


def test_step_8_the_body_has_the_digest_that_was_signed():
    assert step_of(signed(), BODY + b" ") == 8
    assert step_of(signed(), b"") == 8
    unknown = replace(REQUEST, fields=FIELDS | {"content-digest": "md5=:AAAA:"})
    assert step_of(signed(unknown)) == 8
    both = FIELDS["content-digest"] + ", sha-512=:" + base64.b64encode(b"0" * 64).decode() + ":"
    assert step_of(signed(replace(REQUEST, fields=FIELDS | {"content-digest": both}))) == 8


def test_an_answer_to_another_request_is_refused():
    request, other = signed(), signed(created=NOW - 1)
    made = signed(answer_to(request))
    assert verify(made, b"{}").label == "msingi"
    assert step_of(replace(made, request=other), b"{}") == 7
    unsigned = replace(request, fields={n: v for n, v in request.fields.items() if n != "signature"})
    assert step_of(replace(made, request=unsigned), b"{}") == 6


@settings(max_examples=150, deadline=None)
@given(st.text(st.characters(codec="latin-1"), max_size=120), st.sampled_from(["signature", "signature-input"]))
def test_nothing_that_arrives_breaks_the_verifier(text, name):
    with pytest.raises(SignatureRefused):
        verify(replace(signed(), fields=signed().fields | {name: text}))


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 400), st.integers(0, 255))
def test_law_4_no_byte_of_the_signature_base_can_change(at, byte):
    good = signed()
    inner = good.fields["signature-input"].partition("=")[2]
    text = bytearray(signature.signature_base(good, inner))
    at %= len(text)
    if text[at] == byte:
        return
    text[at] = byte
    raw = base64.b64decode(good.fields["signature"].partition(":")[2].rstrip(":"))
    from cryptography.exceptions import InvalidSignature as Broken

    with pytest.raises(Broken):
        KEY.public_key().verify(raw, bytes(text))
