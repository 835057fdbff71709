"""Another bank for recalls: it answers as it is told, pays back, pays our customers, and asks back what it paid."""

import asyncio
import json
from uuid import uuid4

from tests.payments import kit as people
from tests.payments_switch import kit
from tests.payments_switch.fsp import Participant, payee

from msingi.kernel import clock
from msingi.payments.switch import cancelling

BANK = "our-bank"
PARTICIPANTS: list[Participant] = []


class Bank:
    """Another bank: how it answers a camt.056 is what `answers` says, in this order."""

    def __init__(self) -> None:
        self.answers: list[tuple[str, str]] = []
        self.wanted: list[cancelling.Request] = []
        self.back: int | None = None  # pays back another amount, in whole units

    async def reply(self, one: Participant, method, path, headers, body):
        if (method, path) == ("POST", "/recalls"):
            wanted = cancelling.request(body)
            self.wanted.append(wanted)
            for told, reason in self.answers:
                await tell(one, wanted, told, reason)
                if told == cancelling.COMES_BACK:
                    await one.send("POST", "/quotes", refund(one, wanted, self.back), wanted.asker)
            return None
        if method == "PUT" and path.startswith("/quotes/") and not path.endswith("/error"):
            offer = json.loads(body)
            wanted = self.wanted[-1]
            paid = one.transfer(
                BANK, offer["transferAmount"]["amount"], wanted.currency, ilpPacket=offer["ilpPacket"],
                condition=offer["condition"],
            )  # fmt: skip
            await one.send("POST", "/transfers", paid, BANK)
            return None
        return await payee(one, method, path, headers, body)


def refund(one, wanted, amount=None):
    quote = one.quote(wanted.asker, str(amount) if amount else wanted.amount, wanted.currency)
    quote["transactionType"] |= {"scenario": "REFUND", "refundInfo": {"originalTransactionId": wanted.transfer_id}}
    return quote


async def tell(one, wanted, told, reason):
    said = cancelling.Answer(wanted.id, wanted.asker, one.name, wanted.transfer_id, told, reason, f"words {told}")
    body = cancelling.answering(said, clock.now())
    return await one.send("PUT", f"/recalls/{wanted.id}", body, wanted.asker, version="2.0", flavour="iso20022.")


async def calm(stack):
    """Wait until nothing is under way, in the switch or on the way back from a participant."""
    while True:
        await kit.quiet(stack)
        under_way = [task for one in PARTICIPANTS for task in one.tasks]
        if not under_way:
            return
        await asyncio.wait(under_way)


async def paid_in(stack, other, whole=2_500, phone=""):
    """Our customer, whom somebody at the other bank paid; and how that bank asks it back."""
    person = None
    if not phone:
        person = await people.enrolled(stack)
        await people.wallet(stack, person.id)
        phone = person.phone
    code = stack.profile.currency.code
    quote = other.quote(BANK, str(whole), code)
    quote["payee"]["partyIdInfo"] |= {"partyIdentifier": phone.lstrip("+")}
    await other.send("POST", "/quotes", quote, BANK)
    offer, _ = await other.wait("PUT", f"/quotes/{quote['quoteId']}")
    wanted = other.transfer(BANK, str(whole), code, ilpPacket=offer["ilpPacket"], condition=offer["condition"])
    await other.send("POST", "/transfers", wanted, BANK)
    await other.wait("PUT", f"/transfers/{wanted['transferId']}")
    await calm(stack)
    recall = cancelling.Request(
        str(uuid4()), other.name, BANK, wanted["transferId"], str(whole), code, "AC03", "A slip"
    )
    return person, recall


async def wish(stack, other, wanted):
    body = cancelling.asking(wanted, clock.now())
    await other.send("POST", "/recalls", body, BANK, version="2.0", flavour="iso20022.")
    await calm(stack)
