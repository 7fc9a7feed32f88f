// Package restore puts a backup onto a phone: pre-flight, the restore itself,
// and what is left to do by hand.
//
//	report, err := restore.FromFolder(ctx, dev, "/mnt/backups", restore.Options{Source: udid}, reporter)
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
// Nothing on the phone changes before it restarts: until then the files are
// staged (protocol.md 11.7).
package restore
