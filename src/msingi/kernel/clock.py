"""The one clock of the stack, so that tests can stop it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from time import time_ns

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_frozen: datetime | None = None


def now() -> datetime:
    """The present instant, aware, in UTC, with microseconds."""
    return _frozen or datetime.now(UTC)


_own_now = now


def now_us() -> int:
    """The present instant in microseconds since 1970-01-01 UTC; a test that sets another `now` sets this too."""
    return time_ns() // 1_000 if _frozen is None and now is _own_now else (now() - _EPOCH) // _MICROSECOND


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
