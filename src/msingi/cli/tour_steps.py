"""The steps of the tour. Each does what a person, an officer or an institution would do, and checks what comes back."""

import asyncio
import csv
import gzip
import json
import re
import sys
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from secrets import token_hex
from typing import Any
from xml.sax.saxutils import escape

import click

from msingi import countries
from msingi.cli.visitor import Page, Visitor
from msingi.exchange import client as exchange
from msingi.kernel import money

SAMPLES = files("msingi.countries") / "samples"


def say(text: str) -> None:
    """One line of the story."""
    click.echo(f"   {text}")


def must(truth: object, otherwise: str) -> None:
    """Go on only if something is so. Raises click.ClickException."""
    if not truth:
        raise click.ClickException(otherwise)


class Steps:
    """The tour's state: the sample, a visitor for each person who signs in, and what was learned on the way."""

    def __init__(self, home: Path, known: dict[str, Any], folder: Path, rows: int) -> None:
        self.home, self.known, self.folder, self.rows = home, known, folder, rows
        self.url: str = known["base_url"]
        self.profile = countries.load(known["country"])
        self.asha, self.juma = known["people"][0], known["people"][1]
        self.me = Visitor(self.url)
        self.desks: dict[str, Visitor] = {}
        self.run_id = datetime.now(UTC).strftime("%H%M%S%f")

    async def __aenter__(self) -> "Steps":
        trust = await self.me.open("/.well-known/msingi-trust.json")
        (self.folder / "trust.json").write_bytes(trust.raw)
        return self

    async def __aexit__(self, *_: object) -> None:
        for visitor in (self.me, *self.desks.values()):
            await visitor.client.aclose()

    def staff(self, role: str) -> dict[str, Any]:
        """The sign-in of a member of staff."""
        return next(s for s in self.known["staff"] if s["role"] == role)

    def institution(self, kind: str) -> dict[str, Any]:
        """An institution of the sample, with its private key."""
        return next(i for i in self.known["institutions"] if i["kind"] == kind)

    async def desk(self, role: str) -> Visitor:
        """A signed-in member of staff."""
        if role not in self.desks:
            who = self.staff(role)
            self.desks[role] = Visitor(self.url)
            await self.desks[role].sign_in(who["id"], who["pin"], who["phone"])
        return self.desks[role]

    async def msingi(self, *args: str) -> str:
        """Run another msingi command on the same home. Raises click.ClickException with what it said."""
        ran = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "msingi", *args, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        out, err = await ran.communicate()
        must(ran.returncode == 0, f"msingi {args[0]} failed: {(err or out).decode(errors='replace').strip()[-800:]}")
        return out.decode()

    # 1

    async def enrol(self) -> None:
        """Enrol a file of dirty data; probable duplicates wait, and an officer decides one."""
        people, mapping, outcome = (self.folder / n for n in ("people.csv", "mapping.toml", "outcome.csv"))
        lines = gzip.decompress((SAMPLES / "febrl" / "febrl3.csv.gz").read_bytes()).decode().splitlines()
        people.write_text("\n".join(lines[: self.rows + 1]) + "\n", "utf-8")
        codes = [r.code for r in self.profile.regions]
        text = (SAMPLES / "febrl" / "mapping.toml").read_text("utf-8")
        mapping.write_text(re.sub(r'"R0(\d)"', lambda m: f'"{codes[(int(m[1]) - 1) % len(codes)]}"', text), "utf-8")
        args = ["enrol", str(people), "--home", str(self.home), "--mapping", str(mapping)]
        args += ["--out", str(outcome), "--source", f"tour-{self.run_id}"]
        say((await self.msingi(*args)).splitlines()[0])
        with outcome.open(encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        held = [r for r in rows if r["outcome"] == "held"]
        must(held or self.rows < 50, "no probable duplicate was held")
        originals = {r["row"].split("-")[1] for r in rows if r["outcome"] == "enrolled"}
        right = sum(r["row"].split("-")[1] in originals for r in held)
        if held:
            say(f"{right} of {len(held)} held rows are of somebody who was enrolled; the data's own truth says so")
        desk = await self.desk("officer")
        page = await desk.open("/staff/duplicates")
        if held:
            case = await desk.open(page.link("/staff/duplicates/"))
            form = case.form("reason")
            decided = await desk.submit(case, form, reason="same name, same birth date, same address", answer="0")
            say(f"An officer compared two records and decided; {_clip(decided.main, decided.heading, 160)}")

    # 2

    async def card(self) -> None:
        """Print the card, read its code from the picture, and verify it with public keys alone."""
        from msingi.credentials.picture import read_qr

        await self.me.sign_in(self.asha["number"], self.asha["pin"], self.asha["phone"])
        card = await self.me.open("/me/card.pdf")
        must(card.raw.startswith(b"%PDF"), "the card is not a PDF")
        (self.folder / "card.pdf").write_bytes(card.raw)
        say(f"The card of {self.asha['name']}: {self.folder / 'card.pdf'} ({len(card.raw) / 1000:.0f} kB, both sides)")
        picture = await self.me.open("/me/card.png")
        (self.folder / "code.png").write_bytes(picture.raw)
        text = read_qr(picture.raw)
        listed = await self.me.client.get(self._status_address(text), headers={"Accept": "application/statuslist+cwt"})
        (self.folder / "status.cwt").write_bytes(listed.content)
        args = ["verify", str(self.folder / "code.png"), "--trust", str(self.folder / "trust.json")]
        answer = await self.msingi(*args, "--status", str(self.folder / "status.cwt"))
        must(answer.startswith("valid"), f"the card was not accepted: {answer}")
        say(f"Verified with the public key alone: {answer.splitlines()[0]}; {answer.splitlines()[-1].strip()}")

    def _status_address(self, text: str) -> str:
        """Where the card says that its status list is."""
        from msingi.credentials.verify import verify_card

        trust = json.loads((self.folder / "trust.json").read_text("utf-8"))
        claims = verify_card(text, trust["credentials"], None, datetime.now(UTC)).claims
        status = claims.status if claims else None
        if status is None:
            raise click.ClickException("the card names no status list")
        return status.uri

    # 3

    async def sign_in(self) -> None:
        """Sign in afresh, and show that the code travels only by message."""
        self.desks["person"] = self.me
        await self.me.client.aclose()
        self.me = Visitor(self.url)
        page = await self.me.sign_in(self.asha["number"], self.asha["pin"], self.asha["phone"])
        must(page.status == 200 and "/me" in page.url, f"signing in ended at {page.url}")
        messages = await self.me.messages(self.asha["phone"])
        say(f"{self.asha['name']} proved two factors; the code came by message: “{messages[-1]['text']}”")
        say(f"She is at {page.url}: “{page.heading}”")

    # 4

    async def pay(self) -> None:
        """A clerk hands in a payment file, another official approves it; then one person sends money to another."""
        paid = self.profile.tiers[0].per_transfer_minor // 40  # well within what a first account may hold
        text = self._pain001([self.asha, self.juma, *self.known["people"][2:10]], paid)
        (self.folder / "payment.xml").write_text(text, "utf-8")
        clerk = await self.desk("clerk")
        page = await clerk.open("/staff/payments")
        form = page.form("file")
        page = await clerk.submit(page, form, files={"file": ("payment.xml", text.encode(), "application/xml")})
        file_page = page.url
        say("The clerk handed in an ISO 20022 payment file for 10 people, named by identity number")
        approver = await self.desk("approver")
        page = await approver.open(file_page)
        page = await approver.submit(page, page.form(action="approve"), button=("answer", "approve"))
        for _ in range(150):
            page = await approver.open(file_page)
            bar = page.tree.xpath("//progress")
            if bar and bar[0].get("value") == bar[0].get("max"):
                break
            await asyncio.sleep(0.2)
        else:
            raise click.ClickException(f"the file was not worked off within half a minute: {page.main[:200]}")
        say(f"The approver, another person, approved it; “{_clip(page.main, page.heading, 90)}”")
        wallet = await self.me.open("/me/money")
        shown = money.format(paid, self.profile.currency, self.profile.group_separator, self.profile.decimal_point)
        must(shown.split()[-1] in wallet.main, "the money did not arrive")
        say(f"{self.asha['name']} sees {shown} on her account")
        await self._send(paid * 7 // 25)

    async def _send(self, minor: int) -> None:
        amount = money.plain(minor, self.profile.currency).replace(".", self.profile.decimal_point)
        page = await self.me.open("/me/money/send")
        sent = await self.me.submit(page, page.form("phone"), phone=self.juma["phone"], amount=amount, note="asante")
        say(f"She sees whom she pays before she pays: “{_clip(sent.main, sent.heading, 170)}”")
        receipt = await self.me.submit(sent, sent.form(action="confirm"))
        must("receipts" in receipt.url, f"sending ended at {receipt.url}")
        say(f"{amount} sent to {self.juma['name']} by phone number: “{receipt.heading}”")

    def _pain001(self, people: list[dict[str, Any]], minor: int) -> str:
        currency, treasury = self.profile.currency, self.known["treasury"]
        amount = money.plain(minor, currency)
        total = money.plain(minor * len(people), currency)
        head = (
            f"<GrpHdr><MsgId>TOUR{self.run_id}</MsgId><CreDtTm>{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}</CreDtTm>"
            f"<NbOfTxs>{len(people)}</NbOfTxs><CtrlSum>{total}</CtrlSum>"
            f"<InitgPty><Nm>{escape(treasury['institution'])}</Nm></InitgPty></GrpHdr>"
        )
        lines = "".join(
            f"<CdtTrfTxInf><PmtId><EndToEndId>T{self.run_id}N{n}</EndToEndId></PmtId>"
            f'<Amt><InstdAmt Ccy="{currency.code}">{amount}</InstdAmt></Amt>'
            f"<Cdtr><Nm>{escape(p['name'])}</Nm></Cdtr><CdtrAcct><Id><Othr><Id>{p['number']}</Id>"
            f"<SchmeNm><Prtry>MSINGI-ID</Prtry></SchmeNm></Othr></Id></CdtrAcct>"
            f"<RmtInf><Ustrd>Child grant</Ustrd></RmtInf></CdtTrfTxInf>"
            for n, p in enumerate(people, 1)
        )
        return (
            '<?xml version="1.0" encoding="UTF-8"?>'
            '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"><CstmrCdtTrfInitn>'
            f"{head}<PmtInf><PmtInfId>TOUR{self.run_id}</PmtInfId><PmtMtd>TRF</PmtMtd>"
            f"<ReqdExctnDt><Dt>{datetime.now(UTC):%Y-%m-%d}</Dt></ReqdExctnDt><Dbtr><Nm>Treasury</Nm></Dbtr>"
            f"<DbtrAcct><Id><Othr><Id>{treasury['number']}</Id></Othr></Id></DbtrAcct>"
            f"<DbtrAgt><FinInstnId><Nm>Msingi</Nm></FinInstnId></DbtrAgt>{lines}</PmtInf>"
            "</CstmrCdtTrfInitn></Document>"
        )

    # 5

    async def health(self) -> None:
        """A clinic records; a hospital asks: refused, consented, answered, withdrawn, refused."""
        hospital = self.institution("hospital")
        token = await self._token("clinic-app", "clinician")
        for name in ("organizations", "practitioners"):
            await self._store(token, _synthea(name))
        bundle = _synthea("adult")
        for entry in bundle["entry"]:
            if entry["resource"]["resourceType"] == "Patient":
                system = self.profile.number_system
                entry["resource"]["identifier"] = [{"system": system, "value": self.asha["number"]}]
                entry["request"]["ifNoneExist"] = f"identifier={system}|{self.asha['number']}"
        await self._store(token, bundle)
        say(f"The clinic stored a FHIR transaction with {len(bundle['entry'])} resources (Synthea, made-up patient)")
        must(await self._ask(hospital) == "refused", "the hospital was answered without consent")
        say("The hospital asked the exchange for the patient summary, and was refused: no consent")
        wish = {"person": self.asha["number"], "agreement": "patient-summary", "reason": "an appointment tomorrow"}
        asked = await self._signed(hospital, "/v1/consent/requests", wish)
        must(asked.status in (200, 201), f"asking for consent was refused: {asked.body[:300]!r}")
        page = await self.me.open("/me/consents")
        page = await self.me.open(page.link("/me/consents/requests/"))
        say(f"{self.asha['name']} reads the request in her own words: “{page.heading}”")
        page = await self.me.submit(page, page.form(action="/me/consents/requests/"), button=("answer", "grant"))
        must(await self._ask(hospital) == "answered", "the hospital was refused in spite of the consent")
        say("She agreed; the hospital asked again and was answered")
        page = await self.me.open("/me/consents")
        page = await self.me.open(page.link("/withdraw"))
        await self.me.submit(page, page.form(action="/withdraw"))
        must(await self._ask(hospital) == "refused", "the hospital was answered after the withdrawal")
        say("She withdrew; the hospital asked again and was refused at once")

    async def _token(self, client_id: str, scope: str) -> str:
        """An access token for an institution's software, by private_key_jwt (RFC 7523)."""
        from joserfc import jwt
        from joserfc.jwk import ECKey

        client = next(c for c in self.known["clients"] if c["client_id"] == client_id)
        issuer, now = self.known["issuer"], int(datetime.now(UTC).timestamp())
        claims = {"iss": client_id, "sub": client_id, "aud": issuer, "iat": now, "exp": now + 60, "jti": token_hex(12)}
        head = {"alg": "ES256", "kid": client["jwk"]["kid"], "typ": "JWT"}
        form = {
            "grant_type": "client_credentials",
            "scope": scope,
            "client_id": client_id,
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": jwt.encode(head, claims, ECKey.import_key(client["jwk"])),
        }
        answer = await self.me.client.post("/oauth/token", data=form)
        must(answer.status_code == 200, f"no token for {client_id}: {answer.text[:300]}")
        return answer.json()["access_token"]

    async def _store(self, token: str, bundle: dict[str, Any]) -> None:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/fhir+json"}
        answer = await self.me.client.post("/fhir", content=json.dumps(bundle), headers=headers)
        must(answer.status_code == 200, f"the clinic's bundle was refused: {answer.text[:600]}")

    async def _signed(self, who: dict[str, Any], path: str, body: Any, content: str = "application/json") -> Any:
        raw = json.dumps(body).encode()
        prepared = exchange.prepare(
            self.url, self._client(who), who["jwk"], path, method="POST", body=raw, headers={"content-type": content}
        )
        answer = await self.me.client.request("POST", prepared.url, content=raw, headers=prepared.headers)
        return exchange.Answered(answer.status_code, answer.content, answer.headers.get("content-type", ""))

    def _client(self, who: dict[str, Any]) -> str:
        return f"{self.profile.alpha2}/{who['subsystem']}"

    async def _ask(self, hospital: dict[str, Any]) -> str:
        clinic = self.institution("clinic")
        service = f"{self._client(clinic)}/patient-summary"
        try:
            answer = await exchange.ask(
                self.url, self._client(hospital), hospital["jwk"], service, self.asha["number"], "health-care"
            )
        except exchange.Refused as refused:
            must(refused.answer.status in (403, 500), f"an unexpected answer: {refused}")
            return "refused"
        document = answer.json
        must(document.get("type") == "document", "the answer is not a FHIR document")
        (self.folder / "summary.json").write_text(json.dumps(document, indent=1), "utf-8")
        return "answered"

    # 6

    async def accesses(self) -> None:
        """See every access, download a proof, verify it, and see it fail when one byte changes."""
        page = await self.me.open("/me/accesses")
        lines = [h for h in page.tree.xpath("//a/@href") if re.search(r"/me/accesses/[0-9a-f-]{36}$", h)]
        must(len(lines) >= 3, f"the page shows {len(lines)} accesses")
        say(f"The page shows {len(lines)} accesses; the newest ones:")
        detail = await self.me.open(lines[0])
        say(f"“{_clip(detail.main, detail.heading, 260)}”")
        proof = await self._proof(lines[0])
        file = self.folder / "access.tlog-proof"
        file.write_bytes(proof)
        trust = str(self.folder / "trust.json")
        answer = await self.msingi("verify", str(file), "--trust", trust)
        must(answer.startswith("genuine"), f"the proof was not accepted: {answer}")
        say(f"Proof downloaded and verified offline: {answer.splitlines()[0]}")
        place = len(proof) // 2
        file.with_suffix(".changed").write_bytes(proof[:place] + bytes([proof[place] ^ 1]) + proof[place + 1 :])
        try:
            await self.msingi("verify", str(file.with_suffix(".changed")), "--trust", trust)
        except click.ClickException as refused:
            say(f"With one byte changed: {refused.message.splitlines()[0][:160]}")
        else:
            raise click.ClickException("a proof with a changed byte was accepted")

    async def _proof(self, line: str) -> bytes:
        for _ in range(50):
            answer = await self.me.client.get(f"{line}/proof")
            if answer.status_code == 200:
                return answer.content
            await asyncio.sleep(0.2)
        raise click.ClickException("the proof did not become available within ten seconds")

    # 7

    async def evidence(self) -> None:
        """Read the public figures as page, table and chart."""
        page = await self.me.open("/figures")
        must("16.9.1" in page.text and "8.10.2" in page.text and "3.b.1" in page.text, "an indicator lacks")
        for code in ("16.9.1", "8.10.2", "3.b.1"):
            shown: Page = await self.me.open(f"/figures/{code}.json?lang=en")
            document = json.loads(shown.raw)
            nation = next(f for f in document["figures"] if f["region"] == "_T" and f["sex"] == "_T")
            for form in ("csv", "svg"):
                (self.folder / f"{code}.{form}").write_bytes((await self.me.open(f"/figures/{code}.{form}")).raw)
            figure = f"{nation['percent']} % (± {nation['margin_95']})"
            few = "too few people in this sample to publish a share"
            say(f"{code:7} {document['title']}: {few if nation['percent'] is None else figure}")
        say(f"Noise by differential privacy, epsilon {document['privacy']['epsilon']} an edition; CSV and SVG saved")

    # 8

    async def check(self) -> None:
        """Check all books and the whole log."""
        for line in (await self.msingi("fsck", "--home", str(self.home))).splitlines():
            say(line)


def _synthea(name: str) -> dict[str, Any]:
    """A bundle of the Synthea sample."""
    return json.loads(gzip.decompress((SAMPLES / "synthea" / f"{name}.json.gz").read_bytes()))


def _clip(text: str, around: str, length: int = 120) -> str:
    """The part of a page's words around some of them."""
    place = max(0, text.find(around))
    return text[place : place + length].strip()
