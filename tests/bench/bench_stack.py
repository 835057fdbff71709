"""Start and memory of the whole stack: `bench_stack.py [--sample N]`, with the goals of the project beside."""

import argparse
import tempfile
import time
from pathlib import Path

from tests.running import Running


def tree(pid: int) -> set[int]:
    """A process and all that it started, by their ids."""
    found, waiting = set(), [pid]
    while waiting:
        one = waiting.pop()
        found.add(one)
        for task in Path(f"/proc/{one}/task").glob("*/children"):
            waiting += map(int, task.read_text().split())
    return found


def pss_mb(pids: set[int]) -> float:
    """The sum of proportional set sizes, so that shared memory counts once."""
    total = 0
    for pid in pids:
        rollup = Path(f"/proc/{pid}/smaps_rollup")
        if rollup.exists():
            total += sum(int(line.split()[1]) for line in rollup.read_text().splitlines() if line.startswith("Pss:"))
    return total / 1000


def main() -> None:
    """Start twice, look, stop, and print one line a figure."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--sample", type=int, default=1000)
    options.add_argument("--idle", type=float, default=10.0, help="seconds of rest before memory is read")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        stack = Running(Path(folder) / "home", chosen.sample).start(wait_s=1800)
        cold = stack.took_s
        stack.stop()
        stack.start()
        warm = stack.took_s
        time.sleep(chosen.idle)
        assert stack.process is not None
        postmaster = int((stack.home / "pg" / "postmaster.pid").read_text().splitlines()[0])
        python, database = tree(stack.process.pid), tree(postmaster)
        mine, theirs = pss_mb(python - database), pss_mb(database)
        stack.stop()
    print(f"cold start to ready, {chosen.sample:,} people    {cold:6.1f} s   (goal < 30)")
    print(f"warm start to ready                  {warm:6.1f} s   (goal < 5)")
    print(
        f"idle memory, whole stack             {mine + theirs:6.0f} MB  (goal < 400; PostgreSQL {theirs:.0f} of them)"
    )


if __name__ == "__main__":
    main()
