"""Numbers of vouchers: made from a key of the stack, so that the holder can be told them again, and kept as a keyed
hash only, so that the tables alone spend nothing."""

from msingi.kernel import log, tally
from msingi.kernel.context import Context
from msingi.kernel.policy import Permit
from msingi.kernel.stack import Stack
from msingi.kernel.tally import Limit
from msingi.payments.vouchers import errors, rules, store

MISSES = Limit("payments.voucher-misses", most=10, window_s=600)


def number_of(stack: Stack, serial: str) -> str:
    """The number that spends a voucher made here: its serial number and six secret digits."""
    secret = int.from_bytes(stack.keys.blind(f"payments.voucher-secret|{serial}", "payments")[:8])
    return f"{serial}{secret % 10**rules.SECRET_DIGITS:0{rules.SECRET_DIGITS}d}"


def key_of(stack: Stack, number: str) -> bytes:
    """Under which key a number is kept."""
    return stack.keys.blind(f"payments.voucher|{number}", "payments")


async def find(stack: Stack, ctx: Context, permit: Permit, typed: str) -> store.Kept:
    """The voucher that a number spends. Ten wrong numbers in ten minutes are the limit for one caller; five that are
    tried on one voucher block it, whoever tries. Raises NoSuchVoucher, TooMany."""
    actor = f"{ctx.actor.kind}:{ctx.actor.institution}:{ctx.actor.id}"
    tally.check(stack, MISSES, actor, ctx.at)
    number = rules.plain(typed)
    async with stack.db.transaction(permit) as tx:
        serial = await store.serial_of_number(tx, key_of(stack, number)) if rules.PRINTED.fullmatch(number) else None
        found = (await store.vouchers(tx, [serial])).get(serial) if serial is not None else None
        if found is None:
            await tally.add(stack, tx, MISSES, actor, ctx.at)
            if tried := rules.serial_tried(number):
                await store.tried(tx, tried, rules.MOST_TRIES)
        log.append(tx, permit, detail={"what": "number of a voucher", "right": "yes" if found else "no"})
    if found is None:
        raise errors.NoSuchVoucher()
    return found
