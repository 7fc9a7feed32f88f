// Package repository keeps many versions of many files in little room,
// encrypted, in restic's repository format, version 2: stock restic can list,
// check, copy, mount and restore what is written here, and the other way round.
//
// A repository is a set of small and large files in a backend
// (package repository/backend). Package repository/format draws their bytes.
//
//	config      which repository this is
//	keys/       one for each password; each holds the same master key, sealed
//	data/       packs: blobs, sealed one by one, and a header that lists them
//	index/      which blob is in which pack
//	snapshots/  one for each version: time, labels, ID of the root tree
//	locks/      who works here now
//
// A blob is a piece of a file (data) or a folder (tree, JSON). Its name is the
// SHA-256 of its plaintext; what is there already is not stored again.
//
// # The two calls that most people need
//
//	r, err := repository.Open(ctx, be, password, repository.Options{})
//	s, err := r.Begin(ctx, repository.Shared, time.Minute)
//	defer s.Close()
//
// A Session is the time under one lock: everything that reads or writes blobs
// hangs on it, because what was learned of the index under one lock is not to
// be trusted under the next one (restic-format.md 12). Its context ends when the
// lock is lost, and with it all work.
//
// # What is promised
//
//   - A snapshot references only blobs that are durable: packs first, then the
//     index that names them, then the snapshot. An interruption leaves room
//     wasted, never a version damaged.
//   - What is written was decrypted, decompressed and hashed again before it was
//     handed to the backend.
//   - What is read is authenticated and hashed before anybody sees it.
//   - Memory is bounded: see Options.Memory.
package repository
