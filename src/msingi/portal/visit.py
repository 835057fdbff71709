"""One visit of a page: who visits, in which language, what the form says, and the page that is answered."""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl, quote

from litestar import Request, Response
from litestar.datastructures import Cookie, UploadFile
from litestar.exceptions import HTTPException

from msingi.kernel import money, web
from msingi.kernel.context import ANYBODY, Actor, Context, Kind, context
from msingi.kernel.errors import NotPermitted, NotSignedIn
from msingi.kernel.ids import PersonId
from msingi.kernel.money import Currency
from msingi.portal import blocks, page, rules, session, words
from msingi.portal.errors import BadUpload, StaleForm
from msingi.portal.model import Form, Shell
from msingi.portal.session import Session

WebRequest = Request[Any, Any, Any]
TONGUE = "tongue"
VISIT = "msingi_visit"
TONGUE_AGE_S = 365 * 86_400
UPLOAD_BYTES = 8 * 1024 * 1024


class Visit:
    """A request for a page. Make it with `visit`, `visit_as_person` or `visit_as_staff`."""

    def __init__(self, request: WebRequest, lang: str, known: Session | None, actor: Actor) -> None:
        self.request = request
        self.stack = web.stack(request)
        self.lang = lang
        self.words = words.load(lang)
        self.session = known
        self.actor = actor
        self.fields: dict[str, str] = {}
        self.files: dict[str, bytes] = {}
        self.file_names: dict[str, str] = {}
        self.cookies: list[Cookie] = []
        self.waiting = 0

    @property
    def profile(self) -> Any:
        """The country."""
        return self.stack.profile

    @property
    def person_id(self) -> PersonId:
        """Whose page it is."""
        return session.person_of(self.actor)

    @property
    def in_other_language(self) -> bool:
        """Whether the form was sent only to change the language (law 9)."""
        return "_lang" in self.fields

    def judged(self, form: Form, checks: Mapping[str, Callable[[str], str]] | None = None) -> tuple[Form, bool]:
        """The form with what must be corrected, and whether it is shown again: for that, or in another language."""
        if self.in_other_language:
            return form, True
        form = rules.judged(form, self.say, checks or {})
        return form, bool(form.wrongs)

    def ctx(self, purpose: str, basis: str) -> Context:
        """The context of an act that the visitor asks for."""
        return context(self.actor, purpose, basis, request_id=web.request_id(self.request))

    def say(self, key: str, **blanks: Any) -> str:
        """A text in the visitor's language, without markup."""
        return self.words.plain(key, **blanks)

    def of(self, text: Mapping[str, str]) -> str:
        """A text of the country profile in the visitor's language."""
        return self.stack.profile.say(dict(text), self.lang)

    def written(self, amount_minor: int, currency: Currency) -> str:
        """An amount in any currency, with the country's separators."""
        return money.format(amount_minor, currency, self.profile.group_separator, self.profile.decimal_point)

    def decimal(self, text: str) -> str:
        """A plain decimal, such as a rate, with the country's decimal sign."""
        return text.replace(".", self.profile.decimal_point)

    def officer(self, actor: str) -> str:
        """Who an actor (`kind:id`) of a record was: an officer's id, or the system itself in words."""
        kind, _, name = actor.partition(":")
        return name if kind == Kind.STAFF else self.say("words.system")

    def shell(self, area: str, here: str, keeps_form: bool) -> Shell:
        """The frame of the page."""
        profile, request = self.stack.profile, self.request
        path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        staff = self.actor.kind is Kind.STAFF
        said = request.query_params.get("said", "")
        return Shell(
            lang=self.lang,
            rtl=profile.direction(self.lang) == "rtl",
            path=path if request.method == "GET" else request.url.path,
            country=profile.say(profile.name, self.lang),
            css=page.style(profile.colours)[1],
            deep=page.deep(profile.colours),
            tongues=page.tongues(profile),
            area=area,
            here=here,
            start="/" if self.session is None else "/staff" if staff else "/me",
            name=self.session.name if self.session else "",
            ticket=session.ticket(self.stack, self.session) if self.session else "",
            menu=(*rules.menu_of(self.actor, self.waiting), *blocks.menu_of(self.actor)) if area != "public" else (),
            sandbox=self.stack.settings.sandbox,
            keeps_form=keeps_form,
            said=self.say(said) if said in rules.NEWS or (blocks.is_news(said) and self.words.has(said)) else "",
        )

    def page(
        self,
        template: str,
        view: Any,
        *,
        area: str = "public",
        here: str = "",
        form: Form | None = None,
        status: int = 200,
        keeps_form: bool | None = None,
    ) -> Response[bytes]:
        """The page as an answer. 422 where the form has something to correct."""
        if form is not None and form.wrongs and status == 200:
            status = 422
        keeps = form is not None and area != "public" if keeps_form is None else keeps_form
        text = page.html(self.stack.profile, self.shell(area, here, keeps), template, view, form)
        return page.answer(text, status, self.cookies)

    def go(self, to: str, said: str = "") -> Response[bytes]:
        """Send the browser to a page, by GET; `said` names the news to tell there."""
        if said:
            to += ("&" if "?" in to else "?") + f"said={quote(said)}"
        return Response(
            b"",
            status_code=303,
            headers={"Location": to, "Cache-Control": "no-store"},
            cookies=self.cookies,
            media_type="text/plain",
        )

    def download(self, raw: bytes, media_type: str, name: str) -> Response[bytes]:
        """A file to keep."""
        headers = page.HEADERS | {"Content-Disposition": f'attachment; filename="{name}"'}
        return Response(raw, media_type=media_type, headers=headers, cookies=self.cookies)

    async def read_form(self) -> None:
        """Read what was sent. Raises StaleForm unless it carries this session's ticket (law 6)."""
        if self.request.content_type[0] == "multipart/form-data":
            await self._read_multipart()
        else:
            raw = await self.request.body()
            try:
                pairs = parse_qsl(raw.decode(), keep_blank_values=True, max_num_fields=60)
            except ValueError:
                raise BadUpload("The form is not UTF-8, or too long.", field="body", rule="form") from None
            self.fields = {name: value.strip() for name, value in pairs}
        if self.session is not None:
            expected = session.ticket(self.stack, self.session)
            if not rules.same(self.fields.get("_ticket", ""), expected):
                raise StaleForm()
        wished = self.fields.get("_lang", "")
        if wished in offered(self.request):
            self.lang, self.words = wished, words.load(wished)
            self.cookies.append(tongue_cookie(self.request, wished))

    async def _read_multipart(self) -> None:
        try:
            sent = await self.request.form()
        except (HTTPException, ValueError):
            raise BadUpload("The upload is broken.", field="body", rule="multipart") from None
        for name, value in sent.multi_items():
            if isinstance(value, UploadFile):
                raw = await value.read()
                if len(raw) > UPLOAD_BYTES:
                    raise BadUpload(f"{name} is too big.", field=name, rule=f"bytes<={UPLOAD_BYTES}")
                self.files[name], self.file_names[name] = raw, (value.filename or "")[-120:]
            else:
                self.fields[name] = str(value).strip()


def offered(request: WebRequest) -> list[str]:
    """The languages of the country that the portal speaks, the default first."""
    return [tongue.code for tongue in page.tongues(web.stack(request).profile)]


def language(request: WebRequest) -> str:
    """The visitor's language: chosen before, else what the browser asks for, else the country's default."""
    known = offered(request)
    chosen = session.cookie_of(web.stack(request), request.cookies, TONGUE)
    return chosen if chosen in known else rules.accepted(request.headers.get("accept-language", ""), known)


def tongue_cookie(request: WebRequest, lang: str) -> Cookie:
    """Remembers the language that was chosen."""
    return session.cookie(web.stack(request), TONGUE, lang, TONGUE_AGE_S)


async def visit(request: WebRequest) -> Visit:
    """A visit by anybody; recognised if signed in."""
    stack = web.stack(request)
    kept = session.cookie_of(stack, request.cookies, session.SESSION)
    found = await session.recognise(stack, kept, web.request_id(request)) if kept else None
    known, actor, fresh = found or (None, ANYBODY, False)
    made = Visit(request, language(request), known, actor)
    request.scope[VISIT] = made  # type: ignore[typeddict-unknown-key] - where trouble.py finds it
    if known is not None and fresh:
        made.cookies.append(session.cookie(stack, session.SESSION, session.seal(stack, "session", known)))
    if request.method == "POST":
        await made.read_form()
    return made


async def visit_as_person(request: WebRequest) -> Visit:
    """A visit by a person. Raises NotSignedIn, and NotPermitted for staff."""
    made = await visit(request)
    if made.session is None:
        raise NotSignedIn()
    if made.actor.kind is not Kind.PERSON:
        raise NotPermitted("This page is for people; staff accounts have none of their own.")
    return made


async def visit_as_staff(request: WebRequest, *roles: str) -> Visit:
    """A visit by a member of staff with one of these roles (any role if none is named). Raises as above."""
    made = await visit(request)
    if made.session is None:
        raise NotSignedIn()
    if made.actor.kind is not Kind.STAFF or (roles and not made.actor.roles & set(roles)):
        raise NotPermitted("This page needs a role that you do not have.")
    return made
