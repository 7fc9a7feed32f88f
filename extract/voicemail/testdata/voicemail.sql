/* content-schemas.md 5: one line per message of both tables. */
SELECT strftime('%Y-%m-%dT%H:%M:%SZ', date, 'unixepoch'), coalesce(sender, ''), coalesce(callback_num, ''), duration, coalesce(receiver, ''), flags, remote_uid, ROWID,
  coalesce(token, ''), strftime('%Y-%m-%dT%H:%M:%SZ', expiration, 'unixepoch'), CASE trashed_date WHEN 0 THEN '' ELSE strftime('%Y-%m-%dT%H:%M:%SZ', trashed_date + 978307200, 'unixepoch') END,
  d OR trashed_date > 0 OR flags & 8 > 0, flags & 64 > 0, (SELECT account FROM map m WHERE m.label = v.label)
FROM (SELECT *, 0 AS d FROM voicemail UNION ALL SELECT *, 1 FROM deleted) v ORDER BY date, remote_uid;
