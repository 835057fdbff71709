"""Vouchers: a programme gives people an amount to spend at certain shops, on paper or a phone, without an account.

Laws
1. Every voucher is covered: what has been allotted to vouchers of a scheme is never more than what was put into its
   trust account for them, and what they can still take never more than what stands on that account.
2. Of a voucher nobody takes more than its amount, however often and wherever at the same time it is shown; the same
   order again gives the first answer.
3. A voucher pays an approved shop of its group and nobody else, and only whoever has its number.
4. The number is kept as a keyed hash only. Wrong numbers are counted, by who tries and by voucher, and limited.
5. What was not taken, because a voucher ended, was cancelled or was spent in part, goes back to the account that it
   came from, once.
6. Whoever opens a scheme neither puts money into it nor approves its shops.

Standards: GovStack Payments building block, vouchers (see `payments.connect`).
"""
