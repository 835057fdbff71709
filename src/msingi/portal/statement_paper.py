"""A statement on paper: pages of A4 in the reader's language and direction, balances before and after, every entry."""

from io import BytesIO
from typing import Final

from reportlab.pdfgen.canvas import Canvas

from msingi.credentials.lettering import MM, Colour, Pen, colour_of, load_fonts, mix
from msingi.kernel import money
from msingi.payments.bank.model import Booked
from msingi.portal import page, views_bank
from msingi.portal.model import Entry
from msingi.portal.routes_person import speaker
from msingi.portal.visit import Visit

WIDTH, HEIGHT = 210.0, 297.0
WHITE: Final[Colour] = (1.0, 1.0, 1.0)
TOP, BOTTOM, STEP = 36.0, 22.0, 11.0


class _Paper:
    """One document: the pen, the colours, and where the next line goes."""

    def __init__(self, seen: Visit, found: Booked, servicer: str) -> None:
        load_fonts()
        profile = seen.stack.profile
        self.seen, self.found, self.servicer = seen, found, servicer
        self.primary, self.gold = colour_of(profile.colours.primary), colour_of(profile.colours.accent)
        self.ink = colour_of(profile.colours.ink)
        self.soft = mix(self.ink, WHITE, 0.35)
        self.faint = mix(self.ink, WHITE, 0.85)
        self.out = BytesIO()
        self.canvas = Canvas(self.out, pagesize=(WIDTH * MM, HEIGHT * MM), pageCompression=1, invariant=1)
        self.canvas.setTitle(f"{seen.say('statement.title')} {found.statement_id}")
        self.canvas.setAuthor(servicer)
        self.pen = Pen(self.canvas, WIDTH, mirrored=profile.direction(seen.lang) == "rtl")
        self.number = 1
        self.y = 0.0

    def amount(self, minor: int) -> str:
        profile = self.seen.stack.profile
        written = money.format(abs(minor), profile.currency, profile.group_separator, profile.decimal_point)
        return ("\u2212" if minor < 0 else "") + written

    def head(self) -> None:
        say, profile = self.seen.say, self.seen.stack.profile
        self.pen.box(0, HEIGHT - 26, WIDTH, 26, self.primary)
        self.pen.box(0, HEIGHT - 28, WIDTH, 2, self.gold)
        self.pen.write(18, HEIGHT - 13, self.servicer, 16, WHITE, bold=True, room_mm=120)
        self.pen.write(18, HEIGHT - 21, profile.say(profile.name, self.seen.lang), 10, WHITE, room_mm=120)
        self.pen.write(192, HEIGHT - 13, say("statement.page", n=self.number), 10, WHITE, align="right", room_mm=40)
        self.pen.write(18, 12, f"{say('statement.number')}: {self.found.statement_id}", 8, self.soft, room_mm=174)
        self.y = HEIGHT - TOP - 6

    def summary(self) -> None:
        say, found = self.seen.say, self.found
        self.pen.write(18, self.y, say("statement.title"), 20, self.ink, bold=True, room_mm=174)
        period = f"{found.period.first:%d.%m.%Y} – {found.period.last:%d.%m.%Y}"
        self.pen.write(18, self.y - 8, period, 12, self.soft, room_mm=174)
        y = self.y - 19
        facts = (
            (say("statement.holder"), found.holder),
            (say("money.account"), found.account),
            (say("statement.opening"), self.amount(found.opening_minor)),
            (say("statement.closing"), self.amount(found.closing_minor)),
        )
        for label, value in facts:
            self.pen.write(18, y, label, 9, self.soft, room_mm=58)
            self.pen.write(78, y, value, 11, self.ink, bold=True, room_mm=114)
            y -= 7
        self.y = y - 8

    def columns(self) -> None:
        say = self.seen.say
        self.pen.write(18, self.y, say("statement.day"), 8, self.soft, room_mm=30)
        self.pen.write(50, self.y, say("statement.who"), 8, self.soft, room_mm=60)
        self.pen.write(156, self.y, say("send.amount"), 8, self.soft, align="right", room_mm=34)
        self.pen.write(192, self.y, say("statement.balance"), 8, self.soft, align="right", room_mm=34)
        self.pen.box(18, self.y - 2.4, 174, 0.3, self.soft)
        self.y -= 9

    def line(self, entry: Entry, balance_minor: int) -> None:
        if self.y < BOTTOM + STEP:
            self.turn()
        when = entry.at.astimezone(page.zone_of(self.seen.stack.profile))
        self.pen.write(18, self.y, f"{when:%d.%m.%Y}", 9, self.ink, room_mm=30)
        self.pen.write(18, self.y - 4, f"{when:%H:%M}", 7, self.soft, room_mm=30)
        party = entry.party or self.seen.say(f"money.kind_{entry.kind}")
        self.pen.write(50, self.y, party, 9, self.ink, bold=True, room_mm=70)
        self.pen.write(50, self.y - 4, entry.note, 7, self.soft, room_mm=70)
        self.pen.write(156, self.y, self.amount(entry.amount.amount_minor), 9, self.ink, align="right", room_mm=36)
        self.pen.write(192, self.y, self.amount(balance_minor), 9, self.soft, align="right", room_mm=34)
        self.pen.box(18, self.y - 6.4, 174, 0.15, self.faint)
        self.y -= STEP

    def turn(self) -> None:
        self.canvas.showPage()
        self.number += 1
        self.head()
        self.columns()

    def closed(self) -> bytes:
        if self.seen.stack.settings.sandbox:
            self.pen.write(18, 17, self.seen.stack.profile.synthetic, 7, self.soft, room_mm=174)
        self.canvas.showPage()
        self.canvas.save()
        return self.out.getvalue()


def document(seen: Visit, found: Booked, servicer: str) -> bytes:
    """The statement as PDF with embedded fonts, entries in the order in which they were booked."""
    paper = _Paper(seen, found, servicer)
    paper.head()
    paper.summary()
    paper.columns()
    told = speaker(seen)
    for booked in found.entries:
        paper.line(views_bank.entry(told, booked, found.currency), booked.balance_minor)
    if not found.entries:
        paper.pen.write(18, paper.y, seen.say("statement.nothing"), 10, paper.soft, room_mm=174)
    return paper.closed()
