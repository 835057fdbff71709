"""Why vouchers are refused: one class per reason."""

from msingi.kernel.errors import Conflict, NotFound, Refusal


class NoSuchScheme(NotFound):
    """The scheme does not exist, or it belongs to another institution."""

    code = "payments.no-such-voucher-scheme"
    title = "There is no such voucher scheme"
    remedy = "Choose one from the list of your institution's schemes."


class SchemeCodeTaken(Conflict):
    """Another scheme of the institution has this code, with other content."""

    code = "payments.voucher-scheme-taken"
    title = "The code stands for another voucher scheme"
    remedy = "Choose another code."


class SchemeClosed(Conflict):
    """The scheme was closed: nothing is issued or put in any more. Vouchers that people hold go on until they end."""

    code = "payments.voucher-scheme-closed"
    title = "The voucher scheme is closed"
    remedy = "Open a new scheme, with a code of its own."


class NotCovered(Conflict):
    """The scheme's trust account holds too little for these vouchers. Vouchers are never given without their money."""

    code = "payments.voucher-not-covered"
    title = "There is not enough money set aside for these vouchers"
    remedy = "Ask an approver of your institution to put money into the scheme, then issue them again."


class NoSuchVoucher(NotFound):
    """No voucher has this number or serial number here.

    Wrong numbers are counted: after a few, whoever tries must wait, and a voucher that they were tried on is blocked.
    """

    code = "payments.no-such-voucher"
    title = "There is no such voucher"
    remedy = "Check the number with whoever holds the voucher, digit by digit."


class VoucherEnded(Conflict):
    """The voucher was spent, cancelled or blocked, or its time is over, or it was not handed out yet: see `state`."""

    code = "payments.voucher-ended"
    title = "The voucher cannot be used"
    remedy = "Hand nothing over. Whoever holds the voucher can ask the office that gave it."


class VoucherTooSmall(Conflict):
    """The voucher holds less than what was to be taken; `left_minor` says how much."""

    code = "payments.voucher-too-small"
    title = "The voucher holds less than that"
    remedy = "Take at most what is left, and let the customer pay the rest in another way."


class ShopNotApproved(Refusal):
    """The shop does not take vouchers of this scheme, or not for this kind of goods."""

    code = "payments.shop-not-approved"
    status = 403
    title = "This shop does not take vouchers of this kind"
    remedy = "Ask the office that gives the vouchers to approve the shop."


class SerialTaken(Conflict):
    """A voucher with this serial number, this number, or another content under this id exists already."""

    code = "payments.voucher-serial-taken"
    title = "A voucher with this number exists already"
    remedy = "Check the list of the printed vouchers; each number stands for one voucher."
