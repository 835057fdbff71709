"""How fast many people are paid: `python tests/bench/bench_files.py [--people N] [--profile]`.

A payment file (pain.001) for N enrolled people who have no wallet yet is read, checked, sealed and kept, approved by
a second official, and paid line by line: everybody is found in the register, gets a wallet and an entry in the own
access list, and every line has its outcome and every batch its leaf. The same people are then paid a second time, with
wallets, as in every later month. Figures are seconds, lines a second, and what a million lines would take like that.
"""

import argparse
import asyncio
import cProfile
import pstats
import tempfile
import time
from pathlib import Path
from typing import Any

import asyncpg
from tests.bench import bench_enrolment as register
from tests.bench import bench_payments
from tests.payments import kit

from msingi import app, countries
from msingi.identity import numbers
from msingi.kernel.postgres import EmbeddedServer, as_app, migrate
from msingi.kernel.settings import Settings
from msingi.kernel.stack import Stack
from msingi.payments import files, working

CLERK = kit.as_staff("payment-clerk", id="clerk", purpose="social-protection")
BOSS = kit.as_staff("payment-approver", id="boss", purpose="social-protection")


async def people_of(server: EmbeddedServer, settings: Settings, count: int) -> list[str]:
    """Lay down people in the register; their identity numbers."""
    drawn, draw = [], numbers.draw

    def noted() -> str:
        drawn.append(draw())
        return drawn[-1]

    numbers.draw = noted
    try:
        owner = await asyncpg.connect(server.url)
        await owner.execute("CREATE TABLE bench_laid (first int PRIMARY KEY)")
        await owner.close()
        await register.Builder(settings).lay(server.url, range(0, count, register.CHUNK), count)
    finally:
        numbers.draw = draw
    return drawn


async def paid(stack: Stack, raw: bytes, count: int, name: str, server: EmbeddedServer) -> None:
    """Hand a file in, approve it, pay it; print what each part took."""
    conn = await asyncpg.connect(server.url)
    await conn.execute("VACUUM ANALYZE")  # as autovacuum does within a minute; a month lies between the two files
    await conn.close()
    app.settle_memory()  # as the application does when it has started
    pid = server._server.get_pid()
    began, own, theirs = time.perf_counter(), time.process_time(), bench_payments.cpu_s(pid)
    kept = await files.upload_payment_file(stack, CLERK, raw)
    read, own_read, theirs_read = time.perf_counter(), time.process_time(), bench_payments.cpu_s(pid)
    await files.approve_payment_file(stack, BOSS, kept.file_id)
    done = await working.run_file(stack, kept.file_id)
    ended, own_end, theirs_end = time.perf_counter(), time.process_time(), bench_payments.cpu_s(pid)
    assert done.paid == count, done
    whole, us = ended - began, 1e6 / count
    print(
        f"{name}: taken in {read - began:.2f} s, paid in {ended - read:.2f} s, together {count / whole:,.0f} lines/s; "
        f"CPU us a line, Python + PostgreSQL: taken {(own_read - own) * us:.0f} + {(theirs_read - theirs) * us:.0f}, "
        f"paid {(own_end - own_read) * us:.0f} + {(theirs_end - theirs_read) * us:.0f}; a million: {whole * us:,.0f} s",
        flush=True,
    )


async def main(options: argparse.Namespace) -> None:
    """Build, pay twice, and print."""
    with tempfile.TemporaryDirectory() as folder:
        where = Path(folder)
        where.chmod(0o711)
        server = EmbeddedServer(where / "pg")
        try:
            await migrate(server.url)
            settings = Settings(home=where / "home")
            register.keystore_of(settings)
            found = await people_of(server, settings, options.people)
            stack = await Stack.open(settings, as_app(server.url), countries.load("taifa"))
            app.load_policies()
            app.furnish(stack)
            await app.start_rooms(stack)
            source = await kit.treasury(stack, 10**12)
            lines = [(f"E{n}", number, "1000") for n, number in enumerate(found)]
            for round_, name in enumerate(("first month", "second month")):
                raw = kit.pain_001(source.number, lines, message=f"M{round_}")
                watch: Any = cProfile.Profile() if options.profile and round_ else None
                if watch:
                    watch.enable()
                await paid(stack, raw, len(found), name, server)
                if watch:
                    watch.disable()
                    pstats.Stats(watch).sort_stats("tottime").print_stats(32)
            await stack.close()
        finally:
            server.stop()


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--people", type=int, default=5_000)
    options.add_argument("--profile", action="store_true", help="say where Python spends its time in the second month")
    asyncio.run(main(options.parse_args()))
