"""What issuance adds to the authorization server: a grant type, a type of details, scopes, and attested wallets."""

from typing import Any

from msingi.credentials.issuance import acts, awards, kinds, offers, wallets
from msingi.credentials.issuance.kinds import AUDIENCE
from msingi.credentials.issuance.wire import DETAILS, identifier
from msingi.kernel.context import Actor, Context, Kind, context, job_context
from msingi.kernel.ids import PersonId
from msingi.kernel.stack import Stack
from msingi.signin.errors import InvalidAuthorizationDetails, InvalidRequest
from msingi.signin.model import Client
from msingi.signin.provider import extend, minting, rules
from msingi.signin.provider.model import Terms, Tokens


def holder(person_id: PersonId, request_id: str) -> Context:
    """The context of what a person's wallet does for them."""
    actor = Actor(Kind.PERSON, str(person_id), assurance=1)
    return context(actor, "credential-issuance", "legal-obligation", request_id=request_id, channel="wallet")


async def redeem(ask: extend.TokenAsk) -> Tokens:
    """Tokens for a pre-authorized code (OpenID4VCI 1.0, section 6.1)."""
    code = ask.params.get("pre-authorized_code", "")
    if not code:
        raise InvalidRequest("The code is missing.", field="pre-authorized_code", rule="required")
    asked = rules.read_details(ask.params.get("authorization_details", ""))
    await kinds.known(ask.stack)  # a kind that another process approved has its scope here, too
    details = extend.of(ask.stack).check_details(ask.client, asked)
    anybody = acts.offer_context(ask.ctx.request_id)
    person_id, offered = await offers.redeem(ask.stack, anybody, code, ask.params.get("tx_code"))
    if any(d["credential_configuration_id"] not in offered for d in details):
        raise InvalidAuthorizationDetails("This was not offered.", field="authorization_details", rule="offered")
    now = int(ask.ctx.at.timestamp())
    terms = Terms(
        redirect_uri="",
        challenge="",
        scopes=() if details else offered,
        factors=1,
        methods=("offer",),
        proved_at=now,
        details=details,
    )
    return await minting.mint(ask.stack, ask.ctx, ask.client, person_id, terms, ask.jkt, ask.onces)


def _details(stack: Stack) -> extend.DetailsType:
    def check(client: Client, detail: dict[str, Any]) -> dict[str, Any]:
        """The detail as it is kept (OpenID4VCI 1.0, section 5.1.1)."""
        named, places = detail.get("credential_configuration_id"), detail.get("locations", [stack.settings.url])
        held: Any = stack.local.get("credentials.kinds")
        if not isinstance(named, str) or held is None or named not in held.by_configuration:
            raise InvalidAuthorizationDetails(field="credential_configuration_id", rule="known")
        if not isinstance(places, list) or stack.settings.url not in places:
            raise InvalidAuthorizationDetails(field="locations", rule="this issuer")
        if held.by_configuration[named][0].haip:
            raise InvalidAuthorizationDetails(field="type", rule="HAIP 1.0, section 4.3: ask by scope")
        return {"type": DETAILS, "credential_configuration_id": named}

    async def answer(stack: Stack, ctx: Context, person_id: PersonId, detail: dict[str, Any]) -> dict[str, Any]:
        """The detail with its identifiers (section 6.2)."""
        named = detail["credential_configuration_id"]
        kind, _ = (await kinds.known(stack)).by_configuration[named]
        await acts.hold(stack, job_context("credentials", "credential-issuance"), person_id, kind.kind)
        held = await awards.live_ids(stack, person_id, kind)
        return {**detail, "credential_identifiers": [identifier(named, holding_id) for holding_id in held]}

    def title(detail: dict[str, Any], language: str) -> str:
        held: Any = stack.local.get("credentials.kinds")
        named = str(detail.get("credential_configuration_id"))
        return stack.profile.say(held.by_configuration[named][0].name, language) if held else named

    return extend.DetailsType(name=DETAILS, check=check, answer=answer, audience=AUDIENCE, title=title)


def connect(stack: Stack) -> None:
    """Make the authorization server of this stack know what wallets ask for; `kinds.known` adds the scopes."""
    more = extend.of(stack)
    more.add(
        extend.Grant(name=offers.GRANT, redeem=redeem, anonymous=True),
        _details(stack),
        extend.ClientProof(method=wallets.METHOD, prove=wallets.prove),
        extend.ClientProof(method=wallets.METHOD_COMBINED, prove=wallets.prove_combined),
    )
    more.passed.add("issuer_state")
    more.metadata |= {
        "pre-authorized_grant_anonymous_access_supported": True,
        "client_attestation_signing_alg_values_supported": ["ES256"],
        "client_attestation_pop_signing_alg_values_supported": ["ES256"],
        "challenge_endpoint": f"{stack.settings.url}{AUDIENCE}/challenge",
        "status_list_aggregation_endpoint": f"{stack.settings.url}/credentials/status",
    }
