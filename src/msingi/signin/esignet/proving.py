"""One try to prove who one is at eSignet's doors: a PIN, the code that was sent for it, or what a bound wallet signed.

Each proof is an act of sign-in or of its wallets; here they are only put together. What one device proved, the other
does not decide about, and a wallet signs on the linked device alone: there it is its owner who holds it.
"""

from contextlib import nullcontext

import msgspec

from msingi.kernel.context import Context
from msingi.kernel.ids import PersonId, uuid7
from msingi.kernel.stack import Stack
from msingi.signin import acts as signin
from msingi.signin import untold, wire
from msingi.signin.errors import AccessDenied, FlowLost
from msingi.signin.esignet.acts import check_open, follow, known_to
from msingi.signin.esignet.model import Login, Said
from msingi.signin.esignet.rules import Fault
from msingi.signin.model import Client, Place, Proved, Verdict, Who
from msingi.signin.rules import is_staff_login
from msingi.signin.wallets import acts as wallets
from msingi.signin.wallets.errors import WalletKeyWrong

replace = msgspec.structs.replace


class Try(msgspec.Struct, frozen=True):
    """A try: which sign-in, for which software, what was said, from where; and on a linked device, its link's id."""

    key: bytes
    client: Client
    said: Said
    place: Place
    link: str = ""

    @property
    def by_link(self) -> bool:
        """Whether it is the linked device's."""
        return bool(self.link)


async def prove(stack: Stack, ctx: Context, login: Login, one: Try) -> Login:
    """The sign-in once enough was proved. Raises Fault, also when what was proved is right and not yet enough."""
    said, wanted = one.said, login.flow.asked.factors
    if is_staff_login(said.individual):
        raise Fault("invalid_identifier", "staff sign in at the stack's own pages")
    alone = False
    if "WLA" in said.answers:
        login, alone = await _by_wallet(stack, ctx, login, one)
    holder = login.signed if one.by_link else None
    if "PIN" in said.answers:
        login, session = await _by_pin(stack, ctx, login, one, one_factor=wanted == 1 and holder is None)
        if session:
            return await _proven(stack, ctx, one, session)
    who = known_to(login, one.by_link)
    if holder is not None and login.flow.untold:
        who = None  # whether that PIN was right is told to nobody, and so not to a wallet either
    if holder is not None and who is not None:
        if holder != who.person_id:
            raise Fault("invalid_identifier", "the wallet is another person's")
        return await _accepted(stack, ctx, one, Proved(holder, ("pin", *wallets.METHODS), 2))
    if holder is not None and alone and wanted == 1:
        return await _accepted(stack, ctx, one, Proved(holder, wallets.METHODS, 1))
    if who is None or "OTP" not in said.answers:
        raise Fault("invalid_no_of_challenges", _UNTOLD if login.flow.untold and who else _more(who, holder))
    return await _by_code(stack, ctx, login, one, who)


_UNTOLD = "ask for a code at send-otp, and send it as OTP: it leaves only if number and PIN were right"


def _more(who: Who | None, holder: PersonId | None) -> str:
    if holder is not None:
        return "what the wallet signed was right: send the PIN too"
    return "the PIN was right: ask for a code at send-otp, and send it as OTP" if who else "PIN comes first"


def _named(stack: Stack, one: Try) -> bytes:
    return stack.keys.blind(f"signin.login|{one.said.individual}")


async def _by_wallet(stack: Stack, ctx: Context, login: Login, one: Try) -> tuple[Login, bool]:
    """The sign-in once the wallet of whoever is named has signed, and whether that may stand alone."""
    if not one.by_link:
        raise Fault("invalid_auth_factor_type", "a wallet signs on the device that read the link code")
    token, individual = one.said.answers["WLA"], one.said.individual
    try:
        proved, alone = await wallets.prove(stack, ctx, individual, token, one.link, one.client.name)
    except (WalletKeyWrong, FlowLost):
        raise Fault("auth_failed", "what the wallet signed was not accepted: it signs anew for each sign-in") from None

    def signed(was: Login) -> Login:
        # The PIN that was typed in the browser is not the linked device's.
        flow = check_open(was).flow
        if not was.by_link:
            flow = replace(flow, who=None, challenge_id=None, untold=0)
        return replace(was, flow=flow, signed=proved.person_id, by_link=True)

    return await follow(stack, ctx, one.key, "wallet signed", signed), alone


async def _by_pin(stack: Stack, ctx: Context, login: Login, one: Try, *, one_factor: bool) -> tuple[Login, str]:
    """The sign-in once the PIN was right, and the session that it opened where it is enough."""
    pin, named = one.said.answers["PIN"], one.said.individual
    holder = login.signed if one.by_link else None
    result = await signin.verify_pin(
        stack, ctx, named, pin, one.place, one.client.name,
        one_factor=one_factor, untold=holder is None, held=(holder, "wallet"),
    )  # fmt: skip
    if result.verdict is Verdict.LOCKED:
        raise Fault("individual_id_blocked", f"too many tries; again in {result.retry_after_s} seconds")
    hidden = result.verdict is Verdict.UNTOLD
    if result.who is None and not hidden:
        raise Fault("auth_failed", "the number or the PIN is wrong")
    if result.cookie:
        return login, result.cookie
    mark = (untold.REAL if result.who else untold.EMPTY) if hidden else 0
    who = result.who or Who(PersonId(uuid7()))

    def knows(was: Login) -> Login:
        flow = replace(check_open(was).flow, who=who, challenge_id=None, tail="", untold=mark)
        return replace(was, flow=flow, named=_named(stack, one), by_link=one.by_link)

    return await follow(stack, ctx, one.key, "PIN right", knows), ""


async def _by_code(stack: Stack, ctx: Context, login: Login, one: Try, who: Who) -> Login:
    if not wire.same(login.named, _named(stack, one)):
        raise Fault("invalid_identifier", "not the number whose PIN was right")
    challenge = login.flow.challenge_id
    if challenge is None:
        raise Fault("auth_failed", "no code was sent: ask for one at send-otp")
    code = one.said.answers["OTP"]
    async with untold.Floor() if login.flow.untold else nullcontext():
        verdict, session = Verdict.WRONG, ""
        if login.flow.untold != untold.EMPTY:
            verdict, session = await signin.verify_code(stack, ctx, who, challenge, code, one.place, one.client.name)
    if verdict is not Verdict.RIGHT:
        raise Fault("auth_failed", "the code is wrong, or too old")
    return await _proven(stack, ctx, one, session)


async def _accepted(stack: Stack, ctx: Context, one: Try, proved: Proved) -> Login:
    try:
        session = await signin.accept_factor(stack, ctx, proved, one.place, one.client.name)
    except AccessDenied:
        raise Fault("auth_failed", "this identity is out of use") from None
    return await _proven(stack, ctx, one, session)


async def _proven(stack: Stack, ctx: Context, one: Try, session: str) -> Login:
    def proven(login: Login) -> Login:
        if login.session:
            raise Fault("invalid_transaction_id", "somebody signed in here meanwhile")
        flow = replace(check_open(login).flow, who=None, challenge_id=None, tail="", untold=0)
        return replace(login, flow=flow, session=session, by_link=one.by_link, signed=None)

    return await follow(stack, ctx, one.key, "proven", proven)
