"""Why a payment with a fee is refused."""

from msingi.kernel.errors import Conflict


class FeeChanged(Conflict):
    """The payment would cost more than was shown: the free payments of the month were used up meanwhile, or new terms
    came into force at midnight. Nothing moved."""

    code = "payments.fee-changed"
    title = "The fee is not what was shown"
    remedy = "Look at the fee again, and confirm it."
