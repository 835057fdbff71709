"""Comparing all records with each other, and a file's rows with each other, by the weights of enrolment (a sub-room).

Laws
1. A pair weighs here what it weighs at enrolment: Splink finds the pairs and `scoring` says the last word.
2. Nothing is joined here. A pair becomes a case of the queue; an officer proposes, a second one approves.
3. Nobody is asked twice about a pair, unless something speaks now that was silent then.
4. A run that stopped goes on where it was: each part is written with its cases, and a finished part is not repeated.
5. Nothing of a person leaves the memory of this process for a disk: DuckDB runs without files. Only who orders a table
   of a delivery's rows for a larger machine gets one, readable by its owner alone; the register is never written so.

Each law has a test in tests/identity/test_sweep.py. Splink and DuckDB are extras (`pip install 'msingi[duplicates]'`).

Standards: I. Fellegi and A. Sunter, "A theory for record linkage", JASA 64 (1969); settings of Splink 5.
"""
