// Package calls reads the list of calls of a phone: telephone, FaceTime and those of
// other apps.
//
// HomeDomain/Library/CallHistoryDB/CallHistory.storedata (content-schemas.md 4) is
// Core Data; CallHistoryTemp.storedata beside it has the same form and what was called
// before the phone was unlocked for the first time. Both are one list here.
//
//	ZCALLRECORD ──ZINITIATOR──► ZHANDLE (ZVALUE, ZNORMALIZEDVALUE)
//	     ▲                         ▲
//	     └── Z_2REMOTEPARTICIPANTHANDLES ──┘    the numbers in its names are those of the
//	         (Z_2REMOTEPARTICIPANTCALLS,        entities, and differ between releases
//	          Z_4REMOTEPARTICIPANTHANDLES)
//
// Before iOS 8 there was WirelessDomain/Library/CallHistory/call_history.db, one table:
//
//	call: address, date (since 1970), duration, flags   1 outgoing, 4 telephone, 16 FaceTime
//
// # What became of a call
//
// The phone keeps whether an incoming call was answered; of an outgoing one only how
// long it took. A call that was rejected is not told apart from a missed one: both are
// disconnected for reason 6, which is kept as it is.
//
// Phones keep about a thousand calls: a call that is gone has not been deleted.
package calls
