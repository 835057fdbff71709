"""Reasons why the stewardship room says no."""

from msingi.kernel.errors import NotFound


class UnknownAlgorithm(NotFound):
    """The register holds no algorithm with this name. The page lists all of them."""

    code = "stewardship.unknown-algorithm"
    title = "There is no such entry in the register"
    remedy = "Use one of the names that GET /v1/stewardship/algorithms lists."
