"""The switch: banks and mobile operators of a country pay each other's customers, and no money hangs between them.

Laws
1. Cover: a participant's position may never owe more than its limit, and its limit is never above its cover, so every
   window can be settled, whoever fails.
2. Reserve first: a transfer is sent on only after the payer's side has reserved the amount in the ledger.
3. Commit only for the fulfilment whose SHA-256 is the condition, of the payee that was named, before the expiry.
4. Every transfer ends: committed or aborted; what nobody answers is aborted at its expiry and the reservation freed.
5. An id stands for one content: repeated it repeats the answer, with other content it is refused, and moves nothing.
6. Only whom a request was sent to can answer it; a message counts only with its sender's own signature.
7. What was acknowledged is sent on, again and again until it is taken or its time is over, also after a crash.
8. Settlement of a window moves exactly what its transfers owe: net amounts sum to zero in each currency.
9. A conversion ends with the transfer that decides it: the exchange provider is paid in one currency in the same moment
   in which it pays in the other, or neither happens. Nobody's position but the provider's pays what it promised.

Standards
FSPIOP API 1.1 (Open API for FSP Interoperability: API definition, JSON binding rules, signature 1.1), of API 2.0 the
ISO 20022 flavour and currency conversion (services/FXP, fxQuotes, fxTransfers); RFC 7515 (JWS);
Interledger condition and fulfilment (SHA-256); the Mojaloop hub's operation API (participants, limits, windows).
"""
