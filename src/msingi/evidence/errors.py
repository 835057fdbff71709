"""Reasons why the evidence room says no."""

from msingi.kernel.errors import NotFound, Refusal


class UnknownIndicator(NotFound):
    """The stack publishes no indicator with this code. The page /figures lists those that it publishes."""

    code = "evidence.unknown-indicator"
    title = "There is no such indicator"
    remedy = "Use one of the codes on the page /figures."


class NoEdition(NotFound):
    """The indicator is defined, but no edition of it has been published yet."""

    code = "evidence.no-edition"
    title = "Nothing is published yet"
    remedy = "Come back after the next publication, or ask the statistics office when it will be."


class BudgetSpent(Refusal):
    """The privacy budget of this year is used up: another edition would tell too much about single people.

    The budget is public, and so is what each edition used of it.
    """

    code = "evidence.budget-spent"
    status = 409
    title = "This year's privacy budget is spent"
    remedy = "Publish the next edition next year, or decide a larger yearly budget openly before."
