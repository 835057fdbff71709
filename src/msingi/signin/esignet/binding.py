"""Doors at which a wallet's software binds a key to a person (eSignet's key binding; GovStack's wallet-binding).

Whoever calls is software that an operator registered, with a token of its own (`client_credentials`) that holds
eSignet's scopes `send_binding_otp` and `wallet_binding`.
"""

from datetime import UTC
from typing import Any

from litestar import Response, post

from msingi.kernel import web
from msingi.kernel.context import Context
from msingi.signin.errors import CoolingOff, FlowLost, TooManyTries
from msingi.signin.esignet import reading
from msingi.signin.esignet.envelope import HERE, told_at
from msingi.signin.esignet.model import CHANNELS
from msingi.signin.esignet.rules import Fault
from msingi.signin.esignet.steps import Said, answered
from msingi.signin.page import WebRequest
from msingi.signin.wallets import acts, rules
from msingi.signin.wallets.errors import WalletKeyTaken, WalletNotBound
from msingi.signin.wallets.model import Binding

KINDS = ("WLA", "OTP", "PIN", "BIO")
FORMATS = ("jwt", "encoded-json", "alpha-numeric", "number")
BEFORE = {"OTP": "code", "PIN": "pin"}


async def _ctx(request: WebRequest) -> Context:
    return await web.context(request, "identity-proofing", "contract", channel="api", signed_in=True)


def read(asked: dict[str, Any]) -> Binding:
    """What is to be bound, field by field: formats, proofs, and the key. Raises Fault by GovStack's codes."""
    individual = reading.text(asked, "individualId", "invalid_individual_id")
    if asked.get("authFactorType") not in KINDS:
        raise Fault("invalid_auth_factor_type", "WLA: a key by which a wallet signs")
    listed, proofs = asked.get("challengeList"), {"code": "", "pin": ""}
    if asked.get("format") not in FORMATS:
        raise Fault("unsupported_challenge_format", "jwt: what the key will sign")
    if not isinstance(listed, list) or not 1 <= len(listed) <= len(BEFORE):
        raise Fault("invalid_challenge_list", "the OTP that binding-otp sent, and the PIN if the key may stand alone")
    for each in listed:
        kind = each.get("authFactorType") if isinstance(each, dict) else None
        if not isinstance(kind, str) or kind not in BEFORE or proofs[BEFORE[kind]]:
            raise Fault("invalid_auth_factor_type", "OTP, and PIN, each once")
        if each.get("format") not in FORMATS:
            raise Fault("unsupported_challenge_format", f"the format is one of {', '.join(FORMATS)}")
        proofs[BEFORE[kind]] = reading.text(each, "challenge", "invalid_auth_challenge")[:100]
    if not proofs["code"]:
        raise Fault("invalid_auth_challenge", "the OTP that binding-otp sent")
    try:
        key = rules.read_key(asked.get("publicKey"))
    except ValueError:
        raise Fault(
            "invalid_public_key", "publicKey is a public JWK: RSA (2048 bits or more), P-256 or Ed25519"
        ) from None
    return Binding(individual=individual, public_key=key, code=proofs["code"], pin=proofs["pin"])


@post([f"{HERE}/binding/binding-otp", f"{HERE}/binding-otp"], status_code=200, tags=["signin"])
async def binding_otp(request: WebRequest) -> Response[dict[str, Any]]:
    """Send the code that binds a wallet; the answer does not tell whether there is such a person."""
    ctx = await _ctx(request)

    async def step(asked: Said) -> Said:
        wanted = asked.get("otpChannels")
        if not isinstance(wanted, list) or CHANNELS[0] not in wanted:
            raise Fault("invalid_otp_channel", f"codes are sent to: {', '.join(CHANNELS)}")
        individual = reading.text(asked, "individualId", "invalid_identifier")
        try:
            await acts.send_binding_code(web.stack(request), ctx, individual)
        except TooManyTries as locked:
            raise _wait(locked) from None
        return {"maskedEmail": None, "maskedMobile": "XXXXXXXXX"}

    return await answered(request, step)


def _wait(locked: TooManyTries | CoolingOff) -> Fault:
    return Fault("send_otp_failed", f"{locked.title}; again in {locked.facts.get('retry_after_s')} seconds")


@post([f"{HERE}/binding/wallet-binding", f"{HERE}/wallet-binding"], status_code=200, tags=["signin"])
async def wallet_binding(request: WebRequest) -> Response[dict[str, Any]]:
    """Bind the wallet's key to the person who got the code; its certificate, and how the wallet knows the person."""
    ctx = await _ctx(request)

    async def step(asked: Said) -> Said:
        order = read(asked)
        try:
            bound = await acts.bind_wallet(web.stack(request), ctx, order)
        except (WalletKeyTaken, FlowLost):
            raise Fault("duplicate_public_key", "make a new key pair for each binding") from None
        except WalletNotBound:
            raise Fault(
                "invalid_auth_challenge", "the number, the code or the PIN is wrong, or the code too old"
            ) from None
        except (TooManyTries, CoolingOff) as wait:
            raise Fault("key_binding_failed", _wait(wait).message) from None
        until = told_at(bound.expires_at.astimezone(UTC))
        return {"walletUserId": bound.wallet_user_id, "certificate": bound.certificate, "expireDateTime": until}

    return await answered(request, step)


doors = [binding_otp, wallet_binding]
