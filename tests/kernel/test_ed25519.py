"""Ed25519: known answers, and as strict as libsodium, whichever implementation looks."""

import hashlib
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from nacl.bindings import crypto_core_ed25519_add, crypto_scalarmult_ed25519_base_noclamp

from msingi.kernel import ed25519

ORDER = 2**252 + 27742317777372353535851937790883648493
PRIME = 2**255 - 19
MESSAGE = b"a message"
# RFC 8032 section 7.1, TEST 1, 2, 3: public key, message, signature.
KNOWN = (
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe2"
        "4655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302ae"
        "eb00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28"
        "dc027beceea1ec40a",
    ),
)  # fmt: skip
EIGHTH = bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a")  # a point of order 8
NEUTRAL = b"\1" + bytes(31)


@pytest.fixture(params=["swift", "libsodium"])
def looks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes, bytes, bytes], bool]:
    """`is_signed` with each implementation."""
    if request.param == "libsodium":
        monkeypatch.setattr(ed25519, "_swift", None)
    elif ed25519._swift is None:
        pytest.skip("there is no wheel of ed25519-zebra for this machine")
    return ed25519.is_signed


def challenge(r: bytes, public: bytes, message: bytes) -> int:
    return int.from_bytes(hashlib.sha512(r + public + message).digest(), "little") % ORDER


def scalars(seed: bytes) -> int:
    wide = bytearray(hashlib.sha512(seed).digest()[:32])
    wide[0] &= 248
    wide[31] = wide[31] & 127 | 64
    return int.from_bytes(wide, "little") % ORDER


def times_base(scalar: int) -> bytes:
    return crypto_scalarmult_ed25519_base_noclamp(scalar.to_bytes(32, "little"))


@pytest.mark.parametrize("number", range(len(KNOWN)))
def test_known_answers(looks: Callable[[bytes, bytes, bytes], bool], number: int) -> None:
    public, message, signature = map(bytes.fromhex, KNOWN[number])
    assert looks(public, message, signature)
    assert not looks(public, message + b"!", signature)
    for place in (0, 31, 32, 63):
        wrong = bytearray(signature)
        wrong[place] ^= 1
        assert not looks(public, message, bytes(wrong))


def test_wrong_sizes_are_no_signatures(looks: Callable[[bytes, bytes, bytes], bool]) -> None:
    public, message, signature = map(bytes.fromhex, KNOWN[2])
    for bad in (b"", signature[:63], signature + b"\0"):
        assert not looks(public, message, bad)
    for bad in (b"", public[:31], public + b"\0"):
        assert not looks(bad, message, signature)


def test_s_beyond_the_order_is_refused(looks: Callable[[bytes, bytes, bytes], bool]) -> None:
    public, message, signature = map(bytes.fromhex, KNOWN[1])
    beyond = int.from_bytes(signature[32:], "little") + ORDER
    assert not looks(public, message, signature[:32] + beyond.to_bytes(32, "little"))


@pytest.mark.parametrize("point", ["neutral", "negative neutral", "eighth", "nought", "two", "beyond the prime"])
def test_keys_of_small_order_sign_nothing(looks: Callable[[bytes, bytes, bytes], bool], point: str) -> None:
    """With such a key, one signature is of many messages: R is the neutral point or that of the key, S is nought."""
    key = {
        "neutral": NEUTRAL, "negative neutral": b"\1" + bytes(30) + b"\x80", "eighth": EIGHTH, "nought": bytes(32),
        "two": (PRIME - 1).to_bytes(32, "little"), "beyond the prime": (PRIME + 1).to_bytes(32, "little"),
    }[point]  # fmt: skip
    for r in (NEUTRAL, key):
        for message in (b"%d" % n for n in range(8)):
            assert not looks(key, message, r + bytes(32))


def test_r_of_small_order_is_refused(looks: Callable[[bytes, bytes, bytes], bool]) -> None:
    """The holder of a good key could write it, and the signature would say nothing of a secret."""
    secret = scalars(b"\7" * 32)
    public = times_base(secret)
    for r in (NEUTRAL, EIGHTH, bytes(32), (PRIME + 1).to_bytes(32, "little")):
        s = challenge(r, public, MESSAGE) * secret % ORDER
        assert not looks(public, MESSAGE, r + s.to_bytes(32, "little"))


def test_keys_outside_the_main_subgroup_are_weighed_by_libsodium(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = scalars(b"\7" * 32)
    public = crypto_core_ed25519_add(times_base(secret), EIGHTH)

    def never(*_: bytes) -> bool:
        raise AssertionError("this key is not for the swift one")

    monkeypatch.setattr(ed25519, "_swift", never)
    refused = 0
    for n in range(16):
        r = times_base(n + 1)
        s = (n + 1 + challenge(r, public, MESSAGE) * secret) % ORDER
        refused += not ed25519.is_signed(public, MESSAGE, r + s.to_bytes(32, "little"))
    assert refused >= 8  # without the factor eight, it holds only where the challenge is a multiple of eight


@settings(max_examples=25)
@given(st.binary(min_size=32, max_size=32), st.binary(max_size=300), st.integers(0, 511))
def test_both_say_the_same(seed: bytes, message: bytes, bit: int) -> None:
    key = Ed25519PrivateKey.from_private_bytes(seed)
    public, signature = key.public_key().public_bytes_raw(), key.sign(message)
    assert ed25519.is_signed(public, message, signature)
    wrong = bytearray(signature)
    wrong[bit // 8] ^= 1 << bit % 8
    assert not ed25519.is_signed(public, message, bytes(wrong))
