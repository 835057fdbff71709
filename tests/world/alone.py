"""Runs inside a network namespace that has only loopback: the stack, a visitor, and the tour. Started by test_alone.

Prints one JSON object; `no_route` counts the packets that somebody wanted to send beyond this machine.
"""

import asyncio
import errno
import fcntl
import json
import socket
import struct
import subprocess
import sys
from pathlib import Path
from shutil import which
from typing import Any

from tests.running import Running
from tests.world.callers import Caller, register_desk

from msingi.cli.visitor import Visitor

IFF_UP, SIOCGIFFLAGS, SIOCSIFFLAGS = 1, 0x8913, 0x8914


def raise_loopback() -> None:
    """Do what `ip link set lo up` does, on machines without that program too."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        flags = struct.unpack("16sh14x", fcntl.ioctl(asking, SIOCGIFFLAGS, struct.pack("16sh14x", b"lo", 0)))[1]
        fcntl.ioctl(asking, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | IFF_UP))


def packets_without_route() -> int:
    """How many packets had nowhere to go since the namespace began (IPv4 and IPv6)."""
    names, values = [line.split()[1:] for line in Path("/proc/net/snmp").read_text().splitlines()[:2]]
    four = int(dict(zip(names, values, strict=True))["OutNoRoutes"])
    six = Path("/proc/net/snmp6")
    lines = six.read_text().splitlines() if six.exists() else []
    return four + sum(int(line.split()[1]) for line in lines if line.startswith("Ip6OutNoRoutes"))


def refused(family: socket.AddressFamily, address: str) -> str:
    """The error of trying to leave: the name of the errno, or `connected`."""
    with socket.socket(family, socket.SOCK_STREAM) as trying:
        try:
            trying.connect((address, 443))
        except OSError as no:
            return errno.errorcode.get(no.errno or 0, str(no))
    return "connected"


async def visit(running: Running) -> dict[str, Any]:
    """A few doors that everything else stands on, with what they answered."""
    known, url = running.sample, running.url
    person, clinician = known["people"][0], next(s for s in known["staff"] if s["role"] == "clinician")
    async with Visitor(url) as visitor:
        page = await visitor.sign_in(person["number"], person["pin"], person["phone"])
        figures = await visitor.open("/figures/16.9.1.json?lang=en")
        reference = await visitor.open("/docs")
    caller = await Caller.sign_in(url, await register_desk(running.home), clinician)
    patient = {"resourceType": "Patient", "identifier": [{"system": "urn:x", "value": "1"}]}
    found = await caller.http.get("/fhir/Immunization")
    stored = await caller.http.post("/fhir/Patient", json=patient)
    return {
        "signed_in": page.url.removeprefix(url),
        "figures": figures.status,
        "reference": reference.status,
        "fhir_search": found.status_code,
        "fhir_stranger": stored.status_code,
    }


def main(home: Path, rows: int) -> int:
    """Start, visit, tour, stop; exit code 0 if all of it worked."""
    raise_loopback()
    told: dict[str, Any] = {"interfaces": [name for _, name in socket.if_nameindex()]}
    if which("ip"):
        told["ip_route"] = subprocess.run(["ip", "route"], capture_output=True, text=True).stdout
    told["routes"] = Path("/proc/net/route").read_text().splitlines()[1:]
    running = Running(home, 60).start()
    try:
        told["started_s"] = round(running.took_s, 1)
        told |= asyncio.run(visit(running))
        toured = running.run("tour", "--home", str(home), "--rows", str(rows), timeout_s=600)
        told["tour"], told["tour_says"] = toured.returncode, (toured.stdout + toured.stderr)[-3000:]
        told["no_route"] = packets_without_route()
        told["leaving"] = [refused(socket.AF_INET, "192.0.2.1"), refused(socket.AF_INET6, "2001:db8::1")]
        told["no_route_then"] = packets_without_route()
    finally:
        told["stopped"] = running.stop()
    print(json.dumps(told))
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2])))
