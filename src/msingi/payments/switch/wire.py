"""FSPIOP on the wire: the members of each message that the switch itself looks at, and errors as FSPIOP tells them.

Everything else in a body is passed on as it came: the signature is over the exact bytes.
"""

from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, Struct

from msingi.kernel.errors import Malformed, NotPermitted, NotSignedIn, Outage, Refusal, TooLarge, TooMany
from msingi.kernel.web import Ending
from msingi.payments.switch import errors, rules

MAX_BODY_BYTES = 5_242_880
MAX_PARTS = 1_000
PARTY_TYPES = ("MSISDN", "EMAIL", "PERSONAL_ID", "BUSINESS", "DEVICE", "ACCOUNT_ID", "IBAN", "ALIAS", "CONSENT")
HASH32 = r"^[A-Za-z0-9_-]{43}$"

Id = Annotated[str, Meta(pattern=rules.ID_TEXT)]
Amount = Annotated[str, Meta(pattern=rules.AMOUNT_TEXT)]
Code3 = Annotated[str, Meta(pattern=r"^[A-Z]{3}$")]
When = Annotated[str, Meta(pattern=rules.DATE_TIME)]
FspName = Annotated[str, Meta(min_length=1, max_length=32)]
Hash = Annotated[str, Meta(pattern=HASH32)]
Packet = Annotated[str, Meta(pattern=r"^[A-Za-z0-9-_]+[=]{0,2}$", min_length=1, max_length=32_768)]


class Money(Struct, frozen=True):
    """An amount as decimal text, and its ISO 4217 code."""

    currency: Code3
    amount: Amount


class PartyName(Struct, frozen=True, rename="camel", omit_defaults=True):
    """How a party is named, and which participant keeps its account."""

    party_id_type: Annotated[str, Meta(min_length=1, max_length=32)]
    party_identifier: Annotated[str, Meta(min_length=1, max_length=128)]
    party_sub_id_or_type: Annotated[str, Meta(max_length=128)] | None = None
    fsp_id: FspName | None = None


class Party(Struct, frozen=True, rename="camel", omit_defaults=True):
    """A party as another participant sees it."""

    party_id_info: PartyName
    name: Annotated[str, Meta(max_length=128)] | None = None
    personal_info: dict[str, Any] | None = None
    supported_currencies: Annotated[list[Code3], Meta(max_length=16)] | None = None


class GivenBack(Struct, frozen=True, rename="camel", omit_defaults=True):
    """What a refund (scenario REFUND) gives back: the id of what was paid."""

    original_transaction_id: Id
    refund_reason: Annotated[str, Meta(max_length=128)] | None = None


class TransactionType(Struct, frozen=True, rename="camel", omit_defaults=True):
    """What kind of transaction it is: scenario, who begins it, and as what; of a refund, what it gives back."""

    scenario: Annotated[str, Meta(min_length=1, max_length=32)]
    initiator: Annotated[str, Meta(min_length=1, max_length=32)]
    initiator_type: Annotated[str, Meta(min_length=1, max_length=32)]
    refund_info: GivenBack | None = None


class PartyAnswer(Struct, frozen=True):
    """PUT /parties/{Type}/{ID}."""

    party: Party


class Registration(Struct, frozen=True, rename="camel"):
    """POST /participants/{Type}/{ID}: this participant keeps the party's account."""

    fsp_id: FspName
    currency: Code3 | None = None


class QuoteRequest(Struct, frozen=True, rename="camel", omit_defaults=True):
    """POST /quotes."""

    quote_id: Id
    transaction_id: Id
    payee: Party
    payer: Party
    amount_type: Annotated[str, Meta(pattern="^(SEND|RECEIVE)$")]
    amount: Money
    transaction_type: TransactionType
    transaction_request_id: Id | None = None
    expiration: When | None = None
    note: Annotated[str, Meta(max_length=128)] | None = None


class QuoteAnswer(Struct, frozen=True, rename="camel", omit_defaults=True):
    """PUT /quotes/{ID}: what is transferred, what arrives, and the condition that the payee will fulfil."""

    transfer_amount: Money
    expiration: When
    ilp_packet: Packet
    condition: Hash
    payee_receive_amount: Money | None = None
    payee_fsp_fee: Money | None = None
    payee_fsp_commission: Money | None = None


class TransferRequest(Struct, frozen=True, rename="camel"):
    """POST /transfers."""

    transfer_id: Id
    payee_fsp: FspName
    payer_fsp: FspName
    amount: Money
    ilp_packet: Packet
    condition: Hash
    expiration: When


class TransferAnswer(Struct, frozen=True, rename="camel", omit_defaults=True):
    """PUT /transfers/{ID}; PATCH has the same members."""

    transfer_state: Annotated[str, Meta(pattern="^(RECEIVED|RESERVED|COMMITTED|ABORTED)$")]
    fulfilment: Hash | None = None
    completed_timestamp: When | None = None


class BulkPart(Struct, frozen=True, rename="camel"):
    """One transfer of POST /bulkTransfers."""

    transfer_id: Id
    transfer_amount: Money
    ilp_packet: Packet
    condition: Hash


class BulkRequest(Struct, frozen=True, rename="camel"):
    """POST /bulkTransfers: up to 1,000 transfers of one payer's to one payee's participant."""

    bulk_transfer_id: Id
    bulk_quote_id: Id
    payee_fsp: FspName
    payer_fsp: FspName
    individual_transfers: Annotated[list[BulkPart], Meta(min_length=1, max_length=MAX_PARTS)]
    expiration: When


class ErrorDetail(Struct, frozen=True, rename="camel", omit_defaults=True):
    """An error: four digits and words."""

    error_code: Annotated[str, Meta(pattern=r"^[1-9]\d{3}$")]
    error_description: Annotated[str, Meta(min_length=1, max_length=128)]
    extension_list: dict[str, Any] | None = None


class ErrorBody(Struct, frozen=True, rename="camel"):
    """The body of PUT .../error, and of a refusal."""

    error_information: ErrorDetail


class PartResult(Struct, frozen=True, rename="camel", omit_defaults=True):
    """The result of one transfer of a bulk: a fulfilment or an error."""

    transfer_id: Id
    fulfilment: Hash | None = None
    error_information: ErrorDetail | None = None


class BulkAnswer(Struct, frozen=True, rename="camel", omit_defaults=True):
    """PUT /bulkTransfers/{ID}."""

    bulk_transfer_state: Annotated[str, Meta(pattern="^(RECEIVED|PENDING|ACCEPTED|PROCESSING|COMPLETED|REJECTED)$")]
    completed_timestamp: When | None = None
    individual_transfer_results: Annotated[list[PartResult], Meta(max_length=MAX_PARTS)] = []


class RequestToPay(Struct, frozen=True, rename="camel"):
    """POST /transactionRequests."""

    transaction_request_id: Id
    payee: Party
    payer: PartyName
    amount: Money
    transaction_type: TransactionType


class RequestToPayAnswer(Struct, frozen=True, rename="camel"):
    """PUT /transactionRequests/{ID}."""

    transaction_request_state: Annotated[str, Meta(pattern="^(RECEIVED|PENDING|ACCEPTED|REJECTED)$")]
    transaction_id: Id | None = None


class AuthorizationAnswer(Struct, frozen=True, rename="camel"):
    """PUT /authorizations/{ID}."""

    response_type: Annotated[str, Meta(pattern="^(ENTERED|REJECTED|RESEND)$")]
    authentication_info: dict[str, Any] | None = None


class BulkQuoteRequest(Struct, frozen=True, rename="camel"):
    """POST /bulkQuotes: each with its own id; the parts are the participants' own matter."""

    bulk_quote_id: Id
    payer: Party
    individual_quotes: Annotated[list[dict[str, Any]], Meta(min_length=1, max_length=MAX_PARTS)]
    expiration: When | None = None


class BulkQuoteAnswer(Struct, frozen=True, rename="camel"):
    """PUT /bulkQuotes/{ID}."""

    individual_quote_results: Annotated[list[dict[str, Any]], Meta(min_length=1, max_length=MAX_PARTS)]
    expiration: When


class MaybeMoney(Struct, frozen=True, omit_defaults=True):
    """A currency, and an amount where it is known: one of the two amounts of a conversion that is asked for."""

    currency: Code3
    amount: Amount | None = None


class Charge(Struct, frozen=True, rename="camel", omit_defaults=True):
    """What an exchange provider takes for a conversion, in one currency or both."""

    charge_type: Annotated[str, Meta(min_length=1, max_length=32)]
    source_amount: Money | None = None
    target_amount: Money | None = None


class Conversion(Struct, frozen=True, rename="camel", omit_defaults=True):
    """The terms of a conversion (`FxConversion` of API 2.0): which amount is given, and for which transfer it is."""

    conversion_id: Id
    initiating_fsp: FspName
    counter_party_fsp: FspName
    amount_type: Annotated[str, Meta(pattern="^(SEND|RECEIVE)$")]
    source_amount: MaybeMoney
    target_amount: MaybeMoney
    expiration: When
    determining_transfer_id: Id | None = None
    charges: Annotated[list[Charge], Meta(max_length=16)] | None = None


class ConversionQuoteRequest(Struct, frozen=True, rename="camel"):
    """POST /fxQuotes."""

    conversion_request_id: Id
    conversion_terms: Conversion


class ConversionQuoteAnswer(Struct, frozen=True, rename="camel", omit_defaults=True):
    """PUT /fxQuotes/{ID}: the terms with both amounts, and the condition that the provider will fulfil."""

    conversion_terms: Conversion
    condition: Hash | None = None


class ConversionRequest(Struct, frozen=True, rename="camel", omit_defaults=True):
    """POST /fxTransfers."""

    commit_request_id: Id
    initiating_fsp: FspName
    counter_party_fsp: FspName
    source_amount: Money
    target_amount: Money
    condition: Hash
    determining_transfer_id: Id | None = None
    expiration: When | None = None


class ConversionAnswer(Struct, frozen=True, rename="camel", omit_defaults=True):
    """PUT /fxTransfers/{ID}; PATCH has the same members without the fulfilment."""

    conversion_state: Annotated[str, Meta(pattern="^(RECEIVED|RESERVED|COMMITTED|ABORTED)$")]
    fulfilment: Hash | None = None
    completed_timestamp: When | None = None


class Providers(Struct, frozen=True):
    """PUT /services/FXP: who converts."""

    providers: Annotated[list[FspName], Meta(max_length=16)]


class Wanted(Struct, frozen=True):
    """What a request to transfer says, whatever its flavour."""

    id: str
    payer: str
    payee: str
    currency: str
    amounts: tuple[str, ...]
    condition: str
    expiration: str
    ids: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()
    flavour: str = "fspiop"


T = TypeVar("T", bound=Struct)
_DECODERS: dict[type[Struct], msgspec.json.Decoder[Any]] = {}


def read(body: bytes, kind: type[T]) -> T:
    """The members of a body. Raises BadSyntax or MissingElement naming the member that is wrong."""
    decoder = _DECODERS.get(kind)
    if decoder is None:
        decoder = _DECODERS[kind] = msgspec.json.Decoder(kind)
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as wrong:
        words, _, where = str(wrong).partition(" - at `$")
        field = where.rstrip("`").lstrip(".") or "body"
        if "missing required field" in words:
            raise errors.MissingElement(
                words, field=words.rpartition("`")[0].rpartition("`")[2], rule="required"
            ) from None
        raise errors.BadSyntax(words, field=field, rule="api-definition-1.1") from None
    except msgspec.DecodeError:
        raise errors.BadSyntax("The body is not JSON.", field="body", rule="json") from None


PHRASES = {  # how the API definition itself names its codes, which other software looks for
    "2005": "Server busy",
    "3000": "Generic Client Error",
    "3001": "Unacceptable version requested",
    "3100": "Generic validation error",
    "3101": "Malformed syntax",
    "3102": "Missing mandatory element",
    "3105": "Invalid signature",
    "3106": "Modified request",
    "3200": "Generic ID not found",
    "3201": "Destination FSP Error",
    "3204": "Party not found",
    "3208": "Transfer ID not found",
    "3303": "Transfer expired",
    "4001": "Payer FSP insufficient liquidity",
    "5106": "Payee unsupported currency",
}


def refused(ending: Ending) -> ErrorBody:
    """An ending as FSPIOP tells it; what is ours alone becomes the nearest code of the API."""
    if isinstance(ending, Outage):
        return ErrorBody(ErrorDetail("2003", "Service currently unavailable"))
    if isinstance(ending, errors.SwitchRefusal):
        words = f"{PHRASES.get(ending.fspiop, 'Client error')} - {ending.detail or ending.title}"[:128]
        extension = {"extension": [{"key": k, "value": str(v)[:128]} for k, v in ending.facts.items()][:16]}
        if isinstance(ending, errors.BadVersion):  # key: major, value: minor (API definition, section 3.3.4.3)
            pairs = [v.strip().split(".") for v in str(ending.facts.get("rule", "")).split(",")]
            extension = {"extension": [{"key": major, "value": small} for major, small in pairs]}
        return ErrorBody(ErrorDetail(ending.fspiop, words, extension if ending.facts else None))
    return ErrorBody(ErrorDetail(_code(ending), (ending.detail or ending.title)[:128]))


def _code(refusal: Refusal) -> str:
    for kind, code in _CODES:
        if isinstance(refusal, kind):
            return code
    return "3002" if refusal.status in (404, 405) else "3000"


_CODES: tuple[tuple[type[Refusal], str], ...] = (
    (TooLarge, "3104"),
    (Malformed, "3101"),
    (TooMany, "2005"),
    (NotSignedIn, "3105"),
    (NotPermitted, "3000"),
)


def dialect(ending: Ending, _: str) -> tuple[Any, str]:
    """Refusals at the doors of the switch, as `errorInformation`."""
    return refused(ending), "application/json"
