"""Products: what an account earns and costs, as data of the country, computed each day and explained line by line.

Laws
1. Interest is added up in exact fractions; what is paid and what is carried over together are exactly what was earned.
2. Each day of an account counts once, each month is settled once, whatever breaks off or runs twice.
3. Terms of a day are those that were in force on that day, and no change is in force before it was announced long
   enough.
4. Every amount that is paid or charged can be computed again from the lines that its customer sees.
5. A monthly fee never takes more than the account has: what is not there is not owed.
"""
