"""Acting for somebody else: by delegation, limited by purpose and term, and as the guardian of a child.

Laws
1. A person lets another act for them only by an own act with two factors; nobody who acts for them can pass it on.
2. A delegation reaches the purposes that it names, until its term ends or it is taken back, whichever comes first.
3. A guardian acts for a child whom the register ties to them, until the child is of age.
4. Whoever acts for somebody stands by name in that person's record, and takes the right anew for every act.
"""
