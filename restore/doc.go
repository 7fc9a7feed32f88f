// Package restore puts a backup onto a phone: pre-flight, the restore itself,
// and what is left to do by hand.
//
//	report, err := restore.FromFolder(ctx, dev, "/mnt/backups", restore.Options{Source: udid}, reporter)
//	report, err := restore.FromSnapshot(ctx, dev, snapshot, restore.Options{Password: password}, reporter)
//
// Both end in [FromFS]: the phone asks for the files of an iTunes folder by name
// (protocol.md 4.14), and any file system that has them will do. It is only read.
//
// # What the phone is told
//
// Four options decide what becomes of the phone (protocol.md 4.2, 11.5). The
// phone's own defaults are not those of the usual tools, so all four are always
// sent:
//
//	                          phone in set-up   phone in use
//	RestoreSystemFiles        true              true
//	RestorePreserveSettings   false             true
//	RemoveItemsNotRestored    true              false
//	RestoreShouldReboot       true              true
//
// For a phone in set-up they are what Finder sends: without them it comes up as
// new, or without its apps. A phone in use loses, with the same options, what
// the backup lacks: pictures taken since, and keychain items that no backup
// holds. The defaults keep that; then apps do not come back by themselves
// either, only their data once they are installed. Erasing the phone first is
// the better way, and the report says so.
//
// # Leaving parts out
//
// A damaged backup is rescued by showing the phone one that never had the
// damaged parts: [Options].LeaveOutApps, LeaveOutDomains, SkipDamaged. Their rows
// are taken from Manifest.db, apps also from the lists in Manifest.plist and
// Info.plist, so that everything agrees again. That happens in memory, under the
// backup's own keys; neither the backup nor a disk sees any of it.
//
//	Manifest.db ── decrypt ──> SQLite in memory ── DELETE ──> encrypt ──┐
//	Manifest.plist, Info.plist ── less the apps ────────────────────────┼──> phone
//	ab/ab12… ── as they are ────────────────────────────────────────────┘
//
// A phone in set-up then lacks what is left out. A phone in use keeps what it has
// of it, as long as RemoveItemsNotRestored is false; true is refused. From iOS 27
// on it also deletes, whatever it is told, what a backup lacks of HomeDomain and
// CameraRollDomain (protocol.md 11.9). There nothing may be left out of these and
// of KeyboardDomain, and of other domains all or nothing; a phone in use that does
// not tell its version is treated the same.
//
// An app takes its plug-ins along, which bear its name, but not its groups: others
// may share them, and no backup says who does. They are told ([LeftOut].Groups).
// To leave out an app's domain instead of the app lets it come back, empty.
//
// Nothing on the phone changes before it restarts: until then the files are
// staged (protocol.md 11.7).
package restore
