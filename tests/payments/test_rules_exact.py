"""The laws of the ledger at their edges: the last value that is allowed, the first that is not, which comes first."""

import hashlib
import hmac
import struct
from uuid import UUID

import pytest

from msingi.kernel.errors import Malformed
from msingi.payments import rules
from msingi.payments.errors import AmountOutOfRange
from msingi.payments.model import Alias, Flag, Kind, Reason, Tier, TransferOrder

OPEN, CLOSED = int(Flag.OPEN), int(Flag.OPEN | Flag.CLOSED)
# Every check of `weigh`, in its order: what of a good order makes it fail, and with which reason.
GOOD = dict(
    amount=50, available=50, payer_flags=OPEN, payee_flags=OPEN, same_account=False, same_currency=True, payee_room=50,
    transfer_limit=50, day_left=50,
)  # fmt: skip
CHECKS = [
    ({"amount": 0}, Reason.AMOUNT),
    ({"payer_flags": 0}, Reason.UNKNOWN_PAYER),
    ({"payee_flags": 0}, Reason.UNKNOWN_PAYEE),
    ({"same_account": True}, Reason.SAME_ACCOUNT),
    ({"same_currency": False}, Reason.CURRENCY),
    ({"payer_flags": int(Flag.OPEN | Flag.NO_DEBIT)}, Reason.PAYER_FROZEN),
    ({"payee_flags": int(Flag.OPEN | Flag.NO_CREDIT)}, Reason.PAYEE_FROZEN),
    ({"transfer_limit": 49}, Reason.TRANSFER_LIMIT),
    ({"day_left": 49}, Reason.DAY_LIMIT),
    ({"available": 49}, Reason.INSUFFICIENT_FUNDS),
    ({"payee_room": 49}, Reason.BALANCE_LIMIT),
]


def test_an_order_at_every_limit_is_good_and_one_over_any_of_them_is_not():
    assert rules.weigh(**GOOD) == Reason.NONE
    for change, reason in CHECKS:
        assert rules.weigh(**GOOD | change) == reason, change
    for flags, reason in (
        (CLOSED, Reason.CLOSED), (int(Flag.OPEN | Flag.OUT_OF_USE), Reason.PAYER_FROZEN),
        (int(Flag.OPEN | Flag.NO_CREDIT), Reason.NONE), (int(Flag.CLOSED), Reason.UNKNOWN_PAYER),
    ):  # fmt: skip
        assert rules.weigh(**GOOD | {"payer_flags": flags}) == reason, flags
    for flags, reason in (
        (CLOSED, Reason.CLOSED), (int(Flag.OPEN | Flag.NO_DEBIT), Reason.NONE),
        (int(Flag.CLOSED), Reason.UNKNOWN_PAYEE),
    ):  # fmt: skip
        assert rules.weigh(**GOOD | {"payee_flags": flags}) == reason, flags
    rich = {k: 10**18 for k in ("available", "payee_room", "transfer_limit", "day_left")}
    assert rules.weigh(**GOOD | rich | {"amount": rules.MAX_AMOUNT_MINOR}) == Reason.NONE
    assert rules.weigh(**GOOD | rich | {"amount": rules.MAX_AMOUNT_MINOR + 1}) == Reason.AMOUNT
    assert rules.weigh(**GOOD | rich | {"amount": 1}) == Reason.NONE
    assert rules.weigh(**GOOD | rich | {"amount": -1}) == Reason.AMOUNT
    assert rules.MAX_AMOUNT_MINOR == 10**15


def test_of_two_reasons_the_first_is_told():
    for n, (first, reason) in enumerate(CHECKS):
        for other, _ in CHECKS[n + 1 :]:
            if not first.keys() & other.keys():
                assert rules.weigh(**GOOD | first | other) == reason, (first, other)


def test_a_hold_is_ended_by_its_owner_once_and_for_no_more_than_it_reserves():
    for given, reason in {
        (50, False, True, 50): Reason.NONE,
        (50, False, True, 0): Reason.NONE,
        (50, False, True, 51): Reason.OVER_HOLD,
        (50, False, False, 50): Reason.NO_HOLD,
        (50, True, False, 50): Reason.NO_HOLD,
        (None, False, True, 1): Reason.NO_HOLD,
        (None, True, True, 1): Reason.HOLD_ENDED,
        (None, True, False, 1): Reason.NO_HOLD,
    }.items():
        assert rules.weigh_end(*given) == reason, given


def test_while_a_sign_in_recovers_a_tenth_may_go_and_all_may_come():
    assert rules.while_recovering(Tier(2, 1_009, 3_000, 77)) == Tier(2, 100, 300, 77)


@pytest.mark.parametrize(
    ("key", "good"), [("", False), ("k", True), ("k" * 64, True), ("k" * 65, False), ("a\nb", False)]
)
def test_keys(key, good):
    if good:
        return rules.check_key(key)
    with pytest.raises(Malformed) as refused:
        rules.check_key(key)
    assert (refused.value.facts["field"], refused.value.facts["rule"]) == ("key", "length<=64")


def order(**more):
    return TransferOrder(
        **{
            "key": "k",
            "payer": "1",
            "payee": Alias("phone", "2"),
            "amount_minor": 5,
            "currency": "TZS",
            "reference": "",
        }
        | more
    )


@pytest.mark.parametrize(
    ("more", "wrong"),
    [
        *[({"reference": text}, "") for text in ("", "r" * 140, "x")],
        *[({"reference": text}, "reference") for text in ("r" * 141, "a\x00b", "\n")],
        *[({"amount_minor": n}, "") for n in (1, 10**15)],
        *[({"currency": text}, "currency") for text in ("TZ", "TZSH", "tzs", "ΤΖΣ", "", "T1s")],
        ({"key": ""}, "key"),
    ],
)
def test_the_form_of_an_order(more, wrong):
    if not wrong:
        return rules.check_order(order(**more))
    with pytest.raises(Malformed) as refused:
        rules.check_order(order(**more))
    assert refused.value.facts["field"] == wrong


@pytest.mark.parametrize("amount", [0, -1, 10**15 + 1])
def test_amounts_out_of_range(amount):
    with pytest.raises(AmountOutOfRange) as refused:
        rules.check_order(order(amount_minor=amount))
    assert refused.value.facts["largest_minor"] == 10**15


def test_what_is_available_and_what_was_spent():
    assert rules.available(100, 30, 0) == 70 and rules.available(100, 30, -50) == 120 and rules.available(0, 0, 5) == -5
    assert rules.spent_on(9, 9, 40) == 40 and rules.spent_on(10, 9, 40) == 0 and rules.spent_on(8, 9, 40) == 0
    assert rules.day_of(0) == 0 and rules.day_of(86_400_000_000 - 1) == 0 and rules.day_of(86_400_000_000) == 1


ID, HOLD = UUID(int=0x11223344556677889900AABBCCDDEEFF), UUID(int=7)


def expected(version, debit, credit, amount, words, more=b""):
    raw = bytes([version]) + ID.bytes + b"".join(n.to_bytes(8, signed=True) for n in (debit, credit, amount))
    return hashlib.sha256(raw + more + words.encode()).digest()


def test_the_hash_of_an_order_is_the_one_that_is_written_down():
    words = "TZS\0P2P\0hello"
    plain = rules.body_hash(ID, 3, 4, 5, "TZS", "P2P", "hello")
    assert plain == expected(1, 3, 4, 5, words)
    assert rules.body_hash(ID, 3, 4, 5, "TZS", "P2P", "hello", int(Kind.POST), None, 9) == plain

    def more(kind, pending=bytes(16), timeout=0):
        return bytes([int(kind)]) + pending + timeout.to_bytes(4)

    for kind, pending, timeout, accounts, amount in (
        (Kind.RESERVE, None, 60, (3, 4), 5),
        (Kind.COMMIT, HOLD, 0, (0, 0), 5),
        (Kind.REVERSE, HOLD, 0, (0, 0), 5),
        (Kind.ABORT, HOLD, 0, (0, 0), 0),
        (Kind.EXPIRE, HOLD, 0, (0, 0), 0),
    ):
        made = rules.body_hash(ID, 3, 4, 5, "TZS", "P2P", "hello", int(kind), pending, timeout)
        tail = more(kind, pending.bytes if pending else bytes(16), timeout)
        assert made == expected(2, *accounts, amount, words, tail), kind


def test_ids_of_transfers_say_their_version_and_their_shard():
    for shard in (0, 1, 255):
        made = rules.transfer_id("scope", "key", shard)
        raw = hashlib.sha256(b"msingi/transfer\0scope\0key").digest()[:16]
        assert made.bytes[15] == shard and made.bytes[6] >> 4 == 8 and made.bytes[8] >> 6 == 2
        assert made.bytes[6] & 0x0F == raw[6] & 0x0F and made.bytes[8] & 0x3F == raw[8] & 0x3F
        assert [b for n, b in enumerate(made.bytes) if n not in (6, 8, 15)] == [
            b for n, b in enumerate(raw) if n not in (6, 8, 15)
        ]
    assert rules.transfer_id("scope", "key") == rules.transfer_id("scope", "key", 0)
    hold = rules.transfer_id("s", "k", 9)
    assert rules.expiry_id(hold) == rules.transfer_id("expiry", hold.hex, 9)


def test_the_holder_is_a_keyed_hash():
    import hmac

    raw = hmac.digest(b"secret", b"payments.owner\0person:1", "sha256")
    assert rules.owner_ref(b"secret", "person:1") == int.from_bytes(raw[:8], signed=True)
    found = {rules.owner_ref(b"secret", f"person:{n}") for n in range(64)}
    assert len(found) == 64 and min(found) < 0 < max(found)


def test_account_ids_and_numbers():
    assert rules.shard_of(rules.account_id(77, 5)) == 5 and rules.index_of(rules.account_id(77, 5)) == 77
    assert rules.account_id(77, 5) == 77 * 256 + 5
    body = (1 * 61_803_398_873 + 31_415_926_535) % 10**11
    number = rules.number_of(1)
    assert number == f"{body:011d}{98 - body * 100 % 97:02d}" and int(number) % 97 == 1 and rules.id_of(number) == 1
    spaced = f"{number[:4]} {number[4:8]} {number[8:]}"
    assert rules.id_of(spaced) == 1
    for wrong in (number[:-1], number + "0", "", "x" * 13, "\u0661" * 13, number[:-1] + " "):
        with pytest.raises(Malformed) as refused:
            rules.id_of(wrong)
        assert refused.value.facts["rule"] == "digits=13"
    with pytest.raises(Malformed) as refused:
        rules.id_of(number[:-1] + str((int(number[-1]) + 1) % 10))
    assert refused.value.facts["rule"] == "iso7064-mod97"


def test_what_strangers_see():
    assert rules.masked("asha", "mrema") == "A. M." and rules.masked(" ", "mrema") == "M."
    assert rules.masked("", "") == "?" and rules.masked("  asha", "") == "A."
    assert rules.masked_number("1234567890123") == "\u2022\u2022\u2022\u20220123"


def test_ids_and_references_are_what_their_descriptions_say():
    """Recomputed from the descriptions alone, for enough keys that every bit of the fixed ones shows."""
    for n in range(40):
        hashed = hashlib.sha256(b"msingi/transfer\0bill\0k%d" % n).digest()[:16]
        number = int.from_bytes(hashed) & ~(0xF << 76 | 0b11 << 62 | 0xFF) | 8 << 76 | 0b10 << 62 | 5
        assert rules.transfer_id("bill", f"k{n}", 5) == UUID(int=number)
        keyed = hmac.new(b"secret", b"payments.owner\0person:%d" % n, "sha256").digest()
        (wanted,) = struct.unpack(">q", keyed[:8])
        assert rules.owner_ref.__wrapped__(b"secret", f"person:{n}") == wanted
