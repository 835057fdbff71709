"""Recalls: a payment that went to another bank is asked back from that bank, and another bank asks ours.

Laws
1. A payment is asked back by whoever paid it, once, within the days that the country gives for its kind.
2. What comes back comes through the switch, as a transfer of the bank that was paid; our own bank's money pays nobody.
3. A recall ends once: paid back (in whole or in part) or refused, and then nothing is held for it any more.
4. Nothing leaves a customer's account for a recall but by the decision of an officer, with a reason that the customer
   reads, and never more than was paid.
5. Both banks' every step is told to our customer, with its time; whoever does not answer in time is seen by whoever
   runs the switch, and our customer can complain.

Standards
ISO 20022 camt.056 (asks) and camt.029 (answers), in the flavour of FSPIOP's API 2.0; the way back is FSPIOP's quote
with the scenario REFUND, and a transfer. Ids are derived, so that whatever breaks off can be repeated.
"""
