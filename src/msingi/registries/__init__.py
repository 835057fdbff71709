"""Registries: registers of any kind (births of cattle, licences, vaccinations) whose shape and rights are data.

Laws
1. Described: a register holds only fields that its description names, of the type it says; what is mandatory is there.
2. Field by field: an institution reads and writes only the fields that the description grants it for its purpose, and
   searches only by fields that it may read; the keeper has them all for the register's own purpose.
3. Own names: a record about a person names the person to each institution by that institution's own pseudonym, and
   is sealed with the person's key.
4. Leaf: everybody whose record an act shows, finds or changes, or who was asked for by name or key, learns of it.
5. One key, one record: two records of a register never have the same key.
6. Repeatable: an update or a deletion that was carried out already is answered as carried out.
7. Nothing vanishes: a register that holds records is not ended.

Standards: GovStack Digital Registries 1.3.0 (Data API, Database API).
"""
