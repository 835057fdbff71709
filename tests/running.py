"""A whole stack as a newcomer starts it: `msingi up` in a process of its own, with a small sample."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]


def free_port() -> int:
    """A TCP port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _hear_ctrl_c() -> None:
    """Tests that a shell runs in the background would hand down that Ctrl-C is ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Running:
    """A running stack; `sample` is its sample.json."""

    def __init__(self, home: Path, sample: int, *, country: str = "taifa", port: int = 0, prefix: tuple[str, ...] = ()):
        self.home = home
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.country, self.people, self.prefix = country, sample, prefix
        self.process: subprocess.Popen[bytes] | None = None
        self.took_s = 0.0

    @property
    def sample(self) -> dict[str, Any]:
        """What sample.json says."""
        return json.loads((self.home / "sample.json").read_text("utf-8"))

    def command(self, *args: str) -> list[str]:
        """A msingi command line, run from this checkout."""
        return [*self.prefix, sys.executable, "-m", "msingi", *args]

    def env(self) -> dict[str, str]:
        """The environment of the stack: this checkout, and nothing that the tests were started with."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith("MSINGI_")}
        return kept | {"PYTHONPATH": str(ROOT / "src"), "PYTHONUNBUFFERED": "1"}

    def launch(self, *more: str, **env: str) -> "Running":
        """Start it and do not wait; `more` are further options, `env` further environment variables."""
        args = ["up", "--home", str(self.home), "--port", str(self.port), "--country", self.country, *more]
        args += ["--sample", str(self.people)] if self.people else []
        with (self.home.parent / f"{self.home.name}.log").open("ab") as out:
            self.process = subprocess.Popen(
                self.command(*args), stdout=out, stderr=out, env=self.env() | env, cwd=ROOT, preexec_fn=_hear_ctrl_c
            )
        return self

    def start(self, wait_s: float = 400, *more: str, **env: str) -> "Running":
        """Start it and wait until it is ready."""
        return self.launch(*more, **env).ready(wait_s)

    def ready(self, wait_s: float = 400) -> "Running":
        """Wait until it is ready."""
        began = time.monotonic()
        assert self.process is not None
        while time.monotonic() - began < wait_s:
            if self.process.poll() is not None:
                raise RuntimeError(f"msingi up ended: {self.log()[-3000:]}")
            if self.answers():
                self.took_s = time.monotonic() - began
                return self
            time.sleep(0.05)
        self.stop()
        raise RuntimeError(f"not ready after {wait_s} s: {self.log()[-3000:]}")

    def answers(self) -> bool:
        """Whether it says that it is ready; asked without a client's preparations for TLS, which take 30 ms of CPU."""
        asked = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
        try:
            asked.request("GET", "/readyz")
            return asked.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            asked.close()

    def log(self) -> str:
        """What it printed."""
        return (self.home.parent / f"{self.home.name}.log").read_text("utf-8", "replace")

    def kill(self) -> None:
        """kill -9 the process of the stack; the database goes on, as after a crash of the program."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def kill_database(self) -> None:
        """kill -9 the postmaster and its children, as a power cut would."""
        pid = int((self.home / "pg" / "postmaster.pid").read_text().splitlines()[0])
        children = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True).stdout.split()
        for one in (pid, *map(int, children)):
            try:
                os.kill(one, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(0.3)

    def run(self, *args: str, timeout_s: float = 120, **env: str) -> subprocess.CompletedProcess[str]:
        """Run another msingi command on the same home."""
        return subprocess.run(
            self.command(*args), capture_output=True, text=True, env=self.env() | env, cwd=ROOT, timeout=timeout_s
        )

    def stop(self) -> int:
        """Ctrl-C, and wait; gives the exit code."""
        if self.process is None or self.process.poll() is not None:
            return self.process.returncode if self.process else 0
        self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(120)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
