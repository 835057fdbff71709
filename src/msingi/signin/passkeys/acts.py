"""Verbs of passkeys: add, list, remove, and prove oneself with one."""

from urllib.parse import urlsplit

import msgspec

from msingi.kernel import log, policy
from msingi.kernel.context import Context
from msingi.kernel.errors import Malformed
from msingi.kernel.ids import PersonId
from msingi.kernel.outbox import SmsRequested
from msingi.kernel.stack import Stack
from msingi.signin import acts as signin
from msingi.signin import wire
from msingi.signin.errors import PasskeyWrong
from msingi.signin.model import Proved
from msingi.signin.passkeys import store
from msingi.signin.passkeys.model import METHODS, SECTOR, Passkey

_BROKEN = (ValueError, KeyError, TypeError, AttributeError)


def rp_id(stack: Stack) -> str:
    """The name for which passkeys work: the host of the stack's address."""
    return urlsplit(stack.settings.url).hostname or "localhost"


def mark_of(stack: Stack, person_id: PersonId) -> bytes:
    """The user handle: a pseudonym that only this stack resolves (law 4)."""
    return stack.pseudonym.of(SECTOR, person_id).encode()


async def list_passkeys(stack: Stack, ctx: Context, person_id: PersonId) -> list[Passkey]:
    """One's passkeys, newest first."""
    permit = policy.decide(ctx, "signin.list-passkeys", person_id)
    async with stack.db.transaction(permit) as tx:
        found = await store.passkeys(tx, stack.seal, person_id)
        log.append(tx, permit, subject=person_id, detail={"passkeys": len(found)})
    return found


async def add_passkey(
    stack: Stack, ctx: Context, person_id: PersonId, credential: str, challenge: bytes, name: str
) -> Passkey:
    """Add a passkey from a browser's answer (JSON), and say so by SMS. Raises PasskeyWrong, naming the rule.

    (Web Authentication Level 3, section 7.1; no attestation is asked for, so that any device will do)
    """
    import webauthn  # loaded with the first passkey: it knows so many formats that it would slow down every start
    from webauthn.helpers.exceptions import WebAuthnException

    try:
        made = webauthn.verify_registration_response(
            credential=webauthn.helpers.parse_registration_credential_json(credential),
            expected_challenge=challenge,
            expected_rp_id=rp_id(stack),
            expected_origin=stack.settings.url,
            require_user_verification=True,
        )
    except (WebAuthnException, *_BROKEN) as wrong:
        raise PasskeyWrong(rule=str(wrong)[:150]) from None
    permit = policy.decide(ctx, "signin.add-passkey", person_id)
    person = await signin.active_person(stack, person_id, signin.own_work())
    new = Passkey(
        passkey_id=made.credential_id,
        public_key=made.credential_public_key,
        sign_count=made.sign_count,
        name=name,
        made_at=ctx.at,
        seen_at=ctx.at,
    )
    async with stack.db.transaction(permit) as tx:
        await signin.check_not_recovering(tx, person_id, ctx.at)
        if not await store.put(tx, stack.seal, person_id, new):
            raise PasskeyWrong(rule="a new key, and at most ten of them")
        if person is not None and person.demographics.phone:
            text = wire.say("sms_passkey", person.demographics.language or stack.profile.language, device=name)
            await stack.outbox.emit(tx, "sms.requested", SmsRequested(person.demographics.phone, text, "passkey"))
        log.append(tx, permit, subject=person_id, detail={"name": name})
    return new


async def remove_passkey(stack: Stack, ctx: Context, person_id: PersonId, passkey_id: bytes) -> bool:
    """Remove one of one's passkeys; False if there was none."""
    permit = policy.decide(ctx, "signin.remove-passkey", person_id)
    async with stack.db.transaction(permit) as tx:
        gone = await store.remove(tx, person_id, passkey_id)
        log.append(tx, permit, subject=person_id, detail={"removed": gone})
    return gone


async def prove(stack: Stack, ctx: Context, credential: str, challenge: bytes, via: str) -> Proved:
    """Whose passkey signed this challenge (section 7.2). Raises PasskeyWrong, naming the rule.

    An attempt with a real passkey leaves a record that its owner sees, right or wrong.
    """
    import webauthn
    from webauthn.helpers.exceptions import WebAuthnException

    try:
        given = webauthn.helpers.parse_authentication_credential_json(credential)
        person_id = stack.pseudonym.person(SECTOR, (given.response.user_handle or b"").decode())
    except (WebAuthnException, *_BROKEN, Malformed, msgspec.DecodeError):
        raise PasskeyWrong(rule="a passkey of this country") from None
    permit = policy.decide(ctx, "signin.verify-passkey", person_id)
    wrong = ""
    async with stack.db.transaction(permit) as tx:
        known = await store.hold(tx, stack.seal, person_id, given.raw_id)
        if known is None:
            raise PasskeyWrong(rule="a passkey that its owner has not removed")
        try:
            proof = webauthn.verify_authentication_response(
                credential=given,
                expected_challenge=challenge,
                expected_rp_id=rp_id(stack),
                expected_origin=stack.settings.url,
                credential_public_key=known.public_key,
                credential_current_sign_count=known.sign_count,
                require_user_verification=True,
            )
            await store.used(tx, person_id, known.passkey_id, proof.new_sign_count, ctx.at)
        except (WebAuthnException, *_BROKEN) as failure:
            wrong = str(failure)[:150] or "signature"
        log.append(tx, permit, subject=person_id, detail={"result": "wrong" if wrong else "right", "to": via})
    if wrong:
        raise PasskeyWrong(rule=wrong)
    return Proved(person_id, METHODS, 2)
