// Package importer makes snapshots of the backup folders that iTunes, Finder,
// the Apple Devices app, idevicebackup2 and keepsake itself keep of a phone
// (backup-format.md 1), and unseals snapshots that were stored without the
// backup password.
//
//	result, err := importer.Folder(ctx, session, dir, importer.Options{Passwords: ask}, reporter)
//
// # What is found
//
// dir is a backup, or backups lie below it: one for each phone, or a chain of
// copies of the same phone in dated folders. Each becomes a version of its own,
// the oldest first, dated as the phone dated it, with the version before as its
// parent. A backup that the repository has, however it came there, is
// recognised by the phone, its Status.plist, Manifest.plist and index, and not
// stored again.
//
// # What is stored
//
// The same as of a backup that came from a phone: contents in clear when the
// backup password is there, as they are ("sealed") when it is not. Exporting
// the snapshot gives the folder back, byte for byte: the lists, the index, and
// every file that the index names. Left out, and told, is what neither phone
// nor host put there as part of the backup: .DS_Store, files without a row, what
// is left of an interrupted run. A Manifest.db-wal with something in it is
// folded into Manifest.db.
//
// A backup of iOS 4 to 9 has a Manifest.mbdb in place of a Manifest.db. Its rows
// become a Manifest.db, so that everything that reads a snapshot reads this one;
// the original index is kept beside it, and export gives the old folder back.
//
// # What is refused
//
// A folder whose last run was cut off, unless a good backup was kept behind it
// (package dirstore); a folder in which something is missing or is not what its
// digest says. A snapshot exists only if it is complete; half-way through
// nothing shows.
package importer
