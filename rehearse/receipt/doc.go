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
//	tags      keepsake  keepsake-receipt  udid:…  of:<ID of the snapshot>  tree:<ID of its tree>
//	          rehearsal:passed or rehearsal:failed
//
// The tags tell what was proven of which snapshot; receipt.json, JSON, tells the
// rest. A snapshot that was copied to another repository has another ID there, and
// its origin ("original") may be a sealed one that it was unsealed from: its tree,
// which has the same name everywhere and holds the same bytes, says whether a
// receipt is of it. Only for receipts without that tag the two IDs count.
package receipt
