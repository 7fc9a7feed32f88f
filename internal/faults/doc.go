// Package faults holds a table of what can go wrong with a backup or a restore,
// and what becomes of it. It has tests only.
//
// Every row breaks one thing, in one run of the program's own commands against a
// virtual phone: the cable comes out at a byte of a phase, the phone says
// nonsense, the disk is full, the program is killed. For every row it is held that
//
//   - the person is told what is wrong and what to do, in the very words that
//     docs/faults.md shows, and the exit code is right;
//   - the last good backup still verifies, every digest and every file decrypted,
//     and restores onto another, erased phone with not a byte changed;
//   - the next run completes, verifies, and leaves nothing beside the backup;
//   - nothing was written outside the folder of the backups, and no goroutine is
//     left.
//
// # How a row runs
//
//	templates, made once             one row
//	phone/    backed up, then used → copy, started with the row's faults ─┐ keepsake backup
//	backups/  its first backup     → copy ────────────────────────────────┘
//	                                   │ the last good one is verified …
//	target/   another phone, erased  → copy ── keepsake restore → digests are equal
//	                                   │
//	                                   └─ keepsake backup once more → verified
//
// Rows of a restore break the run on the right instead. Disks that are full,
// broken or read-only, and programs that are killed, need a process of their
// own: the test binary runs itself again as the program, in a namespace of Linux
// where a mount is needed. Everything works as root and as an ordinary user.
//
// docs/faults.md is written by
//
//	go test ./internal/faults -update
//
// and compared otherwise, so that a changed text shows in review. What differs
// from run to run stands there as a word in capitals: UDID, DIR, PID, TIME.
package faults
