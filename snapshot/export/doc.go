// Package export writes a snapshot as the folder that iTunes, Finder and
// idevicebackup2 know (backup-format.md 1), byte for byte as the phone sent it:
//
//	result, err := export.Folder(ctx, p, "/mnt/usb/Backup", export.Options{}, reporter)
//
//	/mnt/usb/Backup/<UDID>/   Info.plist  Manifest.plist  Manifest.db  Status.plist  00/ … ff/
//
// What was stored in clear is encrypted again on the way, with the keys that the
// phone used; the backup password is not needed, and goes on protecting the
// folder. Two other forms can be asked for: under a new backup password, and not
// encrypted at all.
//
// # What may be relied on
//
//   - DIR/<UDID> appears when everything is in it and durable, never before. Until
//     then the folder is called DIR/.keepsake-export-<UDID>.
//   - Nothing is written over: a place that is taken is refused.
//   - An interrupted export goes on where it was, if the same is asked for again.
//   - Too little room is said before anything is written.
//   - With Verify, everything is read back from the disk and compared.
package export
