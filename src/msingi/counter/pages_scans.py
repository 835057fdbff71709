"""The page of what scanners capture: a file of a finger, an iris or a face goes sealed to the country's matcher.

The stack has no matcher and claims no accuracy: the page says so, and whether one is connected.
"""

from typing import Final

from litestar import Response, get, post

from msingi.counter import forms
from msingi.counter.model import Sheet
from msingi.counter.pages_staff import OFFICER, ctx_of, home, shown
from msingi.identity import acts as identity
from msingi.identity.biometrics import acts, cbeff
from msingi.identity.biometrics.model import CaptureOrder, Missing, Modality
from msingi.kernel import clock
from msingi.kernel.errors import NotPermitted, Refusal
from msingi.portal import rules
from msingi.portal.model import Form
from msingi.portal.visit import Visit, WebRequest, visit_as_staff

HERE: Final = "/staff/capture"


def _blank(seen: Visit) -> Form:
    say = seen.say
    kinds = tuple((str(m), say(f"counter.modality_{m}")) for m in Modality)
    return Form(
        (
            forms.field(say, "number", "number", longest=30, optional=False),
            forms.field(say, "modality", "select", options=kinds, optional=False),
            forms.field(say, "record", "file", hint=say("counter.ask_record_hint")),
            forms.field(say, "capture_missing", longest=200, hint=say("counter.ask_capture_missing_hint")),
        )
    )


def _asking(seen: Visit, form: Form, good: str = "") -> Response[bytes]:
    view = Sheet(
        title=seen.say("counter.capture"),
        lead=seen.say("counter.capture_lead"),
        note="" if seen.stack.settings.abis_url else seen.say("counter.capture_none"),
        good=good,
        back=home(seen),
        action=HERE,
        submit=seen.say("counter.capture_keep"),
        files=True,
    )
    return shown(seen, view, form)


@get(HERE)
async def blank(request: WebRequest) -> Response[bytes]:
    """Whose, what, and the file; or why there is none."""
    seen = await visit_as_staff(request, OFFICER)
    return _asking(seen, _blank(seen))


@post(HERE, status_code=200)
async def capture(request: WebRequest) -> Response[bytes]:
    """Seal what was captured, or keep the reason; say what to correct."""
    seen = await visit_as_staff(request, OFFICER)
    form = rules.filled(_blank(seen), seen.fields)
    if seen.in_other_language:
        return _asking(seen, form)
    raw, why = seen.files.get("record") or b"", form.value("capture_missing")
    form = rules.judged(form, seen.say, {})
    if not form.wrongs and not raw and not why:
        form = rules.with_wrong(form, "record", seen.say("counter.capture_either"))
    if form.wrongs:
        return _asking(seen, form)
    modality = Modality(form.value("modality"))
    whole = raw.lstrip()[:5] == b"<?xml" or raw.lstrip()[:4] == b"<BIR"
    order = CaptureOrder(
        records=raw if whole or not raw else cbeff.wrapped(modality, raw, clock.now()),
        missing=(Missing(modality, why),) if why else (),
    )
    try:
        person = await identity.person_by_number(seen.stack, ctx_of(seen), form.value("number"), any_status=True)
        await acts.add_biometrics(seen.stack, ctx_of(seen), person, order)
    except NotPermitted:
        raise
    except Refusal as refusal:
        where = "record" if refusal.facts.get("field") == "records" else "number"
        return _asking(seen, rules.with_wrong(form, where, forms.told(seen, refusal)))
    said = seen.say("counter.captured" if raw else "counter.captured_missing")
    return _asking(seen, rules.filled(_blank(seen), {"number": form.value("number")}), said)


doors = [blank, capture]
