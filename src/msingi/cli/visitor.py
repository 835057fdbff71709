"""A visitor without a screen: opens pages, reads them, fills in forms, as a plain browser without script would."""

import asyncio
import re
from typing import Any
from urllib.parse import urljoin

import click
import httpx
from lxml import html

from msingi.exchange.client import usual_trust

_CODE = re.compile(r"\b(\d{6})\b")


class Page:
    """An answered page: its address, status, and tree."""

    def __init__(self, answer: httpx.Response) -> None:
        self.url = str(answer.url)
        self.status = answer.status_code
        self.raw = answer.content
        self.type = answer.headers.get("content-type", "")
        self.tree: Any = html.fromstring(answer.text) if "html" in self.type and answer.text.strip() else None

    @property
    def text(self) -> str:
        """The words of the page, blanks folded."""
        if self.tree is None:
            return ""
        return " ".join(self.tree.text_content().split())

    @property
    def main(self) -> str:
        """The words of the page's main part."""
        found = self.tree.xpath("//main") if self.tree is not None else []
        return " ".join(found[0].text_content().split()) if found else self.text

    @property
    def heading(self) -> str:
        """The first heading."""
        found = self.tree.xpath("//h1") if self.tree is not None else []
        return " ".join(found[0].text_content().split()) if found else ""

    def form(self, having: str = "", action: str = "") -> Any:
        """The first form that has a field named `having` and whose action contains `action`.

        Raises click.ClickException, with what the page says instead.
        """
        for form in self.tree.forms if self.tree is not None else []:
            if (not having or having in form.fields) and action in (form.action or ""):
                return form
        wanted = having or action or "any"
        raise click.ClickException(f"{self.url}: no form with {wanted}; the page says: {self.text[:300]}")

    def link(self, containing: str) -> str:
        """The address of the first link whose address contains this. Raises click.ClickException."""
        for href in self.tree.xpath("//a/@href") if self.tree is not None else []:
            if containing in href:
                return href
        raise click.ClickException(f"{self.url}: no link with {containing}; the page says: {self.text[:300]}")


class Visitor:
    """One browser: cookies, the page it is on, and a telephone whose messages it can read in a sandbox."""

    def __init__(self, base_url: str, language: str = "en") -> None:
        self.base_url = base_url
        self.client = httpx.AsyncClient(
            base_url=base_url,
            follow_redirects=True,
            timeout=30,
            trust_env=False,
            verify=usual_trust(),
            headers={"Accept-Language": language, "User-Agent": "msingi-tour"},
        )

    async def __aenter__(self) -> "Visitor":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.aclose()

    async def open(self, path: str) -> Page:
        """Open a page. Raises click.ClickException for a page that went wrong."""
        return _good(Page(await self.client.get(path)))

    async def submit(self, page: Page, form: Any, **fields: Any) -> Page:
        """Send a form as the page filled it in, with `fields` on top: `files` uploads, `button` is (name, value)."""
        files = fields.pop("files", None)
        button = fields.pop("button", None)
        sent = {name: value for name, value in form.form_values()} | fields
        if button:
            sent[button[0]] = button[1]
        target = urljoin(page.url, form.action or page.url)
        if (form.method or "get").lower() == "get":
            return _good(Page(await self.client.get(target, params=sent)))
        return _good(Page(await self.client.post(target, data=sent, files=files)))

    async def newest_code(self, phone: str, after: int = 0) -> str:
        """The newest one-time code that the simulated gateway sent to a telephone (sandbox only)."""
        for _ in range(100):
            messages = await self.messages(phone)
            fresh = sorted(messages, key=lambda m: str(m.get("at", "")), reverse=True)[: max(0, len(messages) - after)]
            for found in (_CODE.search(message["text"]) for message in fresh):
                if found:
                    return found[1]
            await asyncio.sleep(0.1)
        raise click.ClickException("the simulated gateway sent no code; is this stack a sandbox?")

    async def messages(self, phone: str) -> list[dict[str, Any]]:
        """The simulated text messages to a telephone."""
        answer = await self.client.get("/sandbox/sms", params={"to": phone})
        if answer.status_code != 200:
            return []
        body = answer.json()
        return body["messages"] if isinstance(body, dict) else body

    async def sign_in(self, login: str, pin: str, phone: str) -> Page:
        """Sign in to the portal through the stack's OpenID provider, with PIN and one-time code."""
        before = len(await self.messages(phone))
        page = await self.open("/sign-in")
        page = await self.submit(page, page.form("pin"), login=login, pin=pin)
        code = await self.newest_code(phone, before)
        return await self.submit(page, page.form("code"), code=code)


def _good(page: Page) -> Page:
    if page.status >= 400:
        raise click.ClickException(
            f"{page.url}: {page.status} {page.heading or page.raw[:300].decode(errors='replace')}"
        )
    return page
