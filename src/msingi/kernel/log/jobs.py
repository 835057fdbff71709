"""The log's endless work: the sequencer, and asking the witnesses. Nothing of it is in the way of an act."""

from typing import TYPE_CHECKING

from msingi.kernel.log import sequencer, witness

if TYPE_CHECKING:
    from msingi.kernel.stack import Stack


async def check_settings(stack: "Stack") -> None:
    """Fail at start, and not later in the background, if a witness or a followed log is written wrongly.

    Raises ValueError that names the setting.
    """
    witness.configured(stack.settings.witnesses)
    witness.followed_logs(stack.settings.witnessed_logs)


starts = [check_settings]
loops = [sequencer.run, witness.run]
