// Package snapshot keeps one phone at one moment in a repository, and gives it
// back: as the tree that people know, and as the iTunes folder, byte for byte.
//
// # Looking into one
//
//	info, err := snapshot.Find(ctx, session, "latest:Anna's iPhone")
//	p, err := snapshot.Open(ctx, session, info.Snapshot)
//	defer p.Close()
//	fsys := p.FS(ctx)              // HomeDomain/Library/SMS/sms.db, in clear
//	folder, err := p.Folder(ctx)   // Manifest.db, 3d/3d0d7e5f…, as the phone sent them
//	index, err := p.Index(ctx)     // what is in the folder, from memory
//	backup, err := p.Backup(ctx)   // the folder as an unlocked itunesbackup.Backup
//
// # Making one
//
// [Save] stores the content of each file that arrives, decrypted where its key is
// known. [Build] then takes the phone's list (Manifest.db) and makes the tree: of
// the contents that are new and, for all that the phone did not send again, of the
// parent. It proves on the way that nothing is missing. [Built.Commit] publishes.
//
// # The tree
//
//	/<UDID>/<Domain>/<relative path>     the phone's files, in clear, with mode, owner, time, links
//	/<UDID>/_ios/Info.plist              as they are
//	             Manifest.plist
//	             Status.plist
//	             Manifest.db             as SQLite, in pieces of 16 KiB
//	             Manifest.db.raw         what the phone sent, if Manifest.db does not encrypt to it
//	             keepsake.json           Meta: versions, counts, exceptions, class keys
//	             index                   a record for each stored file
//	             exceptions/ab/<file ID> what cannot stand in its place
//	             sealed/ab/<file ID>     everything, if the snapshot is sealed
//
// So any restic lists, mounts and restores a phone. Its snapshot has the paths
// ["/<UDID>"], the host name "keepsake" and the tags keepsake, udid:…, name:…,
// ios:…, and sealed.
//
// A node has no inode, device, links or extended attributes, and its times are all
// the modification time: equal folders are then equal blobs. What a node lacks is
// in Manifest.db, from which a phone is restored.
//
// # Unsealed, sealed, exceptions
//
// AES-CBC with a fixed IV and PKCS#7 padding is a bijection, so what the phone sent
// follows from the plaintext and the file's key, which Manifest.db has, wrapped by
// class keys. Those of classes 1 to 4 and the manifest's own lie in keepsake.json:
// they reveal nothing that the plaintext beside them does not, and with them
// nobody needs the backup password again. The keychain's stay wrapped.
//
// Without the password the whole snapshot is sealed: there are no domains,
// Manifest.db is ciphertext, contents lie as they came. Build unseals it (it is the
// Parent then, and Contents has nothing) and seals what is not.
//
// An exception is a file of an unsealed snapshot that has no place of its own in
// the tree ([Reason]): its name is too long or reserved, a folder has the same
// name, the folder has more than 50,000 entries, its row cannot be read, or it
// would not encrypt to what it was. Those last ones are kept as they came. The list
// is in keepsake.json; FS shows them in their places where it can.
//
// # The index
//
// Records of 40 bytes, in the order of the tree: a folder before what is in it,
// names in the order of their bytes; files that no readable row names come last.
// In a sealed snapshot they are in the order of their IDs. Numbers are big-endian.
//
//	 0                 20            26            32          40
//	┌─────────────────┬─────────────┬─────────────┬───────────┐
//	│ file ID         │ bytes in    │ time, Unix  │ seal      │
//	│ 20              │ the folder 6│ seconds   6 │         8 │
//	└─────────────────┴─────────────┴─────────────┴───────────┘
//
// The seal is the beginning of the SHA-256 of the length of the wrapped key (1
// byte), the wrapped key and the digest of the row; zeros when it has neither. So
// the next Build sees, without reading the last Manifest.db, that a file which was
// not sent is still what the phone's list says.
//
// The file is cut behind a record whose ID begins with a zero byte, at 192 records
// at least and 768 at most: a day's changes touch few pieces. It follows from the
// tree and Manifest.db ([Snapshot.RebuildIndex]).
//
// # What is trusted
//
// What comes from the repository is authentic, but may have been written by a
// program with mistakes: lengths are bounded, and the index, the tree and
// Manifest.db have to agree with each other. What comes from the phone is not
// trusted at all: names are those that itunesbackup.CheckPath lets pass.
package snapshot
