"""Ed25519 verified: as strictly as libsodium, in two thirds of its time.

`ed25519-zebra` (Rust, with vector instructions where the processor has them) decides by the equation of RFC 8032
section 5.1.7 and by the rules of ZIP 215, which let more encodings pass than libsodium does. What only those would let
pass is therefore never put before it: keys outside the main subgroup, and signatures whose R is not written canonically
or is a point of small order, are libsodium's to refuse, and so is everything where `ed25519-zebra` is not installed.
One difference is left: whoever holds a good key can write a signature of their own that verifies with the factor of
section 5.1.7 and not without it. No other person's signature can be made into one, and no message can.
"""

from collections.abc import Callable
from functools import lru_cache

from nacl.bindings import crypto_core_ed25519_is_valid_point, crypto_sign_open
from nacl.exceptions import BadSignatureError

try:
    from ed25519_zebra import ed_verify as _found  # pyright: ignore[reportAttributeAccessIssue]  # it has no types
except ImportError:  # no wheel for this machine
    _found = None
_swift: Callable[[bytes, bytes, bytes], bool] | None = _found

# The canonical encodings of the points of order 1, 4 and 8; that of order 2 ends in 0x7f.
_SMALL = frozenset(
    bytes.fromhex(low + end)
    for low, ends in (
        ("01" + "00" * 30, ("00", "80")),
        ("00" * 31, ("00", "80")),
        ("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03", ("7a", "fa")),
        ("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc", ("05", "85")),
    )
    for end in ends
)


@lru_cache(maxsize=4096)
def _in_main_subgroup(public: bytes) -> bool:
    """Whether these 32 bytes are the canonical encoding of a point of the main subgroup, and not the neutral one."""
    return len(public) == 32 and crypto_core_ed25519_is_valid_point(public)


def is_signed(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether `signature` (64 bytes) is of `message` by the holder of `public` (32 bytes); RFC 8032 section 5.1.7."""
    if len(signature) != 64 or len(public) != 32:
        return False
    # Only the top bits of R's y can tell that it is above the field's prime: then, one time in 128, libsodium looks.
    plain = signature[31] & 0x7F != 0x7F and signature[:32] not in _SMALL
    if plain and _swift is not None and _in_main_subgroup(public):
        return _swift(signature, message, public)
    try:
        crypto_sign_open(signature + message, public)
    except BadSignatureError:
        return False
    return True
