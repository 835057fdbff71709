"""Doors of a paying institution: hand in a payment file, approve a colleague's, follow its progress."""

from litestar import Response, get, post
from litestar.params import FromPath

from msingi.kernel.errors import DifferentContent, Malformed, TooLarge
from msingi.payments import files as payments
from msingi.payments.errors import NoSuchAccount
from msingi.portal import model as m
from msingi.portal import rules, views_staff
from msingi.portal.routes_person import speaker
from msingi.portal.visit import Visit, WebRequest, visit_as_staff

ROLES = ("payment-clerk", "payment-approver", "treasurer")
FILES, FAULTS = 40, 100


def _form(seen: Visit) -> m.Form:
    ask = m.Field(
        name="file", label=seen.say("files.file"), kind="file", hint=seen.say("files.file_hint"), accept=".xml,text/xml"
    )
    return m.Form((ask,))


async def _files_page(seen: Visit, form: m.Form) -> Response[bytes]:
    found = await payments.payment_files(seen.stack, seen.ctx("social-protection", "public-task"), FILES)
    may_upload = "payment-clerk" in seen.actor.roles
    view = views_staff.files(found, may_upload)
    return seen.page("staff/files.html", view, area="staff", here="payments", form=form, keeps_form=False)


@get("/staff/payments")
async def files(request: WebRequest) -> Response[bytes]:
    """The institution's payment files, newest first."""
    seen = await visit_as_staff(request, *ROLES)
    return await _files_page(seen, _form(seen))


@post("/staff/payments", status_code=303)
async def upload(request: WebRequest) -> Response[bytes]:
    """Hand in a file; it waits for a colleague."""
    seen = await visit_as_staff(request, "payment-clerk")
    raw = seen.files.get("file", b"")
    if not raw:
        return await _files_page(seen, rules.with_wrong(_form(seen), "file", seen.say("form.no_file")))
    try:
        made = await payments.upload_payment_file(seen.stack, seen.ctx("social-protection", "public-task"), raw)
    except (Malformed, TooLarge, NoSuchAccount, DifferentContent) as wrong:
        # The rooms tell what is wrong with a file in the terms of its standard, which are English.
        where = " – ".join(str(wrong.facts[f]) for f in ("field", "rule") if f in wrong.facts)
        told = seen.say("files.wrong", what=f"{wrong.detail or wrong.title} {where}".strip())
        return await _files_page(seen, rules.with_wrong(_form(seen), "file", told))
    return seen.go(f"/staff/payments/{made.file_id}")


@get("/staff/payments/{file_id:str}")
async def file(request: WebRequest, file_id: FromPath[str]) -> Response[bytes]:
    """One file: what it holds, who handed it in and approved it, how far it is, and which lines were not paid."""
    seen = await visit_as_staff(request, *ROLES)
    ctx = seen.ctx("social-protection", "public-task")
    found = await payments.payment_file(seen.stack, ctx, file_id)
    faults = None
    if found.rejected:
        faults = await payments.file_lines(seen.stack, ctx, file_id, limit=FAULTS, rejected_only=True)
    payer = speaker(seen).institution(found.institution)
    mine = views_staff.by_whom(found.uploaded_by) == seen.actor.id
    may_approve = "payment-approver" in seen.actor.roles and not mine
    view = views_staff.file(found, faults.lines if faults else [], payer, may_approve, mine)
    return seen.page("staff/file.html", view, area="staff", here="payments")


@post("/staff/payments/{file_id:str}/approve", status_code=303)
async def approve(request: WebRequest, file_id: FromPath[str]) -> Response[bytes]:
    """Approve a colleague's file; the payments start at once."""
    seen = await visit_as_staff(request, "payment-approver")
    await payments.approve_payment_file(seen.stack, seen.ctx("social-protection", "public-task"), file_id)
    return seen.go(f"/staff/payments/{file_id}")


@get("/staff/payments/{file_id:str}/report.xml")
async def report(request: WebRequest, file_id: FromPath[str]) -> Response[bytes]:
    """The status report on a file, line by line (ISO 20022 pain.002)."""
    seen = await visit_as_staff(request, *ROLES)
    raw = await payments.status_report(seen.stack, seen.ctx("social-protection", "public-task"), file_id)
    return seen.download(raw, "application/xml", f"report-{file_id[:13]}.xml")


doors = [files, upload, file, approve, report]
