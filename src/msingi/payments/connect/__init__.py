"""Connecting: other systems' programmes pay people through this one, in the dialects that they speak already.

Laws
1. An address that an institution links to a payee is used for that institution's payments only: nobody can lead another
   institution's payments anywhere.
2. A batch becomes a payment file, once: the same batch again gives the first answer, another one under its id is
   refused, and nothing is paid before an official of the institution has approved it.
3. Whoever cannot be paid is named before the payment, line by line with the reason; a check moves nothing.
4. What is linked is sealed, and found only by a keyed hash: the table alone names nobody.
5. An answer goes only where the operator said that its sender listens, signed, again and again until it is taken.

Standards: G2P Connect 1.0.0 (disbursements, account mapper; all but encrypted messages, files and search); GovStack
Payments building block (bulk payments and account mapper; the paths of the specification, and the older ones that its
test suite calls).
"""
