"""The log's endless work: the sequencer, and asking the witnesses. Nothing of it is in the way of an act."""

from typing import TYPE_CHECKING

from msingi.kernel.log import sequencer, timestamps, witness

if TYPE_CHECKING:
    from msingi.kernel.stack import Stack


async def check_settings(stack: "Stack") -> None:
    """Fail at start, and not later in the background, if a witness or a followed log is written wrongly.

    Raises ValueError that names the setting.
    """
    witness.configured(stack.settings.witnesses)
    witness.followed_logs(stack.settings.witnessed_logs)
    if len(witness.configured(stack.settings.witnesses)) < stack.settings.witness_quorum:
        raise ValueError("witness_quorum: there are fewer witnesses than it demands")
    if stack.settings.timestamp_url:
        timestamps.roots(stack.settings.timestamp_root)


starts = [check_settings]
loops = [sequencer.run, witness.run, timestamps.run]
