"""The numbered laws as properties, and parsers that meet nonsense."""

import base64
import hashlib
import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import ECKey

from msingi.kernel.errors import Refusal
from msingi.kernel.keys import Keystore
from msingi.signin import rules, wire
from msingi.signin.errors import BadRegistration, InvalidClient, InvalidProof, InvalidToken, RedirectMismatch
from msingi.signin.model import CLAIMS, Client, Profile
from msingi.signin.provider import proofs
from msingi.signin.provider import rules as provider
from msingi.signin.provider.extend import Extensions
from msingi.signin.provider.wire import oauth_dialect, read_access

NOW = datetime(2026, 3, 1, tzinfo=UTC)
UNIX = NOW.timestamp()
KEY = ECKey.generate_key("P-256")
few = settings(max_examples=60, deadline=None)


def client(**changes) -> Client:
    facts = {
        "client_id": "c",
        "name": "C",
        "institution": "i",
        "profile": Profile.CONFIDENTIAL,
        "jwks": (KEY.as_dict(private=False),),
        "redirect_uris": ("https://rp.example/back",),
        "scopes": frozenset(["openid", "profile"]),
        "claims": frozenset(["name"]),
    }
    return Client(**(facts | changes))


@few
@given(st.text(max_size=20), st.binary(max_size=8), st.binary(max_size=8), st.text(max_size=20), st.text(max_size=20))
def test_law_2_places_never_share_a_counter(subject, one, other, here, there):
    if one and one != other:
        assert rules.place_key(subject, one, here) != rules.place_key(subject, other or None, here)
    if here != there:
        assert rules.place_key(subject, None, here) != rules.place_key(subject, None, there)


@few
@given(st.integers(1, 60))
def test_law_2_every_fifth_failure_locks_twice_as_long_up_to_a_day(count):
    tries, locks = None, []
    for _ in range(count):
        tries = rules.after_failure(tries, NOW)
        locks.append(rules.locked_s(tries, NOW))
    assert all(lock == 0 for lock in locks[:4])
    steps = [locks[i] for i in range(4, count, 5)]
    assert all(b == min(2 * a - 1, rules.LOCK_LONGEST_S + 1) for a, b in pairwise(steps))
    assert tries is not None and rules.locked_s(tries, NOW + timedelta(days=1, seconds=1)) == 0


@few
@given(st.text(alphabet="abcXYZ019-._~", min_size=43, max_size=128), st.text(min_size=1, max_size=128))
def test_law_4_only_the_verifier_itself_redeems(verifier, other):
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
    provider.verify_pkce(verifier, challenge)
    if other != verifier:
        with pytest.raises(Refusal):
            provider.verify_pkce(other, challenge)


def test_law_5_fapi_rules_know_no_exception():
    fapi = client(profile=Profile.FAPI)
    with pytest.raises(Refusal):
        provider.check_route(fapi, pushed=False)
    with pytest.raises(Refusal):
        provider.check_token_key(fapi, "")
    with pytest.raises(BadRegistration):
        rules.check_registration(client(profile=Profile.FAPI, jwks=()))


@few
@given(st.text(max_size=60))
def test_law_6_only_registered_addresses_are_led_to(uri):
    with pytest.raises(RedirectMismatch):
        provider.check_destination(client(), uri)
    provider.check_destination(client(), "https://rp.example/back")


@few
@given(st.sets(st.sampled_from([*CLAIMS, "email", "sub", "acr"])), st.sets(st.sampled_from(CLAIMS)))
def test_law_7_no_claim_beyond_the_registration(wanted, allowed):
    asked = provider.read_request(
        {
            "response_type": "code",
            "scope": "openid profile",
            "redirect_uri": "https://rp.example/back",
            "code_challenge": "a" * 43,
            "code_challenge_method": "S256",
            "claims": json.dumps({"userinfo": dict.fromkeys(sorted(wanted))}),
        },
        client(claims=frozenset(allowed)),
        Extensions(),
        pushed=False,
        request_id="r",
        now=int(UNIX),
    )
    assert set(asked.claims) <= allowed
    assert set(asked.claims) >= wanted & allowed


def test_law_8_every_byte_of_a_token_counts(tmp_path):
    keys = Keystore.open(tmp_path)
    issuer = "https://id.example"
    claims = {"iss": issuer, "sub": "s", "aud": issuer, "exp": int(UNIX) + 60, "iat": int(UNIX), "jti": "j"}
    claims |= {"client_id": "c", "scope": "api", "sector": "i", "kind": "person"}
    token = wire.sign(keys, "at+jwt", claims)
    assert read_access(keys, token, issuer, (issuer,), UNIX).sub == "s"
    for position in range(len(token)):
        changed = token[:position] + ("A" if token[position] != "A" else "B") + token[position + 1 :]
        with pytest.raises(InvalidToken):
            read_access(keys, changed, issuer, (issuer,), UNIX)
    for audience, at in (("https://other.example", UNIX), (issuer, UNIX + 61)):
        with pytest.raises(InvalidToken):
            read_access(keys, token, issuer, (audience,), at)


@few
@given(st.text(max_size=80) | st.binary(max_size=60).map(lambda b: f"{wire.b64(b)}.{wire.b64(b)}.{wire.b64(b)}"))
def test_nonsense_is_refused_and_never_a_bug(text):
    with pytest.raises(InvalidClient):
        proofs.verify_assertion(text, client(), "https://id.example", UNIX)
    with pytest.raises(InvalidProof):
        proofs.verify_dpop(text, "POST", "https://id.example/oauth/token", UNIX)


@few
@given(
    st.dictionaries(
        st.sampled_from(["iss", "sub", "aud", "jti", "exp", "iat", "nbf"]), st.none() | st.integers() | st.text()
    )
)
def test_odd_claims_in_signed_assertions_are_refused_and_never_a_bug(changes):
    good = {"iss": "c", "sub": "c", "aud": "https://id.example", "jti": "j", "exp": int(UNIX) + 60}
    claims = good | changes
    token = jwt.encode({"alg": "ES256"}, dict(claims), KEY)
    try:
        proofs.verify_assertion(token, client(), "https://id.example", UNIX)
    except InvalidClient:
        return
    assert {k: claims[k] for k in ("iss", "sub", "aud")} == {k: good[k] for k in ("iss", "sub", "aud")}


@few
@given(st.dictionaries(st.text(max_size=12), st.text(max_size=60), max_size=6))
def test_requests_of_any_shape_are_read_or_refused(params):
    try:
        provider.read_request(params, client(), Extensions(), pushed=True, request_id="r", now=int(UNIX))
    except Refusal as refusal:
        body, media_type = oauth_dialect(refusal, "r")
        assert media_type == "application/json" and body["error"] and body["error_description"].isascii()


@few
@given(
    st.sampled_from(["https://rp.example/a", "https://rp.example/a?x=1"]), st.text(max_size=20), st.text(max_size=20)
)
def test_answers_carry_state_unchanged(uri, state, code):
    there = provider.with_query(uri, {"state": state, "code": code})
    read = parse_qs(urlsplit(there).query)
    assert read.get("state", [""]) == [state] and read.get("code", [""]) == [code]
    assert there.startswith(uri)


@few
@given(st.text(max_size=40))
def test_staff_accounts_are_stable_and_their_ids_never_look_like_peoples(text):
    account = rules.staff_account_id(text)
    assert account == rules.staff_account_id(f" {text.upper().lower()} ") or text != text.upper().lower()
    assert account.version == 8


@few
@given(st.text(max_size=200))
def test_any_accept_language_header_finds_a_language(header):
    assert wire.best_language(wire.accepted_languages(header), ["sw", "en"]) in ("sw", "en")


def test_every_language_says_everything():
    spoken = {lang: wire._texts()[lang] for lang in wire.languages()}
    plain = set(spoken["en"])
    for lang, texts in spoken.items():
        assert {t for t in texts if " " not in t} == plain, lang
        for name in plain:
            parts = {p for p in ("client", "institution", "minutes", "tail", "code") if "{" + p + "}" in texts[name]}
            assert parts == {p for p in parts | {"code"} if "{" + p + "}" in spoken["en"][name]}, (lang, name)


@pytest.mark.parametrize(
    "changes",
    [
        {"profile": Profile.PUBLIC},
        {"jwks": ()},
        {"jwks": (KEY.as_dict(private=True),)},
        {"redirect_uris": ("http://rp.example/back",)},
        {"redirect_uris": ("https://rp.example/back#x",)},
        {"redirect_uris": ("app:/back",)},
        {"claims": frozenset(["email"])},
        {"scopes": frozenset(["openid", "api"])},
        {"profile": Profile.PUBLIC, "jwks": (), "scopes": frozenset(["openid", "offline_access"])},
    ],
)
def test_bad_registrations_are_refused(changes):
    with pytest.raises(BadRegistration):
        rules.check_registration(client(**changes))
    rules.check_registration(client(redirect_uris=("http://127.0.0.1:9/back", "https://rp.example/x?y=1")))


@pytest.mark.parametrize(
    ("address", "network"),
    [("192.0.2.7", "192.0.2.0/24"), ("2001:db8:1:2ff::1", "2001:db8:1:200::/56"), ("testclient", "unknown")],
)
def test_addresses_count_by_network(address, network):
    assert rules.network(address) == network
