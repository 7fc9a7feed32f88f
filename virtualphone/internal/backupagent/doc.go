// Package backupagent is the phone's own side of com.apple.mobilebackup2: it
// answers backup, restore and password requests as an iPhone does.
//
// [Serve] answers one connection for a [Phone]; [CommitStaged] puts a restore in
// place at the next boot. The agent shares message types with the host's
// packages and nothing else, and follows protocol.md sections 3, 4 and 11 to 13
// and backup-format.md 1 to 3.
//
// # A backup on the wire
//
// All messages are property list arrays in DeviceLink frames; after Hello the
// host asks once and the phone leads (protocol.md 4.13):
//
//	host                     phone
//	Backup             →
//	                         asks its owner for the passcode
//	                   ←     DownloadFiles [Status.plist]
//	path 0x06 0, −13   →     none: a full backup
//	                   ←     DownloadFiles [Manifest.plist], [Manifest.db]; listings
//	                         scans its files against the manifest
//	                   ←     GetFreeDiskSpace; PurgeDiskSpace when it is not enough
//	                   ←     CreateDirectory ×514: UDID/00…ff, UDID/Snapshot/00…ff
//	                   ←     UploadFiles Status.plist           (uploading)
//	                   ←     UploadFiles ×n, 128 files each, into Snapshot/ab/ID
//	                   ←     UploadFiles Snapshot/Manifest.plist, Manifest.db
//	                   ←     UploadFiles Status.plist           (moving)
//	                   ←     MoveItems ×n, 128 files each; Manifest.plist; Manifest.db
//	                   ←     UploadFiles Status.plist           (removing)
//	                   ←     RemoveItems ×n; Snapshot; Manifest.mbdx
//	                   ←     UploadFiles Status.plist           (finished)
//	                   ←     DownloadFiles ×3, listings: verification
//	                   ←     Response 0
//
// A run that breaks off is continued by the next request from the state that
// Status.plist names. What had arrived in Snapshot is not sent again: the phone
// keeps notes of what it sent (see snapshot.go) and compares them with listings.
//
// Interpretations, where the documents leave room:
//
//   - a file that the phone cannot read ends with 0x0B and a text; the backup
//     goes on, ends with code 0, and has the older version of the file if there
//     is one, otherwise no row for it;
//   - one listing for each folder of a backup that exists, when verifying;
//   - a file counts as arrived if its batch was confirmed, or if nothing else
//     can lie in its place and it has its full length;
//   - "system files" of a restore are all domains but the containers of apps
//     (see scope.go); data of apps that are neither installed nor coming back as
//     placeholders does not come back;
//   - restores download 128 files at a time, and only Manifest.db backups.
//
// # State
//
// The phone's files lie in Dir()/fs/<Domain>/<path>. The agent's own:
//
//	backup/work/            of the request at work; removed after it
//	backup/snapshot/        notes on an unfinished backup
//	backup/staged/          a restore that waits for the next boot
//	backup/restored.json    what the last restore was; see [Restored]
//
// # Faults
//
// The points at which a fault (package fault) may strike, what they count, and
// what may happen there:
//
//	backup.start       requests            before the passcode prompt
//	status             requests            before Status.plist is read
//	scan               requests            before the files are walked
//	prepare            requests            before folders are made
//	upload             bytes of files      inside a data frame of up to 512 bytes
//	upload.file        files               before a file is announced
//	manifest           requests            before the manifests are made and sent
//	move               messages            before each MoveItems
//	remove             requests            before the first RemoveItems
//	verify             requests            before the three downloads
//	respond            responses of 0      instead of success
//	password           requests            ChangePassword
//	restore.start      requests            Restore
//	restore.download   files               before each batch of a restore
//
//	everywhere:
//	cut                close the connection
//	stall              say nothing until the host leaves
//	error=CODE         final response with that MBErrorDomain code and its text
//	cancel             notification syncCancelRequest, then 202
//	lock               208 "Device locked"
//	unknown            a message that no phone sends, then wait for an answer
//
//	at upload.file:
//	path=PATH          claim that host path; NUL and LONG stand for one with a
//	                   zero byte and one of 5,000 characters, \x00 for a zero byte
//	devpath=PATH       claim that phone path
//	duplicate          announce the file twice, empty the first time
//	readerror          0x0B "Input/output error (5)" instead of the file
//	changed            0x0B after the data: the file changed while it was read
//	badcode[=BYTE]     end the file with that code, 0x07 if none is given
//	truncate           a frame announces more than it holds, then cut
//	huge               a frame announces 4 GiB, sends 1 MiB, then cut
//
//	at manifest:
//	nomanifest         send neither manifest, and go on
package backupagent
