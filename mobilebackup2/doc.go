// Package mobilebackup2 is the host's side of com.apple.mobilebackup2, the
// service that backs a phone up and restores it (protocol.md 4).
//
// After DeviceLink is up (package devicelink), host and phone agree on a
// version and the host states its wish; from there on the phone leads:
//
//	host   Hello {SupportedProtocolVersions: [2.0, 2.1]}
//	phone  Response {ErrorCode: 0, ProtocolVersion: 2.1}
//	host   Backup {TargetIdentifier: UDID}
//	phone  … asks its owner for the passcode; nothing is on the wire …
//	phone  DLMessageDownloadFiles, UploadFiles, MoveItems …   host  status, each
//	phone  Response {ErrorCode: 0}
//
// What the phone wants kept, listed, renamed and removed goes to a [Store]:
//
//	c, err := mobilebackup2.New(ctx, conn)
//	defer c.Close()
//	sum, err := c.Backup(ctx, mobilebackup2.Job{Target: udid}, store, observer)
//
// Promises to the caller of a job:
//
//   - One goroutine, the caller's, touches the connection, the store and the observer.
//   - Paths reach the store checked: relative, clean, below the backup's folder.
//     The first one that is not ends the job with a [PathError].
//   - A job succeeds only if the phone says so and, for a backup, Status.plist in
//     the store says "finished". An error of the host is reported as itself
//     ([HostError]), not as the phone's echo of it ([DeviceError] 104 and the like).
//   - Cancelling the context ends the job within seconds and tells the phone.
//     The store keeps what has arrived; a later Backup continues there.
//   - Every wait is for progress, each phase with its own patience ([Limits]).
package mobilebackup2
