// Package vault is the memory of a phone that keeps no files: it takes a restore
// as every phone does and remembers of each file what it was, not what was in it.
//
//	stored bytes → checked and decrypted by the backup agent → plaintext
//	                                                             │
//	             size and SHA-256, kept ◄─────────────────────── ┤
//	             first 16 bytes say "SQLite": opened and checked ┘
//
// A database has to be whole before it can be opened, and the list of files
// (Manifest.db) is one. Until then they lie in a [Scratch]: in memory while they
// are small, else in a file that is encrypted with a key which never leaves this
// process. Nothing of a phone lies in clear on a disk.
//
// [Vault.Begin] starts a restore, [Restore.File] takes a file, [Vault.Stage]
// says that all of it is there, and [Vault.Commit] is the boot that puts it in
// place. [Received] is what the phone can tell of it then.
package vault
