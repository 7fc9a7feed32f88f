// Package backup makes backups of phones: the whole job, from the first
// question to the last byte on the disk.
//
//	res, err := backup.ToFolder(ctx, dev, "/mnt/backups", backup.Options{}, reporter)
//
// leaves /mnt/backups/<UDID>, a folder that Finder, iTunes and idevicebackup2
// can use (backup-format.md 1).
//
//	res, err := backup.ToRepository(ctx, dev, repo, backup.RepositoryOptions{State: "/var/lib/keepsake"}, reporter)
//
// adds a version to a repository, without a folder beside it. [SetEncryption]
// switches the encryption of a phone's backups on or off, or changes the password.
//
// # Into a repository
//
// The phone is shown the iTunes folder of its last version, with what this run
// changes laid over it. What it sends lies on this computer until the repository
// has it:
//
//	phone ──► overlay ──► spool ─────► ingester ──► repository
//	            │        segments,     decrypts      blobs
//	            │        encrypted     with the         ▲
//	            ▼            ▲         keys of          │
//	         journal ────────┴─────    the list ────────┘
//	         what happened             "object 17 is blobs 4f…, 9a…"
//
// The overlay is a tree in memory: the last version's files from its index, and
// the changes. Every change is a record in the journal before the phone hears of
// it, so a process that is killed loses the file in flight and nothing else: the
// next one reads the journal and shows the phone what the last one showed. Spool
// and journal are encrypted with a random key that the repository has sealed
// (Repository.Seal). Both lie in <State>/<repository ID>/<UDID>, which one process
// holds at a time:
//
//	lock        the process that works here
//	journal     magic │ sealed head: key, version below it │ records …
//	segment-N   what waits for the repository (RepositoryOptions.Spool)
//	list-N      Manifest.db, which waits until the end; the limit does not count it
//	full        there if the next run has to receive everything
//
// A phone in clear: the ingester reads behind the phone. Every 256 MiB, or
// minute, a checkpoint makes the blobs durable, writes their IDs into the journal
// and gives the segments back. A file of more than 128 MiB, or one that finds the
// spool full, goes into the repository while it still arrives; it has arrived when
// its blobs are durable.
//
// An encrypted phone: a file's key is in Manifest.db, which comes last. When the
// phone announces "moving" all has arrived: the keys come from the last version if
// the keybag is still the same, else from the backup password, and the files are
// decrypted in the order in which they arrived, while the phone moves, removes and
// verifies. Without keys the version is sealed: everything stays as it came. If
// the spool is full before the keys are there, or the phone finds too little room
// (room.go), files are stored as they come, and decrypted from there if the
// repository's disk has room for both forms.
//
// A version is published when the phone has said that it succeeded and
// snapshot.Build has verified all of it.
//
// # What can happen to a run into a repository
//
//   - It ends at any point, however it ends: the next one goes on from there, on
//     this station. After a loss of power (another boot ID) everything that was not
//     synced is read, and dropped if it is damaged. All is synced when the phone
//     says "moving", and when it has finished.
//   - The phone has finished, and the version is not published: that is in the
//     journal, durably, and the next ToRepository, or [FinishPending], completes it
//     without the phone.
//   - A prune takes blobs of the run: before the phone lists anything, every object
//     is compared with a freshly loaded index and dropped if a blob is gone. If the
//     phone had begun to move files, the run is taken back to the moment before,
//     because only there does a phone send single files: all that is left lies in
//     Snapshot again.
//   - There is another version than the one below the run, because another station
//     made one, or the one below it was forgotten: the run is dropped, and the phone
//     shown the newest version. Only with its own base is what the phone sent of use.
//   - Build finds files missing or other than the phone's list says, or the phone
//     answers 205 to what it is shown (protocol.md 4.13): the same would happen
//     again and again. The run is dropped and the next one receives everything; the
//     repository stores nothing twice.
//   - The repository fails, or its lock is lost: the run ends, and nothing that has
//     arrived is lost.
//
// # What an interruption can do to a folder
//
// The phone sends what changed into <UDID>/Snapshot and touches nothing else
// until all of it has arrived; only then does it announce the state "moving"
// (protocol.md 4.13, steps 9 to 11). Hence:
//
//   - A run that ends before "moving", however it ends (cable, cancel, full
//     disk, kill), leaves the files and manifests of the last good backup as
//     they were; only Status.plist says "uploading". That backup still verifies
//     and restores, and the next run continues with what is in Snapshot.
//   - Before "moving" is written, everything in Snapshot is on the disk. From
//     then on nothing has to come from the phone: each remaining step is a
//     rename or a removal that can be repeated, and the next run repeats what
//     is missing. Between "moving" and "removing" the folder is neither the old
//     backup nor the new one, so what is replaced or removed is set aside beside
//     it until the new backup is finished; laid over the folder it is the last
//     good backup again (dirstore.Previous).
//   - Info.plist describes the files beside it, so it is replaced at the moment
//     of "moving" too, and not before the run as other tools do.
//   - A full backup is asked for without deleting anything: the phone is shown
//     a Status.plist that says so, which is never written (protocol.md 4.11).
package backup
