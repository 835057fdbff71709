"""A suspicious-transaction report in the shape of goAML 4, which most financial intelligence units take.

The schema itself is handed to registered institutions only, and each country adds code lists, so this is its shape and
the order of its elements, not a file that was checked against the schema. The person is named by initials, account
and the pseudonym that belongs to the unit: whoever needs more has a legal way to the register, and reading the record
here would leave a line that the person sees.
"""

from io import BytesIO
from typing import Final

from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]

from msingi.kernel.context import Context
from msingi.kernel.money import plain
from msingi.kernel.stack import Stack
from msingi.payments import rules as ledger
from msingi.payments.fraud import rulebook, store

UNIT: Final = "financial-intelligence"
ELECTRONIC: Final = "E"
FUNDS: Final = "E"  # electronic transfer


def _leaf(parent: etree._Element, name: str, text: str) -> None:
    etree.SubElement(parent, name).text = "".join(c for c in text if c in "\n\t" or c.isprintable())


def report(stack: Stack, held: store.Held, reason: str, subject: str, ctx: Context) -> bytes:
    """The report on a case; `reason` are the words of the officer who proposed it, `subject` the unit's pseudonym."""
    book = rulebook.of(stack)
    assert book is not None
    currency = stack.profile.currency
    root = etree.Element("report")
    _leaf(root, "rentity_id", str(book.reporter.rentity_id))
    _leaf(root, "submission_code", ELECTRONIC)
    _leaf(root, "report_code", "STR")
    _leaf(root, "entity_reference", held.case.reference)
    _leaf(root, "submission_date", ctx.at.strftime("%Y-%m-%dT%H:%M:%S"))
    _leaf(root, "currency_code_local", currency.code)
    person = etree.SubElement(root, "reporting_person")
    _leaf(person, "first_name", (ctx.actor.name or ctx.actor.id).partition(" ")[0])
    _leaf(person, "last_name", (ctx.actor.name or ctx.actor.id).rpartition(" ")[2])
    _leaf(root, "reason", reason)
    _leaf(root, "action", "The payment was stopped before it left the account." if held.stop_id else "Watched.")
    if held.stop_id is not None and held.stopped_at is not None:
        _transaction(root, stack, held, subject, book.reporter.name)
    else:
        activity = etree.SubElement(etree.SubElement(root, "activity"), "report_parties")
        party = etree.SubElement(activity, "report_party")
        _person(etree.SubElement(party, "person"), held, subject)
        _leaf(party, "reason", reason)
    indicators = etree.SubElement(root, "report_indicators")
    for code in held.case.rules:
        _leaf(indicators, "indicator", code)
    out = BytesIO()
    etree.ElementTree(root).write(out, encoding="UTF-8", xml_declaration=True, pretty_print=True)
    return out.getvalue()


def _person(parent: etree._Element, held: store.Held, subject: str) -> None:
    given, _, family = held.payer_name.rpartition(" ")
    _leaf(parent, "first_name", given or "?")
    _leaf(parent, "last_name", family or "?")
    _leaf(parent, "id_number", subject)


def _transaction(root: etree._Element, stack: Stack, held: store.Held, subject: str, institution: str) -> None:
    assert held.stopped_at is not None
    one = etree.SubElement(root, "transaction")
    _leaf(one, "transactionnumber", str(held.stop_id))
    _leaf(one, "internal_ref_number", held.case.reference)
    _leaf(one, "transaction_description", "Attempted transfer, stopped by a rule")
    _leaf(one, "date_transaction", held.stopped_at.strftime("%Y-%m-%dT%H:%M:%S"))
    _leaf(one, "transmode_code", FUNDS)
    _leaf(one, "amount_local", plain(held.case.amount_minor, stack.profile.currency))
    payer = etree.SubElement(one, "t_from_my_client")
    _leaf(payer, "from_funds_code", FUNDS)
    account = etree.SubElement(payer, "from_account")
    _account(account, institution, held.debit, held.case.currency)
    signatory = etree.SubElement(account, "signatory")
    _person(etree.SubElement(signatory, "t_person"), held, subject)
    _leaf(payer, "from_country", stack.profile.alpha2)
    payee = etree.SubElement(one, "t_to_my_client")
    _leaf(payee, "to_funds_code", FUNDS)
    _account(etree.SubElement(payee, "to_account"), institution, held.credit, held.case.currency)
    _leaf(payee, "to_country", stack.profile.alpha2)


def _account(parent: etree._Element, institution: str, account: int, currency: str) -> None:
    _leaf(parent, "institution_name", institution)
    _leaf(parent, "account", ledger.number_of(account))
    _leaf(parent, "currency_code", currency)
