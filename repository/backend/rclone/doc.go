// Package rclone keeps a repository wherever rclone can write: it starts
//
//	rclone serve restic --stdio --b2-hard-delete REMOTE
//
// as restic does, and speaks restic's REST protocol (package rest) with it, in
// HTTP/2 without encryption over the standard input and output of the process:
//
//	   this process                          rclone
//	rest ──► HTTP/2 client ──► pipe ──► stdin   HTTP/2 server ──► the cloud
//	                       ◄── pipe ◄── stdout
//	  errors  ◄── the last of it ◄──── stderr
//
//	b, err := rclone.Open(ctx, rclone.Config{Remote: "drive:backups/phone"})
//	defer b.Close()
//
// No port is opened. Where the remote is and how to get in stands in rclone's own
// configuration; nothing of it passes through here.
//
// A process that has died is started anew by the next operation. rclone neither
// checks what it is sent against its name nor refuses to replace a file, unless
// it is told "--append-only" in Config.Args, and it answers before a local disk
// has the data for good: it passes on to its remotes what they promise.
package rclone
