"""The bank: what people and shops do with accounts, beside the ledger that keeps them.

Laws
1. A payer is shown the name that the register has, never the one that a square code claims; people's names are masked.
2. A square code that breaks a rule of its standard, or that names another scheme, country or currency, is never paid.
3. What is written as a square code is read back as the same shop, amount and bill.
4. A statement's opening balance and its entries sum to its closing balance, in every form in which it is written.
5. Cash is handed over only after the ledger has the customer's money; what is not fetched in time is the customer's.
6. A bill is paid once, by one payer, whoever tries at the same time and whatever breaks off.
7. A standing order pays each of its days at most once; a day that the ledger refuses is told with the reason.

Standards: EMVCo QR Code Specification for Payment Systems (merchant-presented mode 1.1), ISO/IEC 7812-1 (check digit),
ISO 18245 (kinds of shops), ISO 20022 camt.053.001.08, RFC 4180 (CSV).
"""
