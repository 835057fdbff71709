"""What a simulated exchange provider says: terms by its own rate, and the fulfilment of a conversion at these terms.

Nothing is remembered: the condition is made of the conversion's id and both amounts, so that only the terms that were
told can be fulfilled.
"""

from datetime import timedelta
from fractions import Fraction
from typing import Any, Protocol

from msgspec.structs import replace

from msingi.kernel import clock
from msingi.payments.switch import ilp, rules, wire

QUOTED = timedelta(seconds=90)
WHOLE_BP = 10_000
Said = tuple[str, str, str, Any]


class Dealer(Protocol):
    """What an exchange provider deals in: `rate` units of `target` for one of `currency`, after a charge."""

    @property
    def currency(self) -> str: ...
    @property
    def digits(self) -> int: ...
    @property
    def target(self) -> str: ...
    @property
    def target_digits(self) -> int: ...
    @property
    def rate(self) -> str: ...
    @property
    def charge_bp(self) -> int: ...


def worked(dealer: Dealer, amount_minor: int, sends: bool) -> tuple[int, int, int]:
    """What is given, what of it is the charge, and what is paid for it; each rounded so that the provider keeps it."""
    price = Fraction(dealer.rate) * Fraction(10**dealer.target_digits, 10**dealer.digits)
    if sends:
        charge = -(-amount_minor * dealer.charge_bp // WHOLE_BP)
        return amount_minor, charge, int((amount_minor - charge) * price)
    converted = -(-amount_minor * price.denominator // price.numerator)
    charge = -(-converted * dealer.charge_bp // (WHOLE_BP - dealer.charge_bp))
    return converted + charge, charge, amount_minor


def answer(dealer: Dealer, secret: bytes, path: str, body: bytes, asker: str) -> Said:
    """Method, path, addressee and body of what the provider says to a request. Raises BadSyntax."""
    if path == "/fxQuotes":
        asked = wire.read(body, wire.ConversionQuoteRequest)
        there, terms = f"{path}/{asked.conversion_request_id}", asked.conversion_terms
        wanted = terms.source_amount.currency, terms.target_amount.currency
        sends = terms.amount_type == "SEND"
        given = terms.source_amount if sends else terms.target_amount
        minor = rules.minor(given.amount or "", dealer.digits if sends else dealer.target_digits)
        give, charge, take = worked(dealer, minor, sends)
        if wanted != (dealer.currency, dealer.target) or take < 1:
            return "PUT", f"{there}/error", asker, _no()
        amounts = rules.amount(give, dealer.digits), rules.amount(take, dealer.target_digits)
        fee = wire.Charge("exchange", wire.Money(dealer.currency, rules.amount(charge, dealer.digits)))
        made = replace(
            terms, source_amount=wire.MaybeMoney(dealer.currency, amounts[0]), charges=[fee] if charge else None,
            target_amount=wire.MaybeMoney(dealer.target, amounts[1]), expiration=rules.told(clock.now() + QUOTED),
        )  # fmt: skip
        condition = ilp.condition_of(_fulfilment(secret, terms.conversion_id, *amounts))
        return "PUT", there, asker, wire.ConversionQuoteAnswer(made, condition)
    ordered = wire.read(body, wire.ConversionRequest)
    there = f"{path}/{ordered.commit_request_id}"
    amounts = ordered.source_amount.amount, ordered.target_amount.amount
    fulfilment = _fulfilment(secret, ordered.commit_request_id, *amounts)
    if ilp.condition_of(fulfilment) != ordered.condition:
        return "PUT", f"{there}/error", asker, _no()
    return "PUT", there, asker, wire.ConversionAnswer("RESERVED", fulfilment, rules.told(clock.now()))


def _fulfilment(secret: bytes, conversion: str, give: str, take: str) -> str:
    return ilp.fulfilment_of(secret, ilp.pack(ilp.Packet(1, "g.exchange", f"{conversion}/{give}/{take}".encode())))


def _no() -> wire.ErrorBody:
    return wire.ErrorBody(wire.ErrorDetail("5105", "FSP rejected transaction"))
