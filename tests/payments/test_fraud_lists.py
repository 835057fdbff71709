"""Lists of sanctions: read without trust, compared with the register, watched until an officer says that it is not."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.payments import kit

from msingi.identity import acts as identity
from msingi.identity import listing
from msingi.identity.model import Birth, EnrolmentOrder, Name
from msingi.kernel.context import job_context
from msingi.kernel.errors import Malformed, NotPermitted
from msingi.payments import acts as ledger
from msingi.payments.fraud import desk, sanctions
from msingi.payments.fraud.errors import ListWrong, PaymentHeld
from msingi.payments.fraud.stopping import job
from msingi.payments.model import Alias, TransferOrder

ANNA = kit.as_staff("compliance-officer", id="anna", institution="benki", purpose="fraud-prevention")
UN = b"""<?xml version="1.0" encoding="UTF-8"?>
<CONSOLIDATED_LIST dateGenerated="2026-11-01T00:00:00"><INDIVIDUALS>
<INDIVIDUAL><DATAID>1</DATAID><FIRST_NAME>YOHANA</FIRST_NAME><SECOND_NAME>PETRO</SECOND_NAME>
<THIRD_NAME>MWAKALINGA</THIRD_NAME><REFERENCE_NUMBER>QDi.900</REFERENCE_NUMBER>
<INDIVIDUAL_ALIAS><QUALITY>Good</QUALITY><ALIAS_NAME>Johana Mwakalinga</ALIAS_NAME></INDIVIDUAL_ALIAS>
<INDIVIDUAL_DATE_OF_BIRTH><TYPE_OF_DATE>EXACT</TYPE_OF_DATE><DATE>1971-03-04</DATE></INDIVIDUAL_DATE_OF_BIRTH>
</INDIVIDUAL>
<INDIVIDUAL><DATAID>2</DATAID><FIRST_NAME>NOBODY</FIRST_NAME><REFERENCE_NUMBER>QDi.901</REFERENCE_NUMBER>
<INDIVIDUAL_DATE_OF_BIRTH><YEAR>1960</YEAR></INDIVIDUAL_DATE_OF_BIRTH></INDIVIDUAL>
</INDIVIDUALS><ENTITIES/></CONSOLIDATED_LIST>"""


async def named(stack, given_name, family, born, key):
    order = EnrolmentOrder(name=Name(given_name, family), birth=Birth(born))
    return await identity.enrol(stack, job_context("setup", "identity-registration"), order, key)


async def test_a_list_finds_those_who_are_alike_and_nobody_else(stack):
    source = await kit.treasury(stack)
    listed = await named(stack, "Johana", "Mwakalinga", "1971-03-04", "l1")
    other = await named(stack, "Johana", "Mwakalinga", "1999-11-30", "l2")  # the same name, another birth
    purse = await kit.wallet(stack, listed.person_id, 5_000, source)
    his = await kit.wallet(stack, other.person_id, 5_000, source)
    made = await sanctions.import_list(stack, ANNA, "un", UN)
    assert (made.entries, made.compared_at, made.without_birth) == (2, None, 0)
    while await sanctions.compare(stack):
        pass
    (kept,) = await sanctions.lists(stack, ANNA)
    assert kept.compared_at is not None and kept.list == "un"
    (case,) = [c for c in (await desk.queue(stack, ANNA)).cases if c.kind == "sanctions"]
    assert case.rules == ["un QDi.900"]

    def order(payer, payee, key):
        return TransferOrder(key, payer.number, Alias("account", payee.number), 10, "TZS")

    await ledger.transfer(stack, kit.as_person(other.person_id), order(his, purse, "free"))
    with pytest.raises(PaymentHeld) as held:
        await ledger.transfer(stack, kit.as_person(listed.person_id), order(purse, his, "s1"))
    assert held.value.facts["why"] == "check"
    await sanctions.import_list(stack, ANNA, "un", UN)  # the next edition finds nobody twice
    while await sanctions.compare(stack):
        pass
    assert len([c for c in (await desk.queue(stack, ANNA)).cases if c.kind == "sanctions"]) == 1
    await desk.take(stack, ANNA, str(case.case_id))
    await desk.clear(stack, ANNA, str(case.case_id), "Another place of birth")
    assert (await ledger.transfer(stack, kit.as_person(listed.person_id), order(purse, his, "s2"))).amount_minor == 10


async def test_lists_are_for_compliance_officers(stack):
    stranger = kit.as_staff("account-officer", purpose="fraud-prevention")
    for act in (sanctions.import_list(stack, stranger, "un", UN), sanctions.lists(stack, stranger)):
        with pytest.raises(NotPermitted):
            await act
    with pytest.raises(Malformed):
        await sanctions.import_list(stack, ANNA, "Un!", UN)
    with pytest.raises(NotPermitted):
        await listing.alike_to(stack, ANNA, [("A", "B", "1990")])
    assert await listing.alike_to(stack, job(), [("Johana", "Mwakalinga", "")]) == [[]]


def test_a_table_is_read_like_the_consolidated_list():
    found = sanctions.read(b"ref,name,born\nA1,Asha Mrema,1980\nA1,A. Mrema,1980-02-03\nA2,Nobody Known,\n")
    assert found == [
        sanctions.Entry("A1", ("Asha Mrema", "A. Mrema"), ("1980", "1980-02-03")),
        sanctions.Entry("A2", ("Nobody Known",), ()),
    ]
    assert sanctions.read(UN)[0].names == ("YOHANA PETRO MWAKALINGA", "Johana Mwakalinga")


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"<a/>", b"<CONSOLIDATED_LIST>", b"a,b\n1,2\n", b"ref,name,born\n,Asha,1980\n", b"\xff\xfe",
        b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><CONSOLIDATED_LIST><INDIVIDUAL><FIRST_NAME>&x;'
        b"</FIRST_NAME><DATAID>1</DATAID></INDIVIDUAL></CONSOLIDATED_LIST>",
    ],
    ids=str,
)  # fmt: skip
def test_a_wrong_file_is_refused_and_read_without_trust(raw):
    with pytest.raises(ListWrong):
        sanctions.read(raw)


@settings(max_examples=80, deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(raw):
    with contextlib.suppress(ListWrong):
        sanctions.read(raw)
