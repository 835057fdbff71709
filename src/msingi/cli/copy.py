"""A person's full copy of all that the stack holds about them, in open formats; the export is itself an act."""

from pathlib import Path

from msingi.cli.running import at_work
from msingi.governance import gathering
from msingi.identity import acts as identity
from msingi.kernel.context import job_context


async def write_copy(home: Path, number: str, out: Path) -> list[str]:
    """Write the copy into `out` and say what was written. Raises NotFound for a number that nobody has.

    The parts are those of the right of access: one truth about what belongs to a person.
    """
    out.mkdir(parents=True, exist_ok=True)
    out.chmod(0o700)
    async with at_work(home) as stack:
        person_id = await identity.person_by_number(
            stack, job_context("setup", "identity-proofing"), number, any_status=True
        )
        files = await gathering.files_of(stack, person_id)
    for name, body in files.items():
        (out / name).write_bytes(body)
    return [f"{out}:", *(f"  {name}: {len(body):,} bytes" for name, body in sorted(files.items()))]
