"""What is kept about people in payments stands in the register of retention, table by table."""

import re
from importlib.resources import files

TABLE = re.compile(r"CREATE TABLE IF NOT EXISTS (payments\.[a-z_]+) \((.*?)\n\)", re.S)


def test_every_table_with_personal_columns_has_a_row_in_the_register_of_retention():
    register = (files("msingi.governance") / "schema.sql").read_text("utf-8")
    kept = set(re.findall(r"\(\d+, '(payments\.[a-z_]+)', '[a-z-]+', \d+, '(?:book|room|delete|life)'", register))
    lacking = set()
    for room in (files("msingi.payments"), *(r for r in files("msingi.payments").iterdir() if r.is_dir())):
        if (room / "schema.sql").is_file():
            for name, columns in TABLE.findall((room / "schema.sql").read_text("utf-8")):
                if "-- personal:" in columns and name not in kept:
                    lacking.add(name)
    assert len(kept) > 50 and not lacking
