/* Each card with all that it has, one line per card, values in the order of the phone. */
SELECT p.guid, coalesce(p.First,''), coalesce(p.Last,''), coalesce(p.Organization,''), coalesce(p.JobTitle,''), coalesce(p.Note,''),
  CASE WHEN p.Birthday IS NULL THEN '' WHEN strftime('%Y', p.Birthday + 978307200, 'unixepoch') = '1604' THEN strftime('--%m-%d', p.Birthday + 978307200, 'unixepoch')
    ELSE strftime('%Y-%m-%d', p.Birthday + 978307200, 'unixepoch') END,
  strftime('%Y-%m-%dT%H:%M:%SZ', p.CreationDate + 978307200, 'unixepoch'),
  strftime('%Y-%m-%dT%H:%M:%SZ', p.ModificationDate + 978307200, 'unixepoch'),
  coalesce((SELECT group_concat(t, '|') FROM (SELECT v.property || ' ' || replace(replace(coalesce(l.value, ''), '_$!<', ''), '>!$_', '') || ' ' || v.value AS t
    FROM ABMultiValue v LEFT JOIN ABMultiValueLabel l ON l.rowid = v.label
    WHERE v.record_id = p.ROWID AND v.property IN (3, 4, 22, 23) ORDER BY v.property, v.identifier, v.UID)), ''),
  coalesce((SELECT group_concat(t, '|') FROM (SELECT k.value || '=' || e.value AS t FROM ABMultiValue v JOIN ABMultiValueEntry e ON e.parent_id = v.UID
    JOIN ABMultiValueEntryKey k ON k.rowid = e.key WHERE v.record_id = p.ROWID AND v.property = 5 ORDER BY v.UID, k.value)), ''),
  coalesce((SELECT group_concat(n, '|') FROM (SELECT g.Name AS n FROM ABGroupMembers m JOIN ABGroup g ON g.ROWID = m.group_id
    WHERE m.member_type = 0 AND m.member_id = p.ROWID ORDER BY lower(g.Name))), '')
FROM ABPerson p ORDER BY p.guid;
