/* The table of participants and its columns: CallRecord's number is in the first two names, Handle's in the third. */
SELECT 'Z_' || c.Z_ENT || 'REMOTEPARTICIPANTHANDLES', 'Z_' || c.Z_ENT || 'REMOTEPARTICIPANTCALLS', 'Z_' || h.Z_ENT || 'REMOTEPARTICIPANTHANDLES'
FROM Z_PRIMARYKEY c, Z_PRIMARYKEY h WHERE c.Z_NAME = 'CallRecord' AND h.Z_NAME = 'Handle';
