"""The counter: pages for whoever comes to the register, and of the desks that have no room of their own (a court's).

Laws
1. The counter has no tables and no acts: whatever it shows or does is an act of a room below, permitted and logged
   there.
2. Every page works without scripts, at phone width, in every language, in both directions; nothing is lost by a
   wrong answer.
3. Nobody's number stands in an address: what follows a search is sealed for the session that made it.
4. What needs two people says so before it is asked for, and shows the second one what the first one saw.
5. A page for everybody tells nothing of the register: an application is found by its reference alone, a certificate
   by what stands on its paper.

Each law has a test in tests/counter.
"""
