// Package backup makes backups of phones: the whole job, from the first
// question to the last byte on the disk.
//
//	res, err := backup.ToFolder(ctx, dev, "/mnt/backups", backup.Options{}, reporter)
//
// leaves /mnt/backups/<UDID>, a folder that Finder, iTunes and idevicebackup2
// can use (backup-format.md 1). [SetEncryption] switches the encryption of a
// phone's backups on or off, or changes the password.
//
// # What an interruption can do
//
// The phone sends what changed into <UDID>/Snapshot and touches nothing else
// until all of it has arrived; only then does it announce the state "moving"
// (protocol.md 4.13, steps 9 to 11). Hence:
//
//   - A run that ends before "moving", however it ends (cable, cancel, full
//     disk, kill), leaves the files and manifests of the last good backup as
//     they were; only Status.plist says "uploading". That backup still verifies
//     and restores, and the next run continues with what is in Snapshot.
//   - Before "moving" is written, everything in Snapshot is on the disk. From
//     then on nothing has to come from the phone: each remaining step is a
//     rename or a removal that can be repeated, and the next run repeats what
//     is missing. Between "moving" and "removing" the folder is neither the old
//     backup nor the new one, so what is replaced or removed is set aside beside
//     it until the new backup is finished; laid over the folder it is the last
//     good backup again (dirstore.Previous).
//   - Info.plist describes the files beside it, so it is replaced at the moment
//     of "moving" too, and not before the run as other tools do.
//   - A full backup is asked for without deleting anything: the phone is shown
//     a Status.plist that says so, which is never written (protocol.md 4.11).
package backup
