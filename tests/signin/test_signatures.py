"""The short way to verify an ES256 signature accepts nothing that the library refuses, and all that it accepts."""

import time

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey
from joserfc.jws import JWSRegistry
from tests.signin.test_wallets import wla

from msingi.signin import wire
from msingi.signin.wallets import rules
from msingi.signin.wallets.errors import WalletKeyWrong

KEY, OTHER, EDWARDS = ECKey.generate_key("P-256"), ECKey.generate_key("P-256"), OKPKey.generate_key("Ed25519")
LARGER = ECKey.generate_key("P-384")
REGISTRY = JWSRegistry(algorithms=list(wire.ALGORITHMS))
BY_HAND = JWSRegistry(algorithms=["ES256", "EdDSA", "ES384"], strict_check_header=False)


def accepted(token: str, header: dict, key) -> tuple[bool, bool]:
    """What the short way says, and what the library says."""

    def says(check) -> bool:
        try:
            return check() is not False
        except (JoseError, ValueError, KeyError, TypeError):
            return False

    public = wire.public_key(key.as_dict(private=False))
    return (
        says(lambda: wire.signed(token, header, public)),
        says(lambda: jws.deserialize_compact(token, public, registry=REGISTRY) and None),
    )


def made(header: dict, key, payload: bytes = b'{"a": 1}') -> str:
    return jws.serialize_compact(header, payload, key, registry=BY_HAND)


HEADERS = {
    "plain": {"alg": "ES256"},
    "named": {"alg": "ES256", "kid": "k", "typ": "JWT"},
    "with its key": {"alg": "ES256", "typ": "dpop+jwt", "jwk": KEY.as_dict(private=False)},
    "kid of another kind": {"alg": "ES256", "kid": 7},
    "typ of another kind": {"alg": "ES256", "typ": ["JWT"]},
    "unknown member": {"alg": "ES256", "colour": "blue"},
    "chain": {"alg": "ES256", "x5c": ["AAAA"]},
    "long": {"alg": "ES256", "kid": "k" * 500},
}


@pytest.mark.parametrize("which", list(HEADERS))
@pytest.mark.parametrize("signer", ["own", "other"])
def test_the_short_way_judges_each_header_as_the_library_does(which, signer):
    try:
        token = made(HEADERS[which], KEY if signer == "own" else OTHER)
    except JoseError:  # the library does not even make it: put together by hand
        head = wire.b64(msgspec.json.encode(HEADERS[which]))
        rest = made({"alg": "ES256"}, KEY if signer == "own" else OTHER).split(".")[1:]
        token = ".".join([head, *rest])
    short, library = accepted(token, HEADERS[which], KEY)
    assert short == library
    assert not (signer == "other" and short)


def test_what_is_critical_is_refused():
    head = {"alg": "ES256", "crit": ["b64"], "b64": False}
    text = wire.b64(msgspec.json.encode(head)) + "." + made({"alg": "ES256"}, KEY).partition(".")[2]
    assert accepted(text, head, KEY) == (False, False)


def test_keys_of_other_kinds_are_the_librarys_affair():
    good = made({"alg": "EdDSA"}, EDWARDS)
    assert accepted(good, {"alg": "EdDSA"}, EDWARDS) == (True, True)
    assert accepted(good, {"alg": "EdDSA"}, KEY) == (False, False)
    assert accepted(made({"alg": "ES256"}, KEY), {"alg": "ES256"}, EDWARDS) == (False, False)
    assert accepted(made({"alg": "ES256"}, KEY), {"alg": "ES256"}, LARGER) == (False, False)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_change_of_any_place_is_accepted(data):
    token = made({"alg": "ES256", "typ": "JWT"}, KEY)
    place = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.sampled_from("ABab01-_.=+/ \u00e9"))
    changed = token[:place] + other + token[place + 1 :]
    try:
        header, _ = wire.unverified(changed)
    except ValueError:
        return
    if changed != token:
        short, library = accepted(changed, header, KEY)
        assert not short or library
        assert not short or changed.rpartition(".")[0] == token.rpartition(".")[0]
        assert not short


def test_law_3_every_byte_of_what_a_wallet_signed_counts():
    key = ECKey.generate_key("P-256")
    jwks, now = [rules.read_key(key.as_dict(private=False))], time.time()
    token = wla(key, "123")
    assert rules.verify(token, jwks, "123", (), "link", now) == 0
    for place in range(len(token)):
        changed = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
        with pytest.raises(WalletKeyWrong):
            rules.verify(changed, jwks, "123", (), "link", now)
