"""Nouns of the channels: messages, the gateway's answer, and a USSD dialogue's state."""

from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from msgspec import Struct

from msingi.kernel.outbox import SmsRequested


class Delivery(Struct, frozen=True):
    """What a gateway says of a message that it took: its own reference; `simulated` if no phone will ring."""

    gateway: str
    reference: str
    simulated: bool


class Gateway(Protocol):
    """Takes text messages. Raises Outage when it cannot take them now."""

    async def send(self, message: SmsRequested) -> Delivery: ...


class Message(Struct, frozen=True):
    """A message as kept: `to` and `text` are empty where a real gateway took it (law 2)."""

    message_id: UUID
    at: datetime
    to: str
    text: str
    why: str
    gateway: str
    simulated: bool


class Step(StrEnum):
    """Where a dialogue is: the screen whose answer comes next."""

    MENU = "menu"
    PIN = "pin"
    PHONE = "phone"
    AMOUNT = "amount"
    CONFIRM = "confirm"
    TONGUE = "tongue"
    WHICH = "which"
    GROUP = "group"
    TASK = "task"
    NUMBER = "number"
    SURE = "sure"
    OVER = "over"


class Choice(StrEnum):
    """What was chosen from the menu."""

    BALANCE = "1"
    SEND = "2"
    ACCESSES = "3"
    TONGUE = "4"
    COMPLAIN = "5"
    GROUPS = "6"


class Dialogue(Struct, frozen=True):
    """The state of one dialogue; sealed while it waits. `person` is set once the PIN was right (law 6).

    `amount_minor` (and `fee_minor`, what sending it costs) is in minor units of the country's currency; `turn` counts
    the answers so far; `lines` are the records of who looked that can be complained about, or the groups to choose
    from; `body` is the chosen group, `allowed` what can be done in it, `task` what is being done, and `wish` what it is
    about (a number of shares, a debt, a payment to vote on).
    """

    step: Step = Step.MENU
    language: str = ""
    choice: str = ""
    person: str = ""
    payer: str = ""
    to: str = ""
    payee: str = ""
    amount_minor: int = 0
    fee_minor: int = 0
    turn: int = 0
    lines: tuple[str, ...] = ()
    body: str = ""
    allowed: tuple[str, ...] = ()
    task: str = ""
    wish: str = ""


class Screen(Struct, frozen=True):
    """What the phone shows; `more` if an answer is awaited."""

    text: str
    more: bool

    @property
    def wire(self) -> str:
        """As gateways expect it."""
        return f"{'CON' if self.more else 'END'} {self.text}"


class Dial(Struct, frozen=True):
    """One request of the gateway: `said` is the last segment of what was typed, None on the first request."""

    session_id: str
    phone: str
    said: str | None
