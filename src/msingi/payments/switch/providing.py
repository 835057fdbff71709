"""Exchange providers: which participant converts which currencies, as the operator of the switch lets them."""

from collections.abc import Iterable

from msingi.kernel import log, policy
from msingi.kernel.context import Context
from msingi.kernel.stack import Stack
from msingi.payments.switch import errors, roll, rules, store
from msingi.payments.switch.model import Fsp, FspAccount, Pair


async def change_pair(stack: Stack, ctx: Context, pair: Pair, *, active: bool) -> Pair:
    """Let a participant convert one currency into another at rates of its own, or no longer.

    It has an account in both, with cover of its own. What is under way ends by itself. Raises UnknownFsp, BadCurrency.
    """
    permit = policy.decide(ctx, "payments.switch-change", policy.NOBODY, stops=not active)
    async with stack.db.transaction(permit) as tx:
        possible(pair, await store.fsps(tx), await store.accounts(tx))
        await store.put_pair(tx, pair, active)
        words = f"{pair.source} into {pair.target}"
        log.append(tx, permit, detail={"participant": pair.fsp, "converts": words, "active": active})
    roll.forget(stack)
    return pair


def possible(pair: Pair, fsps: Iterable[Fsp], accounts: Iterable[FspAccount]) -> None:
    """Raises UnknownFsp, BadCurrency, BadSyntax for a conversion that its participant could not carry out."""
    rules.fsp_id(pair.fsp, "fsp")
    if pair.source == pair.target:
        raise errors.BadSyntax("The two currencies differ.", field="target", rule="target!=source")
    if pair.fsp not in {fsp.fsp for fsp in fsps}:
        raise errors.UnknownFsp(party="fsp")
    held = {(one.fsp, one.currency) for one in accounts}
    for code in (pair.source, pair.target):
        if (pair.fsp, code) not in held:
            raise errors.BadCurrency(currency=code[:3])
