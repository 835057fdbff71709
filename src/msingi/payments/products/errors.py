"""Why a product is refused: one class per reason."""

from msingi.kernel.errors import Conflict, NotFound


class NoSuchProduct(NotFound):
    """The country has no such product, or the caller has no account with it."""

    code = "payments.no-such-product"
    title = "There is no such product"
    remedy = "Look at the list of products."


class BeingOpened(Conflict):
    """An account with this product is just being opened for the caller."""

    code = "payments.being-opened"
    title = "The account is just being opened"
    remedy = "Look at your accounts in a minute."
