"""A conversation with a simple phone: from where it is and what was typed, to what it shows (laws 3 to 7).

The stack's acts are asked in the name of the person whose phone it is, after the PIN. The network vouches for the
phone line (the gateway is authenticated), so line and PIN together are two factors.
"""

import tomllib
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from functools import cache, partial
from importlib.resources import files
from typing import cast
from uuid import UUID

from msgspec.structs import replace

from msingi.channels import dialogue_groups, rules
from msingi.channels.model import Choice, Dial, Dialogue, Screen, Step
from msingi.consent import acts as consent
from msingi.kernel import money
from msingi.kernel.context import Actor, Context, Kind, context
from msingi.kernel.errors import Malformed, Outage, Refusal, TooMany
from msingi.kernel.ids import PersonId
from msingi.kernel.stack import Stack
from msingi.payments import acts as payments
from msingi.payments.errors import AmountOutOfRange, InsufficientFunds, OverTierLimit
from msingi.payments.fees import acts as fees
from msingi.payments.model import Account, Alias, TransferOrder
from msingi.signin import acts as signin
from msingi.signin.model import Place, Verdict

COMPLAIN = "channels.complain"  # the composition root puts the act that opens a complaint there
CASE_OF = "channels.case-of"  # and the one that tells how a case stands, by its reference
LOOKED_AT = 60  # lines of the log that are looked through for the newest of others
SHOWN = 3


OpenCase = Callable[[Stack, Context, PersonId, UUID, str, str], Awaitable[tuple[str, datetime]]]
CaseOf = Callable[[Stack, Context, PersonId, str], Awaitable[tuple[str, datetime]]]


@cache
def texts() -> dict[str, dict[str, str]]:
    """What phones show, by language and name."""
    return tomllib.loads((files("msingi.channels") / "texts.toml").read_text("utf-8"))


class Talk:
    """One request of the gateway being answered. `tongue_chosen` is set when the person chose a language."""

    def __init__(self, stack: Stack, dial: Dial, state: Dialogue | None, language: str, request_id: str) -> None:
        self.stack = stack
        self.dial = dial
        self.lost = state is None and dial.said is not None
        spoken = [code for code in stack.profile.languages if code in texts()]
        self.spoken = spoken or ["en"]
        first = language if language in self.spoken else self.spoken[0]
        self.state = state or Dialogue(language=first)
        self.request_id = request_id
        self.tongue_chosen = False

    def say(self, name: str, /, **blanks: str) -> str:
        """A text on one screen, in the person's language."""
        return rules.fit(texts()[self.state.language][name].format(**blanks))

    def ask(self, name: str, state: Dialogue, /, **blanks: str) -> tuple[Dialogue, Screen]:
        """A screen that awaits an answer."""
        self.state = replace(state, turn=state.turn + 1)
        return self.state, Screen(self.say(name, **blanks), True)

    def end(self, name: str, /, **blanks: str) -> tuple[Dialogue, Screen]:
        """The last screen."""
        return replace(self.state, step=Step.OVER), Screen(self.say(name, **blanks), False)

    def menu(self) -> tuple[Dialogue, Screen]:
        """The first screen; who has proved the PIN stays known."""
        known = Dialogue(language=self.state.language, person=self.state.person, turn=self.state.turn)
        country = self.stack.profile.say(self.stack.profile.name, self.state.language)
        return self.ask("menu", known, country=country)

    def trouble(self, ending: Refusal | Outage) -> tuple[Dialogue, Screen]:
        """One plain sentence for whatever went wrong."""
        if isinstance(ending, TooMany):
            minutes = (int(ending.facts.get("retry_after_s", 60)) + 59) // 60
            return self.end("pin_locked", minutes=str(minutes))
        if isinstance(ending, Outage):
            return self.end("trouble")
        return self.end("refused", why=self.say("not_now"))

    def ctx(self, purpose: str, basis: str) -> Context:
        """The context of what the person asks for."""
        actor = Actor(Kind.PERSON, self.state.person, assurance=2)
        return context(actor, purpose, basis, request_id=self.request_id, channel="ussd")

    async def answer(self) -> tuple[Dialogue, Screen]:
        """The dialogue after this request, and its screen."""
        said = self.dial.said
        if self.lost:
            return self.end("gone")
        if said is None or said == "00" or (said == "0" and self.state.step not in (Step.CONFIRM, Step.PIN, Step.SURE)):
            return self.menu()
        steps: dict[Step, Callable[[str], Awaitable[tuple[Dialogue, Screen]]]] = {
            Step.MENU: self._menu,
            Step.PIN: self._pin,
            Step.PHONE: self._phone,
            Step.AMOUNT: self._amount,
            Step.CONFIRM: self._confirm,
            Step.TONGUE: self._tongue,
            Step.WHICH: self._which,
            Step.GROUP: partial(dialogue_groups.chosen, self),
            Step.TASK: partial(dialogue_groups.task, self),
            Step.NUMBER: partial(dialogue_groups.number, self),
            Step.SURE: partial(dialogue_groups.sure, self),
        }
        return await steps[self.state.step](said)

    async def _menu(self, said: str) -> tuple[Dialogue, Screen]:
        after = rules.chosen(self.state, said)
        if after.step is Step.TONGUE:
            listed = "\n".join(f"{n} {texts()[code]['name']}" for n, code in enumerate(self.spoken, 1))
            return self.ask("tongue", after, list=listed)
        if after.step is Step.PIN:
            return self.ask("pin", after)
        return self.menu() if after is self.state else await self._choose(after)

    async def _pin(self, said: str) -> tuple[Dialogue, Screen]:
        if said == "0":
            return self.menu()
        line = self.stack.keys.blind(f"channels.line|{self.dial.phone}")
        place = Place(line, f"ussd {line.hex()}", "USSD")  # each line counts for itself, not all of the gateway's
        result = await signin.verify_pin(
            self.stack, signin.proving(self.request_id), self.dial.phone, said, place, "USSD"
        )
        if result.verdict is Verdict.LOCKED:
            return self.end("pin_locked", minutes=str((result.retry_after_s + 59) // 60))
        if result.verdict is not Verdict.RIGHT or result.who is None:
            return self.end("pin_wrong")
        person = str(result.who.person_id)
        return await self._choose(replace(self.state, person=person, step=rules.after_pin(self.state.choice)))

    async def _choose(self, state: Dialogue) -> tuple[Dialogue, Screen]:
        """What follows a choice once the person is known."""
        self.state = state
        if state.choice == Choice.ACCESSES:
            return await self._accesses()
        if state.choice == Choice.COMPLAIN:
            return await self._complain()
        if state.choice == Choice.GROUPS:
            return await dialogue_groups.begin(self)
        account = await self._account()
        if account is None:
            return self.end("no_account")
        if state.choice == Choice.SEND:
            return self.ask("to", replace(state, payer=account.number))
        return self.end("balance", amount=self.amount_text(account.balance_minor))

    async def _account(self) -> Account | None:
        found = await payments.accounts(self.stack, self.ctx("subject-access", "legal-obligation"))
        own = [a for a in found if a.currency == self.stack.profile.currency.code]
        return next((a for a in own if a.is_default), own[0] if own else None)

    def amount_text(self, minor: int) -> str:
        """An amount as written in the country."""
        profile = self.stack.profile
        return money.format(minor, profile.currency, profile.group_separator, profile.decimal_point)

    def minor_of(self, said: str) -> int:
        """The minor units that somebody typed; 0 for what is no amount."""
        profile = self.stack.profile
        try:
            return money.parse(said.replace(" ", "").replace(profile.decimal_point, "."), profile.currency)
        except Malformed:
            return 0

    def once(self, what: str) -> str:
        """The dialogue's own key: the network may repeat an answer, and it still counts once (law 7)."""
        session = f"{self.dial.session_id}|{self.dial.phone}|{self.state.turn}"
        return self.stack.keys.blind(f"channels.{what}|{session}").hex()[:40]

    async def _others(self) -> list[tuple[str, str]]:
        """The newest times that others looked: the record's id and the line that tells of it."""
        ctx, me = self.ctx("subject-access", "legal-obligation"), PersonId(UUID(self.state.person))
        found = await consent.accesses(self.stack, ctx, me, limit=LOOKED_AT)
        others = [x for x in found.items if x.institution and x.actor_kind in ("staff", "client")]
        return [(str(x.record_id), self._looked(x.at, x.institution, x.purpose)) for x in others[:SHOWN]]

    async def _accesses(self) -> tuple[Dialogue, Screen]:
        lines = [text for _, text in await self._others()]
        if not lines:
            return self.end("nobody")
        return replace(self.state, step=Step.OVER), Screen(rules.fit_lines(lines), False)

    async def _complain(self) -> tuple[Dialogue, Screen]:
        """Which line is it about? Or the reference of a case, to hear how it stands."""
        found = await self._others()
        listed = [f"{place} {text}" for place, (_, text) in enumerate(found, 1)]
        self.state = replace(
            self.state, step=Step.WHICH, turn=self.state.turn + 1, lines=tuple(record for record, _ in found)
        )
        return self.state, Screen(rules.fit_lines([*listed, self.say("which")]), True)

    async def _which(self, said: str) -> tuple[Dialogue, Screen]:
        ctx, me = self.ctx("redress", "legal-obligation"), PersonId(UUID(self.state.person))
        if said.isdecimal() and len(said) == 1 and 1 <= int(said) <= len(self.state.lines):
            open_case = cast("OpenCase", self.stack.local[COMPLAIN])
            record = UUID(self.state.lines[int(said) - 1])
            reference, due = await open_case(self.stack, ctx, me, record, self.once("case"), self.state.language)
            return self.end("complained", receipt=reference, day=f"{self._local(due):%d/%m/%Y}")
        case_of = cast("CaseOf", self.stack.local[CASE_OF])
        try:
            state, due = await case_of(self.stack, ctx, me, said)
        except Refusal:
            return self.end("no_case")
        return self.end(f"case_{state}", day=f"{self._local(due):%d/%m/%Y}")

    def _local(self, at: datetime) -> datetime:
        return at + timedelta(minutes=self.stack.profile.utc_offset_minutes)

    def _looked(self, at: str, institution: str, purpose: str) -> str:
        profile, language = self.stack.profile, self.state.language
        names = {i.code: profile.say(i.name, language) for i in profile.institutions}
        why = {r.purpose: profile.say(r.text, language) for r in profile.purposes}
        day = datetime.fromisoformat(at) + timedelta(minutes=profile.utc_offset_minutes)
        text = texts()[language]["looked"]
        return rules.gsm(
            text.format(day=f"{day:%d/%m}", who=names.get(institution, institution), why=why.get(purpose, purpose))
        )

    async def _phone(self, said: str) -> tuple[Dialogue, Screen]:
        profile = self.stack.profile
        phone = rules.phone_of(said, profile.phone_prefix, profile.phone_digits)
        if not phone or phone == self.dial.phone:
            return self.ask("to_wrong", self.state)
        try:
            payee = await payments.resolve_alias(self.stack, self.ctx("payment", "contract"), Alias("phone", phone))
        except TooMany:
            raise
        except Refusal:
            return self.ask("to_wrong", self.state)
        return self.ask("amount", replace(self.state, step=Step.AMOUNT, to=phone, payee=payee.name), name=payee.name)

    async def _amount(self, said: str) -> tuple[Dialogue, Screen]:
        minor = self.minor_of(said)
        if minor <= 0:
            return self.ask("amount_wrong", self.state)
        try:
            cost = await fees.quote_fee(self.stack, self.ctx("payment", "contract"), self.state.payer, minor)
        except AmountOutOfRange:
            return self.ask("amount_wrong", self.state)
        after = replace(self.state, step=Step.CONFIRM, amount_minor=minor, fee_minor=cost.total_minor)
        words = {"amount": self.amount_text(minor), "name": self.state.payee}
        if cost.total_minor:
            return self.ask("confirm_fee", after, fee=self.amount_text(cost.total_minor), **words)
        return self.ask("confirm", after, **words)

    async def _confirm(self, said: str) -> tuple[Dialogue, Screen]:
        state = self.state
        if said != "1":
            return self.end("not_sent")
        payee, currency = Alias("phone", state.to), self.stack.profile.currency.code
        order = TransferOrder(
            self.once("pay"), state.payer, payee, state.amount_minor, currency, fee_minor=state.fee_minor
        )
        try:
            paid = await payments.transfer(self.stack, self.ctx("payment", "contract"), order)
        except InsufficientFunds:
            return self.end("refused", why=self.say("too_little"))
        except OverTierLimit:
            return self.end("refused", why=self.say("over_limit"))
        return self.end(
            "sent",
            amount=self.amount_text(paid.amount_minor),
            name=paid.to,
            balance=self.amount_text(paid.balance_minor),
            receipt=paid.transfer_id[-8:],
        )

    async def _tongue(self, said: str) -> tuple[Dialogue, Screen]:
        if said.isdecimal() and len(said) < 3 and 1 <= int(said) <= len(self.spoken):
            self.tongue_chosen = True
            self.state = replace(self.state, language=self.spoken[int(said) - 1])
        return self.menu()
