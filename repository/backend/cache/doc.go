// Package cache keeps what is read again and again next to us, for a repository
// that is far away.
//
//	b = cache.New(remote, filepath.Join(cacheFolder, repositoryID), cache.Options{})
//
// It stands in front of another backend and holds copies of whole files, sealed
// as they are in the repository; neither a key nor plaintext ever comes here:
//
//	index/<id>       all of them, until a listing shows that they are gone
//	snapshots/<id>   the same
//	data/<id>        packs of folders, those that MarkTreePack named; the ones
//	                 not used for longest go when Options.MaxBytes is reached
//	*/tmp-<random>   a file on its way
//
// Whatever happens to this folder, the repository is read rightly: a copy is
// used only after its SHA-256 was found to be its name. Index and snapshot files
// are small and checked each time. Packs are read in parts, so they are checked
// once by each process and summed in blocks of 32 KiB, and each block that is
// read later is compared with its sum. A copy that fails is dropped and the
// file comes from the repository, as it does when the disk of the cache is full,
// read-only or gone: that costs time and is told to Options.Trouble, nothing
// else.
//
// Several processes can share a folder: copies appear by rename, whole, and
// their names say what is in them.
//
// A copy may outlive its file: what another computer removed can be loaded until
// the next List of that type. Whoever works with a repository lists its indexes
// and snapshots first (restic-format.md 12), so this does not show.
package cache
