// Package station keeps what one computer has to remember between two runs of
// keepsake, and what is in no repository:
//
//	<state>/                    0700
//	  lock                      held while a document changes
//	  passwords.json            remembered backup passwords, each sealed by its repository
//	  targets.json              where copies go (written by who owns that word)
//	  runs/<repository>/<UDID>/ backups that are not finished (package backup)
//
// A document is one JSON value in one file: small, read and written whole.
//
//	s, err := station.Open(dir)
//	err = s.Load("targets", &list)
//	err = s.Update("targets", &list, func() error { list = append(list, t); return nil })
//
// # What is promised
//
//   - A document changes at once or not at all: it is written beside the old one,
//     made durable and renamed. Changes of several processes come one after the
//     other.
//   - What cannot be read is an error (*CorruptError) and is never written over:
//     somebody may still mend it by hand.
//   - Files are 0600 and folders 0700. A folder that others may write into is
//     refused.
//
// # What protects remembered passwords
//
// A remembered backup password is sealed by the repository whose backups it
// opens: the file is worth nothing to those who cannot open that repository,
// and those who can need no password for what is stored unsealed there. It does
// not protect against somebody who can read this account's files and has the
// repository's password as well, be it because it stands in a file of the same
// account.
package station
