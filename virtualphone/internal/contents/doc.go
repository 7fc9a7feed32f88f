// Package contents makes the files of a virtual iPhone: a phone that somebody
// has used for three years, from a seed.
//
// Everything lies as plain files in the phone's state folder, so that anything
// can look at it and change it:
//
//	fs/<Domain>/<relative path>   what a backup may see (backup-format.md 4)
//	  fs/HomeDomain/Library/SMS/sms.db
//	  fs/CameraRollDomain/Media/DCIM/100APPLE/IMG_0001.HEIC
//	  fs/AppDomain-com.example.lumora/Documents/…
//	media/<relative path>         the rest of /var/mobile/Media: music, books,
//	                              seen over AFC, never in a backup
//	                              (protocol.md 14.3)
//	apps.json                     the installed apps, see [Apps]
//	contents.json                 seed, version, the phone's day, see [Use]
//
// What AFC shows as its root is the union of media/ and the Media folders of
// CameraRollDomain, MediaDomain and TonesDomain.
//
// [Generate] makes a phone, [Use] lets days go by on it, [Erase] leaves what a
// new phone has. [Backed], [HasDigest], [ProtectionClass] and [SnapshotFile] are
// the phone's rules for a backup; [Digest] lists what one must bring back.
//
// The same options give the same names, bytes, modes and times. Times are whole
// seconds, since that is all that a manifest keeps. A file system that cannot
// hold some of the odd names (macOS, Windows) goes without them.
package contents
