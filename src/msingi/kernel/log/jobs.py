"""The log's endless work: the sequencer, and asking the witnesses. Nothing of it is in the way of an act."""

from typing import TYPE_CHECKING

from msingi.kernel.log import sequencer, timestamps, witness

if TYPE_CHECKING:
    from msingi.kernel.settings import Settings
    from msingi.kernel.stack import Stack


async def check_settings(stack: "Stack") -> None:
    """Fail at start, and not later in the background, if a setting of the log is wrong. Raises ValueError."""
    checked(stack.settings)


def checked(settings: "Settings") -> None:
    """Whether witnesses, followed logs and the time-stamping authority are written as they must be.

    Raises ValueError that names the setting.
    """
    witness.configured(settings.witnesses)
    witness.followed_logs(settings.witnessed_logs)
    if len(witness.configured(settings.witnesses)) < settings.witness_quorum:
        raise ValueError("MSINGI_WITNESS_QUORUM: there are fewer witnesses in MSINGI_WITNESSES than it demands")
    if settings.timestamp_url and not settings.timestamp_root:
        raise ValueError(
            "MSINGI_TIMESTAMP_ROOT: the PEM file with the root certificate of the authority at MSINGI_TIMESTAMP_URL"
        )
    if settings.timestamp_url:
        timestamps.roots(settings.timestamp_root)


starts = [check_settings]
loops = [sequencer.run, witness.run, timestamps.run]
