// Package archiver backs up plain folders: it walks them and writes one
// snapshot into a repository.
//
//	w, err := session.Writer(ctx)
//	sum, err := archiver.Backup(ctx, w, parent, archiver.Options{Paths: []string{"/home/me"}}, observer)
//
// The tree of the snapshot is that of restic: every path's folders stand in one
// another from the root on, home, me, and so forth.
//
//	        names, types                    lstat, open, read
//	walk ───────────────► jobs (bounded) ───────────────────► readers ──► Writer.SaveFile
//	 │ lists a few folders ahead                                │
//	 ▼                                                          ▼
//	open folders: one node for each entry ◄──────────────── collectors wait for the IDs;
//	                                                        the last entry saves the folder's tree
//
// A folder's tree is saved when its last entry is done, by whoever did it. So
// only the folders on the way from the root to where the walk is, and those with
// files still being read, are in memory: never the whole tree. Order in a tree
// is that of the names' bytes, however the reading went.
//
// # What becomes of what cannot be read
//
// It is left out and told, one by one, as it happens (Observer.Problem). The
// snapshot is made all the same; Summary.Problems says that it is not complete.
//
// # What is taken for unchanged
//
// A regular file whose type, size, mtime and ctime are those in the parent
// snapshot is not read again, if all its blobs are in the repository and their
// sizes add up. The ctime catches what keeps the mtime. Inode numbers do not
// count, and are not stored: restored or moved disks have others, and trees stay
// the same from run to run (restic-format.md 15.11). For the same reason the
// access time is stored as the modification time.
//
// A file that changes while it is read is stored as it was read: its size is
// that of its content. Its times are from before the first byte, so the next run
// reads it again.
package archiver
