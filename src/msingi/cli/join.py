"""`msingi join`: an institution joins an exchange with a key, and asks it; no server of its own is needed."""

import asyncio
import json
import os
import time
from pathlib import Path
from typing import Any

import click
import httpx
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from msingi.exchange import certificates, mutual
from msingi.exchange import client as exchange
from msingi.kernel import clock

FILE, TLS_CERTIFICATE, TLS_KEY = "exchange.json", "tls.pem", "tls-key.pem"


def folder_option(command: Any) -> Any:
    """The option --folder, which all of these commands share."""
    return click.option(
        "--folder",
        type=click.Path(path_type=Path, file_okay=False),
        default=Path("exchange"),
        show_default=True,
        help="Where the institution's key and its membership are kept.",
    )(command)


@click.group()
def join() -> None:
    """Join an exchange as an institution: make a key, apply, and ask. It takes minutes, and no server.

    msingi join apply makes a key, keeps it here, and asks the governing authority; msingi join status waits for its
    answer; msingi join right asks the owner of a service for a right to it, and msingi join ask asks the service;
    msingi join offer describes a service of one's own; msingi join roll changes the key, which never leaves this
    machine.
    """


def _kept(folder: Path) -> dict[str, Any]:
    file = folder / FILE
    if not file.exists():
        raise click.ClickException(f"{file} is missing. Begin with: msingi join apply --folder {folder} ...")
    return json.loads(file.read_text("utf-8"))


def _keep(folder: Path, known: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    _secret(folder / FILE, json.dumps(known, indent=1, ensure_ascii=False).encode())


def _secret(file: Path, content: bytes) -> None:
    """Write a file that this user alone can read; whole, or not at all."""
    draft = file.with_name(f"{file.name}.new")
    descriptor = os.open(draft, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        out.write(content)
    draft.replace(file)


def _sent(known: dict[str, Any], method: str, path: str, body: Any = None, key: dict[str, str] | None = None) -> Any:
    """The JSON answer to a signed request. Raises click.ClickException with what the exchange says."""
    raw = b"" if body is None else json.dumps(body).encode()
    made = exchange.prepare(
        known["exchange"], known["client"], key or known["key"], path, method=method, body=raw,
        headers={"content-type": "application/json"} if raw else {},
    )  # fmt: skip
    try:
        answer = httpx.request(method, made.url, content=raw or None, headers=made.headers, timeout=30, trust_env=False)
    except httpx.HTTPError as lost:
        raise click.ClickException(f"{known['exchange']} does not answer: {lost}") from None
    return _told(answer)


def _asked(known: dict[str, Any], service: str, method: str, number: str = "", body: Any = None) -> Any:
    """The verified answer of the owner of `service`, at home or in another country, to a message about rights."""
    owner, _, code = service.rpartition("/")
    if not code or owner.count("/") != 3:
        raise click.ClickException(f"{service}: a service is named INSTANCE/CLASS/MEMBER/SUBSYSTEM/SERVICE.")
    raw = b"" if body is None else json.dumps(body | {"service": code}).encode()
    named = {"msingi-purpose": "data-exchange"} | ({"content-type": "application/json"} if raw else {})
    path = exchange.service_path(f"{owner}/rights", number)
    return _answer(known, method, path, raw, named).json


def _answer(known: dict[str, Any], method: str, path: str, raw: bytes, named: dict[str, str]) -> exchange.Answered:
    """The verified answer to a message. Raises click.ClickException for an error, and where nothing answers."""
    url = known.get("gateway", known["exchange"])
    made = exchange.prepare(url, known["client"], known["key"], path, method=method, body=raw, headers=named)
    try:
        answer = asyncio.run(exchange.send(made, known["exchange_keys"], known.get("tls")))
    except httpx.HTTPError as lost:
        raise click.ClickException(f"{url} does not answer: {lost}") from None
    if answer.error or answer.status >= 400:
        raise click.ClickException(str(exchange.Refused(answer)))
    return answer


def _with_certificate(folder: Path) -> dict[str, Any]:
    """What is known, with the certificate that this institution shows, if it has made one."""
    held = folder / TLS_CERTIFICATE
    return _kept(folder) | ({"tls": mutual.holding(held, folder / TLS_KEY)} if held.exists() else {})


def _told(answer: httpx.Response) -> Any:
    found = answer.json() if "json" in answer.headers.get("content-type", "") else {}
    if answer.status_code >= 400:
        field = found.get("field")
        parts = [found.get("title"), f"{field}:" if field else "", found.get("detail"), found.get("remedy")]
        raise click.ClickException(
            ". ".join(p.rstrip(".") for p in parts if p).replace(":. ", ": ")
            or f"{answer.status_code}: {answer.text[:200]}"
        )
    return found


@join.command()
@folder_option
@click.option("--to", "url", required=True, help="Address of the exchange, such as https://exchange.example.")
@click.option("--code", required=True, help="The institution's code: lower-case letters, digits, hyphens.")
@click.option("--class", "member_class", default="GOV", show_default=True, help="GOV, COM, NGO ...")
@click.option("--name", required=True, help="The institution's name.")
@click.option("--language", default="en", show_default=True, help="The language of the name.")
@click.option("--contact", required=True, help="How the authority reaches you: e-mail address or telephone.")
@click.option("--subsystem", default="main", show_default=True, help="The software that will ask.")
@click.option("--law", default="", help="The law or decision by which the institution works.")
def apply(folder: Path, url: str, code: str, member_class: str, name: str, language: str, contact: str,
          subsystem: str, law: str) -> None:  # fmt: skip
    """Make a key, and ask the governing authority to let the institution join."""
    if (folder / FILE).exists():
        raise click.ClickException(f"{folder / FILE} exists: this institution has applied. See msingi join status.")
    url = url.rstrip("/")
    try:
        about = _told(httpx.get(f"{url}/v1/exchange/keys", timeout=30, trust_env=False))
    except httpx.HTTPError as lost:
        raise click.ClickException(f"{url} does not answer: {lost}") from None
    key = exchange.new_key()
    known = {
        "exchange": url,
        "instance": about["instance"],
        "client": f"{about['instance']}/{member_class}/{code}/{subsystem}",
        "exchange_keys": about["keys"],
        "key": key,
    }
    order = {
        "institution": code, "member_class": member_class, "name": {language: name}, "contact": contact,
        "subsystem": subsystem, "key": exchange.public_part(key), "law": law,
    }  # fmt: skip
    _keep(folder, known)
    try:
        made = _sent(known, "POST", "/v1/exchange/applications", order)
    except click.ClickException:
        (folder / FILE).unlink()
        raise
    _keep(folder, known | {"application": made["application"]})
    click.echo(f"Applied as {known['client']}, number {made['application']}.")
    click.echo(f"Your key's fingerprint, which the authority compares by telephone: {made['fingerprint']}")
    click.echo(f"The key is in {folder / FILE}: keep it secret, and keep a copy. Next: msingi join status --wait 600")


@join.command()
@folder_option
@click.option("--wait", type=int, default=0, help="Wait for the decision, at most so many seconds.")
def status(folder: Path, wait: int) -> None:
    """Say how the application stands. Exit code 0 when the institution has joined, 3 while it waits."""
    known, until = _kept(folder), time.monotonic() + wait
    while True:
        url = f"{known['exchange']}/v1/exchange/applications/{known['application']}"
        found = _told(httpx.get(url, timeout=30, trust_env=False))
        if found["state"] != "waiting" or time.monotonic() >= until:
            break
        time.sleep(min(2.0, max(0.0, until - time.monotonic())))
    click.echo(f"{known['client']}: {found['state']}{': ' + found['because'] if found['because'] else ''}")
    if found["state"] != "approved":
        raise click.exceptions.Exit(3 if found["state"] == "waiting" else 1)
    click.echo(f"Next: choose a service at {known['exchange']}/exchange, and ask for it: msingi join right --help")


@join.command()
@folder_option
@click.argument("service")
@click.option("--purpose", required=True, help="For what; see the catalogue.")
@click.option("--basis", required=True, help="The legal basis: consent, contract, legal-obligation, public-task ...")
@click.option("--law", required=True, help="The law and article that it rests on.")
@click.option("--fields", required=True, help="Only the fields that are needed, separated by commas.")
@click.option("--why", required=True, help="Why they are needed, in a sentence; everybody can read it.")
@click.option("--days", type=click.IntRange(1, 3650), default=365, show_default=True, help="For how long.")
@click.option("--by-number", is_flag=True, help="Ask by identity number, too, not only by your own pseudonyms.")
@click.option("--wait", type=int, default=0, help="Wait for the owner's decision, at most so many seconds.")
def right(folder: Path, service: str, purpose: str, basis: str, law: str, fields: str, why: str, days: int,
          by_number: bool, wait: int) -> None:  # fmt: skip
    """Ask the owner of SERVICE (INSTANCE/CLASS/MEMBER/SUBSYSTEM/SERVICE) for a right to it.

    The owner may be in another country. Exit code 0 when it is granted, 3 while it waits. The same command again asks
    no second time: it says how the first request stands. After a refusal it asks anew.
    """
    known = _kept(folder)
    order = {
        "client": known["client"].partition("/")[2], "service": service, "purpose": purpose, "basis": basis,
        "law": law, "fields": fields.replace(",", " ").split(), "reason": why, "days": days, "by_number": by_number,
    }  # fmt: skip
    shown = _with_certificate(folder)
    until, name, pause = time.monotonic() + wait, json.dumps(order, sort_keys=True), 1.0
    number = known.get("asked", {}).get(name)
    if number is None:
        number = _asked(shown, service, "POST", body=order)["request"]
        _remember(folder, known, name, number)
    while (asked := _asked(shown, service, "GET", number))["state"] == "waiting":
        if time.monotonic() >= until:
            click.echo(f"{service}: the owner has not decided yet. The same command says how it stands.")
            raise click.exceptions.Exit(3)
        time.sleep(min(pause, max(0.0, until - time.monotonic())))
        pause = min(30.0, pause * 1.5)  # each look is a message, and stands in the log
    click.echo(f"{service}: {asked['state']}{': ' + asked['because'] if asked['because'] else ''}")
    if asked["state"] != "approved":
        _remember(folder, known, name, None)
        raise click.exceptions.Exit(1)
    click.echo(f"Fields: {' '.join(asked['order']['fields'])}. Until {asked['until']}.")
    click.echo(f"Next: msingi join ask {service} PERSON --purpose {purpose}")
    if asked["until"] <= clock.now().isoformat():
        _remember(folder, known, name, None)


def _remember(folder: Path, known: dict[str, Any], name: str, number: str | None) -> None:
    """Keep the number of a request that was sent; with None forget it, so that the same can be asked anew."""
    asked = known.get("asked", {}) | {name: number}
    _keep(folder, known | {"asked": {k: v for k, v in asked.items() if v}})


@join.command()
@folder_option
@click.argument("service")
@click.argument("description", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--purposes", required=True, help="For what it may be asked, separated by commas.")
@click.option("--bases", required=True, help="On which legal bases, separated by commas.")
@click.option("--url", default="", help="Where it answers; the operator must have named its host.")
@click.option("--level", default="", help="What you promise, in words: '99 % of answers within two seconds'.")
@click.option("--about-nobody", is_flag=True, help="It is asked about no person.")
def offer(folder: Path, service: str, description: Path, purposes: str, bases: str, url: str, level: str,
          about_nobody: bool) -> None:  # fmt: skip
    """Offer a service of one's own by its OpenAPI 3 description (JSON or YAML); again: describe it anew."""
    known = _kept(folder)
    order = {
        "service": service, "owner": known["client"].partition("/")[2], "openapi": description.read_text("utf-8"),
        "purposes": purposes.replace(",", " ").split(), "bases": bases.replace(",", " ").split(), "url": url,
        "level": level, "about_person": not about_nobody,
    }  # fmt: skip
    made = _sent(known, "POST", "/v1/exchange/descriptions", order)
    click.echo(f"{known['client']}/{made['service']} is offered, with the fields {' '.join(made['fields'])}.")
    click.echo(f"Everybody sees it at {known['exchange']}/exchange/offers/{made['service']}")


@join.command()
@folder_option
@click.argument("service")
@click.argument("person", default="")
@click.option("--purpose", required=True, help="For what; see the catalogue.")
@click.option("--basis", default="", help="The legal basis, where several fit.")
@click.option("--fields", default="", help="Only these fields, separated by commas.")
def ask(folder: Path, service: str, person: str, purpose: str, basis: str, fields: str) -> None:
    """Ask SERVICE (INSTANCE/CLASS/MEMBER/SUBSYSTEM/SERVICE) about PERSON, and print the verified answer."""
    known = _kept(folder)
    named = [name for name in fields.replace(",", " ").split() if name]
    shown, url = _with_certificate(folder).get("tls"), known.get("gateway", known["exchange"])
    try:
        answer = asyncio.run(
            exchange.ask(
                url, known["client"], known["key"], service, person, purpose, basis=basis, fields=named,
                exchange_keys=known["exchange_keys"], tls=shown,
            )
        )  # fmt: skip
    except exchange.Refused as no:
        raise click.ClickException(str(no)) from None
    except httpx.HTTPError as lost:
        raise click.ClickException(f"{url} does not answer: {lost}") from None
    click.echo(answer.body.decode("utf-8", "replace"))


@join.command()
@folder_option
@click.argument("url")
def address(folder: Path, url: str) -> None:
    """Send messages to another address of the same exchange from now on, such as a gateway that asks for certificates.

    It is tried first: what answers there must sign with the exchange's keys. SSL_CERT_FILE names the authority of its
    server certificate, if it is one of your own.
    """
    known = _with_certificate(folder) | {"gateway": url.rstrip("/")}
    if not url.startswith(("http://", "https://")):
        raise click.ClickException(f"{url}: an address begins with https:// or http://.")
    _answer(known, "GET", f"/r1/{known['client']}/listMethods", b"", {"msingi-purpose": "data-exchange"})
    _keep(folder, {name: value for name, value in known.items() if name != "tls"})
    click.echo(f"Messages of {known['client']} go to {known['gateway']}.")


def _certify(folder: Path, known: dict[str, Any], days: int = 90) -> None:
    private = exchange.private_key(known["key"])
    tls = ec.generate_private_key(ec.SECP256R1())
    made = certificates.issued(
        known["key"]["kid"], private.sign, known["client"], tls.public_key(), clock.now(), days
    )  # fmt: skip
    raw = tls.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    _secret(folder / TLS_KEY, raw)
    _secret(folder / TLS_CERTIFICATE, certificates.as_pem(made))


@join.command()
@folder_option
@click.option("--days", type=click.IntRange(1, 398), default=90, show_default=True, help="How long it is valid.")
def certificate(folder: Path, days: int) -> None:
    """Make a TLS key and a certificate that the institution's own key signs, for an exchange that asks for one.

    No authority is needed: the exchange believes what a registered key has signed, for as long as the key is
    registered. Make a new one whenever you like, as often as you like; msingi join ask shows it from now on.
    """
    known = _kept(folder)
    _certify(folder, known, days)
    click.echo(f"{folder / TLS_CERTIFICATE} for {known['client']}, valid for {days} days; its key: {folder / TLS_KEY}")


@join.command()
@folder_option
def roll(folder: Path) -> None:
    """Change the key: a new one is added, tried, and then the old one is stopped. Nothing stops in between."""
    known = _kept(folder)
    fresh = known.get("next_key") or exchange.new_key()
    _keep(folder, known | {"next_key": fresh})  # an interrupted change goes on with the same key
    try:
        _sent(known, "POST", "/v1/exchange/own-keys", exchange.public_part(fresh))
    except click.ClickException as no:
        if "known" not in no.message:
            raise
    old = known["key"]
    _sent(known, "POST", f"/v1/exchange/own-keys/{old['kid']}/stop", key=fresh)
    _keep(folder, {k: v for k, v in known.items() if k != "next_key"} | {"key": fresh})
    click.echo(f"The key is now {fresh['kid']}; {old['kid']} is stopped.")
    if (folder / TLS_CERTIFICATE).exists():
        _certify(folder, known | {"key": fresh})
        click.echo(f"{folder / TLS_CERTIFICATE} is made anew, by the new key.")
