"""Offline verification: every verdict, and no forgery under mutation of every byte."""

import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.credentials.conftest import ISSUER, NOW, signed_face

from msingi.credentials import base45, claim169, cose, statuslist
from msingi.credentials.errors import NotGenuine, Unreadable
from msingi.credentials.verify import State, verify_card

LIST = f"{ISSUER}/credentials/status/1"


def listed(signer, values, *, uri=LIST, issued=NOW, life_s=3600, cwt=False):
    """A signed status list in which `values` are said."""
    issued_at = int(issued.timestamp())
    entries = statuslist.pack(1 << 14, 2, values)
    token = statuslist.StatusToken(uri=uri, entries=entries, issued_at=issued_at, expires=issued_at + life_s)
    return statuslist.write_cwt(token, signer) if cwt else statuslist.write_jwt(token, signer)


def test_a_valid_card(qr_text, jwks, signer):
    for cwt in (False, True):
        verdict = verify_card(qr_text, jwks, listed(signer, {}, cwt=cwt), NOW, issuer=ISSUER)
        assert verdict.state is State.VALID and verdict.accepted
        assert [step.passed for step in verdict.steps] == [True] * 4
        assert verdict.claims and verdict.claims.identity.full_name == "Neema Upendo Mwakasege"


@pytest.mark.parametrize(
    ("value", "state"), [(0, State.VALID), (1, State.REVOKED), (2, State.SUSPENDED), (3, State.REVOKED)]
)
def test_the_status_list_decides(qr_text, jwks, signer, value, state):
    assert verify_card(qr_text, jwks, listed(signer, {12345: value}), NOW).state is state


def test_law_5_what_could_not_be_checked_is_undetermined_never_revoked(qr_text, jwks, signer, stranger):
    revoked = {12345: 1}
    doubtful = [
        None,
        "",
        b"",
        "rubbish.rubbish.rubbish",
        listed(stranger, revoked),
        listed(signer, revoked, uri=f"{ISSUER}/credentials/status/2"),
        listed(signer, revoked, issued=NOW - timedelta(days=9)),
        listed(signer, revoked, issued=NOW + timedelta(days=1)),
        listed(signer, revoked)[:-9] + "AAAAAAAAA",
    ]
    for token in doubtful:
        verdict = verify_card(qr_text, jwks, token, NOW)
        assert verdict.state is State.UNDETERMINED and not verdict.accepted
        assert verdict.steps[-1].passed is None


def test_an_index_outside_the_list_is_not_accepted(jwks, signer, qr_text):
    entries = statuslist.pack(64, 2, {})
    now = int(NOW.timestamp())
    token = statuslist.StatusToken(uri=LIST, entries=entries, issued_at=now, expires=now + 9)
    assert not verify_card(qr_text, jwks, statuslist.write_jwt(token, signer), NOW).accepted


def test_dates(qr_text, jwks, signer):
    def at(moment):
        return verify_card(qr_text, jwks, listed(signer, {}, issued=moment), moment).state

    assert at(datetime(2026, 11, 20, 23, 59, tzinfo=UTC)) is State.NOT_YET_VALID
    assert at(datetime(2026, 11, 21, tzinfo=UTC)) is State.VALID
    assert at(datetime(2036, 11, 22, 11, 59, tzinfo=UTC)) is State.VALID, "its last day, west of Greenwich"
    assert at(datetime(2036, 11, 22, 12, tzinfo=UTC)) is State.EXPIRED


def test_an_expired_card_is_expired_though_its_status_is_not_known(qr_text, jwks):
    assert verify_card(qr_text, jwks, None, datetime(2040, 1, 1, tzinfo=UTC)).state is State.EXPIRED


def test_a_strangers_card_and_another_issuer(qr_text, jwks, signer, stranger):
    assert verify_card(signed_face(stranger).qr_text, jwks, None, NOW).state is State.UNKNOWN_ISSUER
    assert verify_card(qr_text, jwks, None, NOW, issuer="https://else.example").state is State.UNKNOWN_ISSUER
    posing = type("Posing", (), {"kid": signer.kid, "alg": "Ed25519", "sign": stranger.sign})()
    assert verify_card(signed_face(posing).qr_text, jwks, None, NOW).state is State.NOT_GENUINE


def test_a_rotated_key_still_verifies(qr_text, signer, stranger):
    assert verify_card(qr_text, {"keys": [stranger.jwk, signer.jwk]}, None, NOW).state is State.UNDETERMINED


def test_a_malformed_key_set_is_refused(qr_text):
    for wrong in (
        {"a": 1},
        {"keys": [{"kid": 1}]},
        [{"kty": "OKP", "crv": "X25519", "kid": "a", "x": "AA"}],
        {"keys": 5},
    ):
        with pytest.raises(Unreadable):
            verify_card(qr_text, wrong, None, NOW)


@pytest.mark.parametrize("kind", ["signer", "es256"])
def test_law_3_no_forgery_under_mutation_of_every_byte_of_the_message(kind, request):
    signer = request.getfixturevalue(kind)
    keys = cose.keys_of_jwks([signer.jwk])
    message = claim169.unwrap(signed_face(signer, photo_jpeg=b"").qr_text)
    assert cose.verify(cose.parse(message), keys)
    dice = random.Random(1)
    for place, byte in enumerate(message):
        for changed in {byte ^ (1 << bit) for bit in range(8)} | {dice.randrange(256) for _ in range(4)} - {byte}:
            if changed == byte:
                continue
            with pytest.raises((Unreadable, NotGenuine)):
                cose.verify(cose.parse(message[:place] + bytes([changed]) + message[place + 1 :]), keys)


def test_law_3_no_other_character_anywhere_in_the_code_is_accepted(signer, jwks):
    text = signed_face(signer, photo_jpeg=b"").qr_text
    for place, character in enumerate(text):
        for changed in set(base45.ALPHABET) - {character}:
            verdict = verify_card(text[:place] + changed + text[place + 1 :], jwks, None, NOW)
            assert verdict.state in (State.UNREADABLE, State.NOT_GENUINE, State.UNKNOWN_ISSUER)
    for cut in range(len(text)):
        assert verify_card(text[:cut], jwks, None, NOW).claims is None


@pytest.mark.parametrize("cwt", [False, True])
def test_law_3_no_forgery_under_mutation_of_the_status_list(qr_text, jwks, signer, cwt):
    token = listed(signer, {12345: 1}, cwt=cwt)
    for place in range(len(token)):
        if isinstance(token, str):
            other = "B" if token[place] == "A" else "A"
            changed: str | bytes = token[:place] + other + token[place + 1 :]
        else:
            changed = token[:place] + bytes([token[place] ^ 1]) + token[place + 1 :]
        state = verify_card(qr_text, jwks, changed, NOW).state
        assert state in (State.UNDETERMINED, State.REVOKED), "a changed list never makes a revoked card valid"


@settings(max_examples=150)
@given(
    st.text(max_size=300) | st.text(alphabet=base45.ALPHABET, max_size=300),
    st.none() | st.text(max_size=80) | st.binary(max_size=80),
)
def test_law_4_any_text_gets_a_verdict(text, token):
    from msingi.kernel.keys import SoftwareSigner

    verdict = verify_card(text, [SoftwareSigner("Ed25519", bytes(32)).jwk], token, NOW)
    assert verdict.state is State.UNREADABLE and verdict.claims is None


@settings(max_examples=80)
@given(st.binary(max_size=200))
def test_law_4_any_wrapped_message_gets_a_verdict(content):
    from msingi.kernel.keys import SoftwareSigner

    signer = SoftwareSigner("Ed25519", bytes(32))
    for message in (content, cose.sign(content, signer)):
        verdict = verify_card(claim169.wrap(message), [signer.jwk], None, NOW)
        assert verdict.state is State.UNREADABLE


@settings(max_examples=40)
@given(st.integers(0, 2**14 - 1), st.sampled_from([0, 1, 2]))
def test_a_card_hears_only_its_own_entry(index, value):
    from msingi.kernel.keys import SoftwareSigner

    signer = SoftwareSigner("Ed25519", bytes(32))
    identity = claim169.Identity(full_name="A")
    claims = claim169.Claims(identity=identity, issuer=ISSUER, status=claim169.StatusReference(LIST, index))
    text = claim169.write(claims, signer)
    others = {index ^ 1: 1, (index + 5) % 2**14: 2}
    token = listed(signer, {**others, index: value} if value else {i: v for i, v in others.items() if i != index})
    expected = {0: State.VALID, 1: State.REVOKED, 2: State.SUSPENDED}[value]
    assert verify_card(text, [signer.jwk], token, NOW).state is expected
    bare = claim169.write(replace(claims, status=None), signer)
    assert verify_card(bare, [signer.jwk], None, NOW).state is State.VALID
