"""Large bodies through the exchange: `python tests/bench/bench_bodies.py [--body 1GiB]`.

`msingi gateway` runs as it does for a country: its own process. A request with a body of this size passes to an
institution's server (a program of its own), and an answer of this size comes back; both are verified whole, by digest
and signature. Measured are the gateway's memory before, at its highest and after, and megabytes a second, beside nginx
with the same body (buffering off) and the raw speed of the two hashes that the protocols want, in the same run.
"""

import argparse
import asyncio
import base64
import hashlib
import logging
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import uvloop
from tests.bench.bench_exchange import started
from tests.bench.body_service import BLOCK
from tests.exchange import places
from tests.exchange.places import HOSPITAL, KEYS
from tests.running import ROOT, free_port

from msingi import app, countries
from msingi.exchange import acts, client
from msingi.exchange.model import Offer, ServiceCode
from msingi.exchange.upstream import Pool
from msingi.kernel.context import job_context
from msingi.kernel.postgres import EmbeddedServer, as_app, migrate
from msingi.kernel.settings import Settings
from msingi.kernel.stack import Stack

UNITS = {"KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
PATH = client.service_path("XT/GOV/rita/identity/archive")
CONF = """
worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
  access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s; client_max_body_size 0;
  proxy_http_version 1.1; proxy_request_buffering off; proxy_buffering off;
  server {{ listen 127.0.0.1:{plain}; location / {{ proxy_pass http://127.0.0.1:{service}; }} }}
}}
"""


def size_of(text: str) -> int:
    """`1GiB` in bytes, rounded to whole blocks."""
    unit = next((u for u in UNITS if text.endswith(u)), "")
    return max(1, int(float(text.removesuffix(unit)) * UNITS.get(unit, 1)) // len(BLOCK)) * len(BLOCK)


class Blocks:
    """A body of the same block again and again."""

    def __init__(self, size: int) -> None:
        self.size = size

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Its pieces."""
        for _ in range(self.size // len(BLOCK)):
            yield BLOCK


class Watch:
    """The memory and the CPU time of a process while something passes."""

    def __init__(self, process: psutil.Process, size: int) -> None:
        self.process, self.size = process, size

    async def __aenter__(self) -> "Watch":
        """Begin to look, ten times a second."""
        self.before = self.highest = self.process.memory_info().rss
        times = self.process.cpu_times()
        self.cpu_s = times.user + times.system
        self.began = time.perf_counter()
        self.looking = asyncio.get_running_loop().create_task(self._look())
        return self

    async def _look(self) -> None:
        while True:
            self.highest = max(self.highest, self.process.memory_info().rss)
            await asyncio.sleep(0.1)

    async def __aexit__(self, *_: object) -> None:
        """The end."""
        self.took_s = time.perf_counter() - self.began
        self.looking.cancel()
        times = self.process.cpu_times()
        self.cpu_s = times.user + times.system - self.cpu_s
        self.after = self.process.memory_info().rss

    def told(self, what: str) -> None:
        """Print what was seen."""
        print(
            f"{what:34} {self.size / 1e6:6.0f} MB at {self.size / 1e6 / self.took_s:5.0f} MB/s, CPU "
            f"{self.cpu_s / self.size * 1e9:4.1f} s a GB; memory {self.before / 1e6:.1f} MB before, "
            f"{self.highest / 1e6:.1f} MB at its highest, {self.after / 1e6:.1f} MB after",
            flush=True,
        )


async def prepared_stack(stack: Stack, service_port: int) -> None:
    """A hospital with a right to an archive that keeps files about nobody."""
    setup = job_context("setup")
    places.offer_services()
    await acts.publish_registered(stack)
    await acts.join_institution(stack, setup, places.join_order(HOSPITAL))
    await acts.approve(stack, setup, "hospitali")
    offer = Offer(
        ServiceCode("archive"), places.OWNER, title={"en": "Archive"}, fields=("scan",), document="scan",
        purposes=("statistics",), bases=("public-task",), needs_consent=False, about_person=False,
        openapi={"openapi": "3.1.0"}, url=f"http://127.0.0.1:{service_port}", media_type="application/pdf",
    )  # fmt: skip
    await acts.publish_offer(stack, setup, offer)
    right = places.right_order(
        basis="public-task", purpose="statistics", fields=("scan",), endpoints=("GET /**", "POST /**")
    )
    from msgspec.structs import replace

    await acts.grant_right(stack, setup, replace(right, service=ServiceCode("archive")))


def ready(base_url: str, method: str, query: str = "", **headers: str) -> client.Prepared:
    """A signed request to the archive."""
    named = {"msingi-purpose": "statistics"} | {n.replace("_", "-"): v for n, v in headers.items()}
    return client.prepare(
        base_url, "XT/" + HOSPITAL, KEYS[HOSPITAL], PATH, method=method, query=query, headers=named
    )  # fmt: skip


async def through_nginx(port: int, size: int) -> tuple[float, float]:
    """MB a second of the same body through nginx, there and back."""
    pool, rates = Pool(f"http://127.0.0.1:{port}", most=1), []
    for method, body in (("POST", Blocks(size)), ("GET", None)):
        began = time.perf_counter()
        head = f"{method} /?size={size} HTTP/1.1\r\nhost: x\r\n" + (f"content-length: {size}\r\n" if body else "")
        line = await pool.ask(method, f"{head}\r\n".encode(), b"", body)
        async for _ in line.body():
            pass
        rates.append(size / 1e6 / (time.perf_counter() - began))
    pool.close()
    return rates[0], rates[1]


async def pass_both_ways(process: psutil.Process, base_url: str, keys: list[dict[str, str]], size: int) -> None:
    """The body as a request, then as an answer."""
    digest = hashlib.sha256()
    for _ in range(size // len(BLOCK)):
        digest.update(BLOCK)
    told = f"sha-256=:{base64.b64encode(digest.digest()).decode()}:"
    for small in (True, False):  # the first makes connections and fills what is filled once
        count = len(BLOCK) * 32 if small else size
        part = hashlib.sha256(BLOCK * 32).digest()
        named = f"sha-256=:{base64.b64encode(part).decode()}:" if small else told
        async with Watch(process, count) as watch:
            answer = await client.download(
                ready(base_url, "POST", content_digest=named), keys, lambda _: None, Blocks(count)
            )
        assert answer.status == 200, answer
        if not small:
            watch.told("request through the gateway")
    got = [0]
    async with Watch(process, size) as watch:
        answer = await client.download(
            ready(base_url, "GET", f"size={size}"), keys, lambda piece: got.__setitem__(0, got[0] + len(piece))
        )
    assert answer.status == 200 and got[0] == size, (answer, got)
    watch.told("answer through the gateway")


async def main(size: int) -> None:
    """Prepare, measure."""
    logging.disable(logging.INFO)
    ports = {name: free_port() for name in ("service", "gateway", "plain")}
    service = subprocess.Popen([sys.executable, "-m", "tests.bench.body_service", str(ports["service"])], cwd=ROOT)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o711)
        home = folder / "home"
        home.mkdir(mode=0o711)
        server = EmbeddedServer(home / "pg")
        await migrate(server.url)
        settings = Settings(home=home, base_url="http://127.0.0.1", sandbox=True)
        stack = await Stack.open(settings, as_app(server.url), countries.load("taifa"))
        app.load_policies()
        await prepared_stack(stack, ports["service"])
        gateway = nginx = None
        try:
            gateway = started(home, ports["gateway"])
            process = psutil.Process(gateway.pid)
            if shutil.which("nginx"):
                (folder / "nginx.conf").write_text(CONF.format(folder=folder, **ports))
                nginx = subprocess.Popen(["nginx", "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")])
                await asyncio.sleep(0.5)
            base_url = f"http://127.0.0.1:{ports['gateway']}"
            await pass_both_ways(process, base_url, list(stack.keys.public("exchange")), size)
            if nginx is not None:
                there, back = await through_nginx(ports["plain"], size)
                print(f"nginx, plain HTTP, nothing verified: request {there:.0f} MB/s, answer {back:.0f} MB/s")
            for kind in ("sha256", "sha512"):
                began, digest = time.perf_counter(), hashlib.new(kind)
                for _ in range(2_000):
                    digest.update(BLOCK)
                print(f"raw {kind}: {2_000 * len(BLOCK) / 1e6 / (time.perf_counter() - began):.0f} MB/s")
        finally:
            for child in (gateway, nginx, service):
                if child is not None:
                    child.terminate()
                    child.wait()
            await stack.close()
            server.stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--body", default="1GiB", help="Its size: a number with KiB, MiB or GiB.")
    uvloop.run(main(size_of(parser.parse_args().body)))
