"""`msingi packet`: enrolment where there is no network, on the officer's own machine.

`new-device` makes a key, `make` writes one signed and encrypted file per enrolment, `send` hands all of them in as soon
as there is a network. Nothing here needs a running stack, but `send` and the key of the registry.
"""

import base64
import hashlib
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import httpx
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from msingi.identity.model import EnrolmentOrder

FOLDER = click.argument("folder", type=click.Path(path_type=Path, file_okay=False))


@click.group()
def packet() -> None:
    """Enrol people offline: signed, encrypted packets in a FOLDER, handed in when there is a network.

    A registrar registers the device's public key first (POST /v1/identity/devices, or the page of field devices).
    """


@packet.command()
@FOLDER
@click.option("--device", required=True, help="The device's name, as the registrar will register it.")
@click.option(
    "--registry", required=True, help="Address of the registry, to fetch the key to encrypt to; or a JWK file."
)
def new_device(folder: Path, device: str, registry: str) -> None:
    """Make a device in FOLDER: its key, the registry's key, and the count of its packets."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "device.json"
    if file.exists():
        raise click.ClickException(f"{file} exists: a device has one key. Choose another folder.")
    if Path(registry).is_file():
        jwk = json.loads(Path(registry).read_text("utf-8"))
    else:
        jwk = httpx.get(f"{registry.rstrip('/')}/v1/identity/packets/key", timeout=20).raise_for_status().json()
    key = Ed25519PrivateKey.generate()
    secret = key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    kept = {"device": device, "secret": base64.b64encode(secret).decode(), "registry": jwk, "sequence": 0, "last": ""}
    _write(file, kept)
    from msingi.identity.reception import envelope

    click.echo("Register this public key with a registrar:")
    click.echo(json.dumps({"device": device, "jwk": envelope.device_jwk(key)}))


def _write(file: Path, kept: dict[str, Any]) -> None:
    """Replace the file only by a whole one that is on the disk."""
    draft = file.with_suffix(".new")
    draft.touch(0o600)
    with draft.open("w", encoding="utf-8") as sink:
        sink.write(json.dumps(kept))
        sink.flush()
        os.fsync(sink.fileno())
    draft.replace(file)


@packet.command()
@FOLDER
@click.argument("order", type=click.File("r", encoding="utf-8"))
@click.option("--photo", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="A JPEG or PNG.")
@click.option("--place", default="", help="Where this is, in words.")
def make(folder: Path, order: Any, photo: Path | None, place: str) -> None:
    """Write one enrolment (JSON as for POST /v1/identity/enrolments; - for standard input) as a packet into FOLDER.

    The file is whole on the disk before the count goes on: if the machine dies, nothing is half written.
    """
    from msingi.identity.reception import envelope, field

    file = folder / "device.json"
    if not file.exists():
        raise click.ClickException(f"{folder} holds no device. Begin with: msingi packet new-device")
    kept = json.loads(file.read_text("utf-8"))
    try:
        wanted = msgspec.json.decode(order.read().encode(), type=EnrolmentOrder)
    except (msgspec.ValidationError, msgspec.DecodeError) as wrong:
        raise click.ClickException(f"The enrolment is wrong: {wrong}") from None
    if photo is not None:
        wanted = msgspec.structs.replace(wanted, photo=photo.read_bytes())
    key = Ed25519PrivateKey.from_private_bytes(base64.b64decode(kept["secret"]))
    number = kept["sequence"] + 1
    made = field.made_packet(kept["device"], number, kept["last"], wanted, place, datetime.now(UTC))
    text = envelope.sealed(made, key, kept["registry"])
    target = folder / f"{number:06d}-{made.packet_id}.packet"
    draft = target.with_suffix(".new")
    draft.write_text(text, "ascii")
    draft.replace(target)
    _write(file, kept | {"sequence": number, "last": hashlib.sha256(text.encode()).hexdigest()})
    click.echo(f"{target.name}: {len(text):,} bytes; number {number} of this device")


@packet.command()
@FOLDER
@click.option("--registry", required=True, help="Address of the registry.")
def send(folder: Path, registry: str) -> None:
    """Hand in every packet of FOLDER; one that arrived is moved to FOLDER/sent. Interrupted, it is simply run again."""
    (folder / "sent").mkdir(exist_ok=True)
    files = sorted(folder.glob("*.packet"))
    counted = {"arrived": 0, "refused": 0}
    with httpx.Client(base_url=registry.rstrip("/"), timeout=60) as http:
        for file in files:
            answer = http.post(
                "/v1/identity/packets", content=file.read_bytes(), headers={"content-type": "text/plain"}
            )
            if answer.status_code == 202:
                file.replace(folder / "sent" / file.name)
                counted["arrived"] += 1
                click.echo(f"{file.name}: {answer.json()['state']}")
            elif answer.status_code >= 500 or answer.status_code == 429:
                raise click.ClickException(f"the registry cannot take packets now ({answer.status_code}); try later")
            else:
                counted["refused"] += 1
                told = answer.json()
                click.echo(f"{file.name}: {told.get('title')}: {told.get('rule', told.get('code'))}", err=True)
    click.echo(f"{len(files)} packets: {counted['arrived']} arrived, {counted['refused']} refused and kept here")
