"""What people do in the portal, as a real browser does it: one class for whoever sits before the screen."""

import re
import time
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Browser, Download, Page

SMALL = {"width": 360, "height": 740}
WIDE = {"width": 1200, "height": 900}


class Somebody:
    """A person or member of staff with a browser of their own; takes a picture of every page that matters."""

    def __init__(self, browser: Browser, url: str, pictures: Path, who: dict[str, Any], *, wide: bool = False) -> None:
        self.url, self.pictures, self.who = url, pictures, who
        self.context = browser.new_context(
            viewport=WIDE if wide else SMALL, locale="en-GB", accept_downloads=True, java_script_enabled=True
        )
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(15_000)
        self.shots = 0

    @property
    def login(self) -> str:
        return self.who.get("number") or self.who["id"]

    def open(self, path: str) -> Page:
        answer = self.page.goto(self.url + path)
        assert answer is not None and answer.ok, f"{path}: {answer and answer.status} {self.heading}"
        return self.page

    @property
    def heading(self) -> str:
        return self.page.locator("h1").first.inner_text()

    @property
    def words(self) -> str:
        """The words of the main part, blanks folded."""
        return re.sub(r"\s+", " ", self.page.locator("main").inner_text())

    def picture(self, name: str) -> None:
        self.shots += 1
        self.page.screenshot(path=self.pictures / f"{self.login}-{self.shots:02d}-{name}.png", full_page=True)

    def press(self, name: str) -> None:
        """Press the button or follow the link with these words."""
        found = self.page.get_by_role("button", name=name).or_(self.page.get_by_role("link", name=name))
        found.first.click()
        self.page.wait_for_load_state()

    def begin_sign_in(self) -> None:
        """Number and PIN; the code is then on its way to the phone."""
        self.open("/sign-in")
        self.page.fill("#login", self.login)
        self.page.fill("#pin", self.who["pin"])
        self.picture("sign-in")
        self.page.locator("main button").first.click()
        self.page.wait_for_selector("#code")

    def finish_sign_in(self, code: str) -> None:
        assert code not in self.page.content(), "the code never stands in the page"
        self.page.fill("#code", code)
        self.page.locator("main form").first.locator("button").click()
        self.page.wait_for_selector("#menu")

    def sign_in(self) -> "Somebody":
        """Sign in, reading the code from the sandbox's door as a test program may."""
        before = len(messages(self.url, self.who["phone"]))
        self.begin_sign_in()
        self.finish_sign_in(next_code(self.url, self.who["phone"], before))
        return self

    def download(self, name: str) -> bytes:
        """What a link with these words downloads."""
        with self.page.expect_download() as coming:
            self.page.get_by_role("link", name=name).first.click()
        found: Download = coming.value
        return Path(found.path()).read_bytes()

    def leave(self) -> None:
        self.context.close()


def messages(url: str, phone: str) -> list[dict[str, str]]:
    """The simulated messages to a phone, newest first."""
    return httpx.get(f"{url}/sandbox/sms", params={"to": phone}, timeout=10).json()


def next_code(url: str, phone: str, before: int) -> str:
    """The one-time code of the next message to a phone."""
    for _ in range(100):
        found = messages(url, phone)
        if len(found) > before:
            code = re.search(r"\b(\d{6})\b", found[0]["text"])
            assert code, found[0]
            return code[1]
        time.sleep(0.1)
    raise AssertionError("no message arrived within ten seconds")


def code_on_console(operator: Somebody, phone: str, known: int) -> str:
    """The code as the operator's console shows it, once there are more messages to this phone than before."""
    for _ in range(50):
        operator.open("/staff/console")
        rows = operator.page.locator("#messages tbody tr", has_text=phone)
        if rows.count() > known:
            code = re.search(r"\b(\d{6})\b", rows.first.inner_text())
            assert code
            return code[1]
        time.sleep(0.2)
    raise AssertionError("the operator's console shows no new message")
