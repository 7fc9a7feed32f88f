// Package receipt is what a rehearsal leaves: what was proven of a snapshot, when,
// and by which program. It knows nothing of how a rehearsal is done (package
// rehearse), so that everything may read receipts.
//
// A receipt is a small snapshot of its own, which copies, forgets and prunes like
// any other, and which stock restic lists and shows:
//
//	tree      receipts/<UDID>/receipt.json
//	paths     /receipts/<UDID>, apart from the phone's versions when restic groups them
//	hostname  keepsake
//	tags      keepsake  keepsake-receipt  udid:…  of:<ID of the snapshot>
//	          rehearsal:passed or rehearsal:failed
//
// The tags tell what was proven of which snapshot; receipt.json, JSON, tells the
// rest. A snapshot that was copied to another repository has another ID there and
// names its first one ("original"); a receipt that was copied goes on naming the
// ID that it was made for. Both names count: the contents are the same, by their
// SHA-256.
package receipt
