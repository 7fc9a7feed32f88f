// Package dirstore keeps backups in a plain folder, exactly as Finder, iTunes
// and idevicebackup2 lay them out (backup-format.md 1). It is a
// mobilebackup2.Store:
//
//	DIR/
//	    <UDID>/Info.plist  Manifest.plist  Manifest.db  Status.plist
//	    <UDID>/00/ … ff/            the files, named by file ID
//	    <UDID>/Snapshot/00/ … ff/   what has arrived of a running backup
//	    .keepsake-<UDID>.lock       while a run is going on, or was cut off
//	    .keepsake-<UDID>.previous/  what the last good backup had, until the next
//	                                one is finished: see [Previous]
//
//	s, err := dirstore.Open(dir, dirstore.Options{})
//	defer s.Close()
//	err = s.Lock(udid)
//
// # Names
//
// Every path goes through an os.Root: nothing outside DIR is reached, whatever
// symbolic links stand in it.
//
// # Durability
//
// A file that arrives is written under its own name and not synced: a hundred
// thousand syncs would take longer than the backup. Instead everything becomes
// durable at once before a Status.plist is put in place that says more than
// "uploading", because that file is the phone's promise about the others.
// "moving" comes when all files have arrived and before the first old one is
// replaced; from then on the new files are on the disk. Property lists and
// manifests beside the folders are replaced atomically.
//
// If the power fails earlier, files in Snapshot may be empty or short although
// their names are there, and a kill can leave one file short. The lock file
// remembers such a run; the next [Store.Lock] drops the doubtful files, so that
// the phone sends them again. Files of a finished backup are never dropped.
//
// # Listings
//
// A folder is read from the disk at most once; from then on, or from its
// creation on, its listing is kept in memory, about 50 bytes a file.
package dirstore
