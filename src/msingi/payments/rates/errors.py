"""Why an exchange or a rate is refused."""

from msingi.kernel.errors import Conflict, Malformed, NotFound


class NoRate(NotFound):
    """No approved rate is in force between the two currencies at this moment."""

    code = "payments.no-rate"
    title = "There is no exchange rate for these currencies now"
    remedy = "Try again later, or choose another currency."


class BadRate(Malformed):
    """A rate has a positive decimal number, a spread below 100 percent and a time in which it is valid; `field` says
    which part is wrong."""

    code = "payments.bad-rate"
    title = "The rate cannot be used"
    remedy = "Correct the named part of the rate."


class NoSuchRate(NotFound):
    """There is no proposal of this number that waits for a decision."""

    code = "payments.no-such-rate"
    title = "There is no such rate waiting"
    remedy = "Look at the list of rates again."


class OwnRate(Conflict):
    """A rate is approved by another officer than the one who proposed it."""

    code = "payments.own-rate"
    title = "A second officer must approve the rate"
    remedy = "Ask another officer to approve it."


class AmountNotConverted(Malformed):
    """The amount is below or above what may be exchanged at once, or too small to become anything."""

    code = "payments.amount-not-converted"
    title = "This amount cannot be exchanged"
    remedy = "Choose an amount between the smallest and the largest that the rate names."


class NoSuchQuote(NotFound):
    """There is no such quote, or it was made for somebody else."""

    code = "payments.no-such-quote"
    title = "There is no such quote"
    remedy = "Ask for a new quote."


class QuoteExpired(Conflict):
    """The quote's time is over. Nothing was paid."""

    code = "payments.quote-expired"
    title = "The offer is no longer valid"
    remedy = "Ask for a new offer and confirm it before its end."


class QuoteUsed(Conflict):
    """The quote was confirmed before with another key, or its exchange was freed again. It pays only once."""

    code = "payments.quote-used"
    title = "The offer was used already"
    remedy = "Ask for a new offer."


class NoPosition(NotFound):
    """The house does not deal in this currency."""

    code = "payments.no-position"
    title = "The house does not deal in this currency"
    remedy = "Choose another currency."


class PositionFull(Conflict):
    """The house cannot pay out this much of the currency at present."""

    code = "payments.position-full"
    title = "Not enough of this currency is left for the exchange"
    remedy = "Try a smaller amount, or again later."
