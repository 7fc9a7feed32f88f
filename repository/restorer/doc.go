// Package restorer puts what a snapshot holds into a folder of this computer.
//
//	sum, err := restorer.Restore(ctx, session, tree, restorer.Options{Target: "/mnt/back"}, observer)
//
// It walks the tree and makes folders, links and empty files as it goes; files
// with content are gathered into batches, each of which is one stream of blobs:
//
//	walk ──► folders, links, devices
//	 │
//	 └─────► batches of up to 100,000 blobs ──► Source.FetchEach ──► write at offset
//	                                                                      │ last blob of a file
//	                                                                      ▼
//	         times and mode of a folder  ◄── last entry ◄── owner, times, mode, rename
//
// # What may be relied on
//
//   - Nothing outside of Target is touched, whatever names and links the
//     repository holds (os.Root).
//   - No name ever shows half a file: a file is written under a temporary name
//     beside its place (".keepsake-restore-…") and renamed when it is whole, with
//     its times and mode. That holds for an interruption of this program; after a
//     loss of power the file system may know better. What an interrupted run left
//     under such names, the next one into the same folders removes.
//   - What cannot be restored is told, one by one, and the rest goes on; a missing
//     blob is told with the file that wants it. Only a target that is full or
//     read-only, and a repository that does not answer, end the run.
//
// # What is there already
//
// With IfChanged, the default, a file of the same size and modification time is
// taken for the same and its content left alone; anything else is replaced by
// what the snapshot holds. That is what somebody wants who restores twice, or
// over what is left after an accident; and who does not wants Never. Folders are
// merged. A folder is never removed to make place for a file. What the snapshot
// does not hold stays.
//
// Owners are set as root only. Sockets are left out: programs make their own.
package restorer
