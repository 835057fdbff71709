"""Doors of passkeys: the factor on the sign-in page, and one's own passkeys on a page."""

from importlib.resources import files
from typing import Any

from litestar import Response, get, post

from msingi.kernel import clock, web
from msingi.kernel.stack import Stack
from msingi.signin import acts as signin
from msingi.signin import factors, flow, own, page, rules, wire
from msingi.signin.errors import FlowLost
from msingi.signin.model import Proved
from msingi.signin.page import WebRequest
from msingi.signin.passkeys import acts
from msingi.signin.passkeys.model import TTL_S, Ceremony
from msingi.signin.wallets import acts as wallets

HERE = "/signin/passkeys"
_NAMES = {code: wire.say("way_passkey", code) for code in wire.languages()}


async def offer(stack: Stack) -> None:
    """Put the passkey on the sign-in page."""
    factors.of(stack).add(factors.Factor(name="passkey", title=_NAMES, begin=_begin, finish=_finish))


def _challenge(visit: factors.Visit) -> bytes:
    """The challenge of a sign-in: of this browser and this sign-in alone."""
    return visit.stack.keys.blind(f"signin.passkey|{visit.ticket}")


async def _begin(visit: factors.Visit) -> Response[Any]:
    import webauthn
    from webauthn.helpers.structs import UserVerificationRequirement

    options = webauthn.generate_authentication_options(
        rp_id=acts.rp_id(visit.stack),
        challenge=_challenge(visit),
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    facts: dict[str, Any] = {
        "options": webauthn.options_to_json(options),
        "done": visit.done,
        "client": visit.client,
        "here": visit.here,
    }
    return page.show(visit.request, "passkey", visit.language, script=True, **facts)


async def _finish(visit: factors.Visit) -> Proved | None:
    credential = (await own.fields(visit.request)).get("credential", [""])[0]
    if not credential:
        return None
    ctx = signin.proving(web.request_id(visit.request))
    return await acts.prove(visit.stack, ctx, credential, _challenge(visit), visit.client)


@get("/signin/passkey.js", include_in_schema=False, sync_to_thread=False)
def script() -> Response[bytes]:
    """The few lines that a browser needs to speak with its passkeys."""
    text = (files("msingi.signin") / "passkeys" / "passkey.js").read_bytes()
    return Response(text, media_type="text/javascript", headers={"Cache-Control": "public, max-age=3600"})


@get(HERE, include_in_schema=False)
async def show(request: WebRequest) -> Response[Any]:
    """The page with one's passkeys and wallets; whoever opens it has proved two factors."""
    import webauthn
    from webauthn.helpers import structs

    held = await own.visitor(request, HERE)
    if isinstance(held, Response):
        return held
    if held.session.factors < 2:
        return await own.stronger(request, HERE)
    stack, lang = held.stack, page.language(request, request.query_params.get("lang", ""))
    found = await acts.list_passkeys(stack, held.ctx("identity-proofing"), held.person_id)
    person = await signin.active_person(stack, held.person_id, signin.own_work())
    name = person.demographics.name.full if person else ""
    options = webauthn.generate_registration_options(
        rp_id=acts.rp_id(stack),
        rp_name=stack.profile.say(stack.profile.name, lang),
        user_id=acts.mark_of(stack, held.person_id),
        user_name=name,
        user_display_name=name,
        exclude_credentials=[structs.PublicKeyCredentialDescriptor(id=p.passkey_id) for p in found],
        authenticator_selection=structs.AuthenticatorSelectionCriteria(
            resident_key=structs.ResidentKeyRequirement.REQUIRED,
            user_verification=structs.UserVerificationRequirement.REQUIRED,
        ),
    )
    until, done = int(clock.now().timestamp()) + TTL_S, request.query_params.get("done", "")
    facts: dict[str, Any] = {
        "options": webauthn.options_to_json(options),
        "ceremony": wire.seal(stack.seal, "passkey", (Ceremony(options.challenge, until), held.session.session_id)),
        "passkeys": [(p.name, p.made_at.date(), p.seen_at.date(), held.token(wire.b64(p.passkey_id))) for p in found],
        "done": done if done in ("added", "removed", "unbound") else "",
        "wallets": [
            (w.name, w.made_at.date(), w.seen_at.date(), w.expires_at.date(), held.token(f"wallet {w.client_id}"))
            for w in await wallets.list_wallets(stack, held.ctx("identity-proofing"), held.person_id)
        ],
    }
    return page.show(request, "passkeys", lang, here=HERE, script=True, **facts)


@post(HERE, include_in_schema=False)
async def change(request: WebRequest) -> Response[Any]:
    """Add a passkey, or remove one, or a wallet's key."""
    flow.check_origin(request)
    held = await own.visitor(request, HERE)
    if isinstance(held, Response):
        return held
    fields, stack, ctx = await own.fields(request), held.stack, held.ctx("identity-proofing")
    if remove := fields.get("remove", [""])[0]:
        await acts.remove_passkey(stack, ctx, held.person_id, wire.unb64(held.opened(remove)))
        return page.go(f"{HERE}?done=removed")
    if unbind := fields.get("unbind", [""])[0]:
        await wallets.remove_wallet(stack, ctx, held.person_id, held.opened(unbind).removeprefix("wallet "))
        return page.go(f"{HERE}?done=unbound")
    kind = tuple[Ceremony, Any]
    ceremony, session_id = wire.unseal(stack.seal, "passkey", fields.get("ceremony", [""])[0], kind)
    if str(session_id) != str(held.session.session_id) or ceremony.expires_at <= clock.now().timestamp():
        raise FlowLost(rule="this session, within ten minutes")
    name = fields.get("name", [""])[0].strip()[:60] or rules.device_name(request.headers.get("user-agent", ""))
    credential = fields.get("credential", [""])[0]
    await acts.add_passkey(stack, ctx, held.person_id, credential, ceremony.challenge, name)
    return page.go(f"{HERE}?done=added")


pages = [script, show, change]
