"""What an access token opens: userinfo, the stack's own doors, and its own end (a sub-room of sign-in).

Laws
1. A token opens only what its audience names: `openid` tokens open userinfo, tokens with the scope `api` the doors.
2. A token bound to a key opens nothing without a fresh proof of that key for this very request.
3. A token of an ended grant is refused everywhere from the moment of the end.
4. At userinfo a proof is remembered in the database; at the other doors each process remembers the proofs it saw,
   because a proof lives 90 s and a second leaf per request would double the log.
"""
