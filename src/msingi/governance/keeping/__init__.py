"""What is kept, for how long, and what becomes of it: retention that runs by itself, erasure, legal holds.

Laws
1. A row is destroyed only if its table is registered, its time has passed and it is out of use; never one under a hold.
2. What a country's law requires to keep is kept as long as that law says; all else no longer than its room needs it.
3. Every destruction leaves a leaf and a signed certificate: how much, how old, and a digest of what each row was.
4. Erasing seals anew what a law requires to keep, destroys the old key, and tells the person both halves.

The register is the table `governance.keeping`, which only the owner of the database writes; what a room's schema says
of a column (`-- personal: purpose, keep retention`) and the register must not contradict each other: a test compares.
"""
