/* content-schemas.md 1: contacts are cards, those with the same PersonLink one. */
SELECT count(*) FROM (SELECT 1 FROM ABPerson GROUP BY CASE WHEN PersonLink >= 0 THEN 'l' || PersonLink ELSE 'p' || ROWID END);
