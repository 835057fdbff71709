"""Exchange rates, and what is done with them: one currency becomes another only by a quote that somebody confirmed.

Laws
1. Currencies never mix: a conversion is two transfers, one in each currency, through the house's position accounts;
   both are paid or neither.
2. Nothing is gained or lost unexplained: what leaves = what is converted + the fee, to the minor unit; what arrives is
   what is converted times the rate, rounded down, and the house keeps less than one minor unit of it.
3. There and back is never a gain, and neither is cutting an amount into pieces.
4. A rate is in force only once a second officer has approved it, and only within its time.
5. A quote binds the house: for its holder, until its end, once. After its end, or for anybody else, nothing moves.
6. On no shard does the house owe more of a currency than the limit of its position: the ledger itself refuses it.

Standards
ISO 4217 (currencies); World Bank and CPMI general principles for remittances (price, rate and what arrives are told
before confirmation). Conversion by other participants of the switch: `payments.switch`, law 9.
"""
