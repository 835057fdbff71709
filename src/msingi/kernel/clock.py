"""The one clock of the stack, so that tests can stop it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime

_frozen: datetime | None = None


def now() -> datetime:
    """The present instant, aware, in UTC, with microseconds."""
    return _frozen or datetime.now(UTC)


def today() -> date:
    """The present day in UTC."""
    return now().date()


@contextmanager
def freeze(at: datetime) -> Iterator[None]:
    """Stop the clock at `at` (aware) for the length of a `with` block; for tests only."""
    global _frozen
    if at.tzinfo is None:
        raise ValueError("the clock needs an aware datetime")
    before, _frozen = _frozen, at
    try:
        yield
    finally:
        _frozen = before
