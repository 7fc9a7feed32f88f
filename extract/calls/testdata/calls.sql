/* content-schemas.md 4: one line per call. The table of participants is found by the number of CallRecord; it is put in place of JOIN. */
SELECT coalesce(c.ZUNIQUE_ID, ''), coalesce(strftime('%Y-%m-%dT%H:%M:%SZ', c.ZDATE + 978307200, 'unixepoch'), ''),
  CASE c.ZORIGINATED WHEN 1 THEN 'outgoing' ELSE 'incoming' END,
  CASE WHEN c.ZORIGINATED = 1 AND c.ZDURATION > 0 THEN 'connected' WHEN c.ZORIGINATED = 1 THEN 'not connected' WHEN c.ZANSWERED = 1 THEN 'answered'
    WHEN c.ZBLOCKEDBYEXTENSION IS NOT NULL THEN 'blocked' ELSE 'missed' END,
  CASE c.ZCALLTYPE WHEN 1 THEN 'phone' WHEN 8 THEN 'FaceTime video' WHEN 16 THEN 'FaceTime audio' ELSE 'app' END,
  coalesce(CAST(c.ZADDRESS AS TEXT), ''), coalesce(c.ZNAME, ''), coalesce(c.ZSERVICE_PROVIDER, ''), CAST(round(c.ZDURATION * 1000) AS INTEGER),
  coalesce(c.ZLOCATION, ''), c.ZDISCONNECTED_CAUSE IS 6, c.ZWASEMERGENCYCALL IS 1,
  coalesce((SELECT group_concat(v, '|') FROM (SELECT h.ZVALUE AS v FROM ZHANDLE h WHERE h.Z_PK IN (SELECT j.HANDLES FROM JOIN j WHERE j.CALLS = c.Z_PK) ORDER BY h.Z_PK)), '')
FROM ZCALLRECORD c ORDER BY c.ZUNIQUE_ID IS NULL, c.ZUNIQUE_ID;
