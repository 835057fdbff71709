"""The laws of rights across machines as pure functions: what is sent, when it is tried again, what a leaf says."""

from datetime import datetime, timedelta

from msingi.governance.apart.model import Errand, Order, Receipt, What
from msingi.governance.keeping.model import Erased, Hold
from msingi.kernel.log import leaf

FIRST_S = 2.0
LONGEST_S = 6 * 3600.0


def wait_after(tries: int) -> timedelta:
    """How long to wait after so many tries in vain: twice as long each time, and never more than six hours (law 2)."""
    return timedelta(seconds=min(LONGEST_S, FIRST_S * 2.0 ** min(tries, 20)))


def order_of(errand: Errand, hold: Hold | None) -> Order:
    """What travels for an errand; a hold travels with its own words."""
    if errand.what is What.ERASE or hold is None:
        about = None if errand.what is What.ERASE else errand.about
        return Order(errand.errand_id, errand.what, errand.reference, about)
    return Order(
        errand.errand_id, errand.what, errand.reference, hold.hold_id, hold.because, hold.ordered_by, hold.until
    )  # fmt: skip


def receipt_of(erased: Erased | None, address: str, at: datetime, *, known: bool) -> Receipt:
    """The receipt of what was done."""
    if erased is None:
        return Receipt(address, at, known)
    made = erased.certificate
    return Receipt(address, at, known, erased.destroyed, erased.kept, made.certificate_id, made.kid, made.jws)


def told(what: What, reference: str, receipt: Receipt) -> leaf.Detail:
    """What a leaf says of a receipt, here and there (law 3)."""
    detail: dict[str, str | int | bool] = {"what": what.value, "known": receipt.known}
    if reference:
        detail["case"] = reference
    if receipt.certificate_id is not None:
        detail |= {"certificate": str(receipt.certificate_id), "destroyed": sum(receipt.destroyed.values())}
    return detail
