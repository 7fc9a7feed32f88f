// Package rehearse proves that a snapshot can be restored, by restoring it: onto
// a virtual phone, over the real protocol, keeping digests and no files.
//
//	repository ──► snapshot.Folder, restore.FromFS ──► usbmux, lockdown, AFC,
//	    │                                               mobilebackup2
//	    │                                                    │
//	    │                                     erased virtual phone: password, keybag,
//	    │                                     versions, digests, keys, padding, parents
//	    │                                                    │ what it has: mode, time,
//	    │                                                    │ link, size, SHA-256;
//	    │                                                    ▼ databases checked
//	    └──► trees and blobs, read in another way ──►  every entry compared
//
// The two ways share the repository's own reading of blobs and nothing else: the
// phone gets what was encrypted again and put together as the phone once sent it,
// and decrypts it by itself; the comparison reads the plaintext that the snapshot
// keeps. A mistake in either shows.
//
// What comes of it is a [receipt.Receipt], kept in the repository beside the
// snapshot, also when it has not passed. It says "rehearsed on the virtual phone":
// no iPhone was asked.
//
// # What a rehearsal cannot see
//
// Files of apps and of the camera roll have no digest in the phone's list. If the
// phone had sent such a file damaged, or somebody with the repository's password
// had put another one of the same length in its place, it comes back as it is
// stored. Of what is stored, every byte is proven.
//
// Without the backup password a snapshot that is not sealed is rehearsed with the
// keys that it keeps, under a password made up for it; the receipt says that the
// owner's own was not tried.
package rehearse
