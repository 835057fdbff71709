"""Nouns of closed ways."""

from datetime import datetime

from msgspec import Struct

from msingi.kernel.tally import Limit
from msingi.signin.limits import Way

TOLD = Limit("signin.closed: one person's ways to one institution, in a day", 20, 86_400)  # the operator hears of 20


class ClosedWay(Struct, frozen=True):
    """A way from an institution to the person that asks, of which kind, and until when it is closed.

    `way` is "codes" (codes by SMS for it), "secrets" (PIN and code), "facts" (what it says of the person),
    "wallet-codes" and "wallet-pins" (binding its wallet), or "requests" (sign-ins to approve).
    """

    institution: str
    way: Way
    until: datetime
