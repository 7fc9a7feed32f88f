// Package catalog keeps what a service must remember and what is in no repository:
// who may do what, which phones there are, what was done and what is to be done.
// It is one SQLite file; nothing above knows that.
//
//	db, err := catalog.Open(ctx, "/var/lib/keepsake/keepsake.db", catalog.Options{Key: key})
//	id, existing, err := db.Enqueue(ctx, catalog.Job{Kind: "backup", UDID: udid})
//
//	account ─┬─ session        by the SHA-256 of what the browser holds
//	         ├─ token          by the SHA-256 of what a program holds
//	         ├─ passkey
//	         ├─ known          networks from which somebody has signed in
//	         └─ phone ─┬─ version    a cache of the repository, which can be made anew
//	                   ├─ prompt     when its owner was asked for the passcode, and the answer
//	                   └─ job ─ log
//	audit, attempt, setting, secret, handed
//
// # What is promised
//
//   - A change that was reported done is on the disk. A process that is killed loses
//     none and does none twice: a job is enqueued in the same transaction that makes
//     sure that there is no other of its kind.
//   - A file of a newer program is refused and one that is damaged is never written to.
//   - Secrets are sealed under a key that is not in the file (XChaCha20-Poly1305, the
//     purpose and the name as associated data): a copy of the file alone opens nothing. Passwords of
//     accounts are stored as argon2id hashes, sessions and tokens as digests.
//   - Nothing grows for ever that somebody outside can make grow: the audit log, what is
//     remembered of wrong passwords, and the logs of jobs have bounds.
//   - Times are stored as milliseconds since 1970 in UTC, zero as NULL.
package catalog
