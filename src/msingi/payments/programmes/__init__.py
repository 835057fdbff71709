"""Programmes: who a ministry pays regularly, by which rules, and each cycle of payments from the list to the money.

Laws
1. Eligibility is data: the same rules on the same facts give the same answer, and every refusal names its rule.
2. A person stands in a programme once, however often the list is handed in.
3. Every enrolled person is checked again for each cycle, and either becomes a line of its payment file or is left out
   with the reason: nobody disappears.
4. In one cycle nobody is paid twice: a retry holds only those whom no earlier file of the cycle paid.
5. Whoever opens a cycle does not approve it, and money leaves only the institution's own account.
6. What goes back because nobody collected it comes from an account that has never paid anything out, after its holder
   was told and the time was over, once; whoever says that she keeps it, or uses the account, keeps it.

A cycle becomes a payment file of the room above (`payments.files`): its approval, its progress, its outcomes line by
line and its reports are the same as those of a file that was handed in.
"""
