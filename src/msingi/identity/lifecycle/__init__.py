"""What becomes of a person's record: changes that two people agree upon, guardians, and the past (a sub-room).

Laws
1. Nobody changes who somebody is alone: what one person proposed another one approves, and never on a record that
   has changed since.
2. Only a record that stands for itself is merged, into another one that does; so merges form no ring, and unmerging
   brings both back as they were. A number stays its record's for ever, merged, parted or dead.
3. The dead stay dead, unless two registrars agree that the registration was an error.
4. A guardian's right begins and ends on days that are known: one guardian has one right over one person on any day,
   and none from the first day as an adult on, unless a court says until when.
5. An institution learns under its own pseudonym what changed of the people it relies on, in order, without a gap, and
   nothing of anybody else.

Each law has a property test in tests/identity. Tables: see docs/decisions/0014-life-cycle.md.

Standards: GovStack identity building block, attribute update with legal evidence, history and change events; SQL:2011
application-time periods (PostgreSQL `WITHOUT OVERLAPS`) for guardianship.
"""
