// Package itunesbackup reads, checks and writes the folder that iTunes, Finder
// and idevicebackup2 keep of a phone (backup-format.md 1 to 3).
//
// To read one, [Open] it, [Backup.Unlock] it when it is encrypted, and use
// [Backup.FS] or [Backup.Open]. [Backup.Verify] tells whether it would restore.
// [NewWriter] makes one, [Convert] one from another. The parts are here as well
// for those who send or receive them on the wire: [Manifest], [MBFile],
// [ManifestPlist], [StatusPlist], [InfoPlist].
//
// # The folder
//
//	<UDID>/Info.plist       XML, by the host: which phone, when
//	       Manifest.plist   binary, by the phone: keybag, applications, identity
//	       Status.plist     binary, by the phone: finished or not; 189 bytes
//	       Manifest.db      SQLite: one row per file; ciphertext when encrypted
//	       ab/ab12…         content of the file whose ID starts with ab
//
// A file's name in it is the SHA-1 of "domain-relativePath" ([MakeFileID]). A
// domain is a part of the phone: "HomeDomain", "CameraRollDomain",
// "AppDomain-<bundle ID>". Directories and links have a row and no content. Up
// to iOS 9 the index was Manifest.mbdb and the contents lay flat ([ParseMBDB]);
// such folders can be read, too.
//
// # Encryption
//
// The keybag in Manifest.plist opens with the backup password and gives class
// keys. ManifestKey opens Manifest.db; the EncryptionKey of a row opens its
// file. Both are AES-256-CBC with a zero IV and PKCS#7. Package keybag has the
// details. Of an encrypted backup nothing is ever written in clear while reading:
// SQLite reads its pages through the cipher.
//
// # Trust
//
// A folder may come from anywhere. Every length is bounded, names that could
// lead out of the folder are refused, links out of it are not followed, and a
// faulty row is told ([RowError]) and skipped. Errors about content wrap
// [ErrMalformed].
package itunesbackup
