"""In what name an institution asks: the right that it has, and the certificate that a wallet shows its holder."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from msingi.credentials.issuance import kinds
from msingi.credentials.presentation import access, rules, store
from msingi.credentials.presentation.model import Asker, Right
from msingi.kernel import clock
from msingi.kernel.context import Actor, Context, Kind
from msingi.kernel.db import Tx
from msingi.kernel.stack import Stack

Rights = Callable[[Stack, Actor, str, str], Awaitable[Right | None]]
_RIGHTS = "presentation.rights"


def register_rights(stack: Stack, rights: Rights) -> None:
    """Say who knows what institutions may ask for; the exchange does, which stands above this room."""
    stack.local[_RIGHTS] = rights


async def right_of(stack: Stack, ctx: Context) -> Right | None:
    """The right by which the actor asks, None if there is none."""
    if ctx.actor.kind is Kind.JOB:  # the stack's own rooms, whose policy says what they may ask
        return Right("", rules.EVERYTHING)
    rights: Any = stack.local.get(_RIGHTS)
    return None if rights is None else await rights(stack, ctx.actor, ctx.purpose, ctx.basis)


async def certificate(stack: Stack, tx: Tx, asker: Asker, host: str) -> bytes:
    """The certificate of the institution, made at its first request and again before it ends."""
    now = clock.now()
    root_signer, signer = stack.keys.signer("access-authority"), stack.keys.signer("access")
    authority = await access_authority(stack, tx)
    holder = f"{asker.institution or asker.actor}|{asker.name}"
    known = await store.certificate(tx, holder, signer.kid, now + timedelta(days=access.RENEW_DAYS))
    if known is None:
        institution = (asker.name, asker.institution or asker.actor)
        made = access.leaf(authority, root_signer, signer, institution, host, now)
        await store.keep_certificate(tx, holder, signer.kid, made, access.ends(made))
        known = await store.certificate(tx, holder, signer.kid, now)
    assert known is not None
    return known


async def access_authority(stack: Stack, tx: Tx) -> bytes:
    """The access authority's own certificate (DER), made when it is first needed."""
    signer, now = stack.keys.signer("access-authority"), clock.now()
    known = await store.certificate(tx, "", signer.kid, now + timedelta(days=access.RENEW_DAYS))
    if known is None:
        profile = stack.profile
        name = profile.say(profile.authority.name, profile.language)
        made = access.authority(profile.alpha2, name, signer, now)
        await store.keep_certificate(tx, "", signer.kid, made, access.ends(made))
        known = await store.certificate(tx, "", signer.kid, now)
    assert known is not None
    return known


async def demanding(stack: Stack) -> frozenset[str]:
    """The types, by `vct` and document type, that are asked for as HAIP 1.0 says or not at all."""
    wanted = [kind for kind in (await kinds.known(stack)).by_name.values() if kind.haip]
    return frozenset(kinds.vct(stack, kind) for kind in wanted) | {kind.doctype for kind in wanted if kind.doctype}


def askable_fields(stack: Stack) -> tuple[str, ...]:
    """The names of all facts that the country's kinds of credentials state, for rights to ask for them."""
    claims = [claim for kind in kinds.of_profile(stack.profile) for claim in kind.claims]
    named = {".".join(claim.path) for claim in claims} | {claim.element[1] for claim in claims if claim.element}
    return tuple(sorted(named))
