// Package mount shows the snapshots of a repository as folders of this computer,
// read-only, by FUSE. It works on Linux; elsewhere Mount says that it does not.
//
//	srv, err := mount.Mount(ctx, dir, session, snapshots, mount.Options{})
//	err = srv.Wait() // until somebody unmounts it, or ctx ends
//
// The folders are those of restic's mount:
//
//	ids/0a1b2c3d/…                        each snapshot by its ID
//	snapshots/2026-11-22T14:03:05+01:00/… each by its time; latest is a link
//	hosts/<host>/<time>/…                 the same, for each host
//	tags/<tag>/<time>/…                   the same, for each tag
//
// Two of the same second get "-1", "-2" behind. What cannot stand in a name is
// written "_".
//
// Nothing is loaded before somebody looks at it. Folders and blobs used last are
// kept in memory, up to a limit; a blob that several readers want at once is
// loaded once. What cannot be read is EIO for the reader, and the reason is told
// to Options.Problem. The snapshots are those at the time of mounting.
package mount
