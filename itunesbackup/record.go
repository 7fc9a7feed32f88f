package itunesbackup

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/keepsake-backup/keepsake/keybag"
)

// Flags is the column of that name in Manifest.db: what kind of row it is.
type Flags int

const (
	FlagFile      Flags = 1
	FlagDirectory Flags = 2
	FlagSymlink   Flags = 4
	// FlagsKind masks the three kinds. Higher bits are the phone's working marks
	// and are gone in a finished manifest.
	FlagsKind Flags = 7
)

// Finished tells whether f is one kind and nothing else, as in every row of a
// finished manifest.
func (f Flags) Finished() bool {
	return f == FlagFile || f == FlagDirectory || f == FlagSymlink
}

// Record is one row of a manifest: a file, directory or symbolic link of the
// phone.
type Record struct {
	ID           FileID
	Domain       string
	RelativePath string // slashes, none in front; empty for the root of the domain
	Flags        Flags
	File         MBFile
}

// The type bits of MBFile.Mode.
const (
	modeTypeMask  = 0o170000
	modeFile      = 0o100000
	modeDirectory = 0o040000
	modeSymlink   = 0o120000
)

// Kind is what the row is: [FlagFile], [FlagDirectory] or [FlagSymlink], 0 when
// nothing says. The mode wins over the flags (backup-format.md 1.4).
func (r Record) Kind() Flags {
	switch r.File.Mode & modeTypeMask {
	case modeFile:
		return FlagFile
	case modeDirectory:
		return FlagDirectory
	case modeSymlink:
		return FlagSymlink
	}
	if kind := r.Flags & FlagsKind; kind.Finished() {
		return kind
	}
	return 0
}

// Key is the row's address for people and messages: "domain/relative/path".
func (r Record) Key() string {
	if r.RelativePath == "" {
		return r.Domain
	}
	return r.Domain + "/" + r.RelativePath
}

// MBFile is what the phone records about a file, the "file" column of a row
// (backup-format.md 1.5). Times are Unix seconds.
type MBFile struct {
	RelativePath     string
	Target           string // symbolic links only
	Mode             uint32 // st_mode with type bits: 0o100644
	StatFlags        int64  // st_flags, the key "Flags"; nearly always 0
	Inode            int64  // unique per row; 0 makes restores skip the row
	UserID, GroupID  int
	LastModified     int64
	LastStatusChange int64
	Birth            int64
	// Size is st_size when the phone looked. The stored content of a database may
	// be longer or shorter: never cut to it.
	Size            int64
	ProtectionClass keybag.Class
	EncryptionKey   []byte // 44 bytes for [keybag.ParseWrappedKey]; nil when not encrypted
	Digest          []byte // 20 bytes, SHA-1 of the stored (encrypted) bytes; nil in domains without
	// ExtendedAttributes is a binary property list, name to data; nil for none.
	ExtendedAttributes []byte

	// DigestForm and AttributesForm say how the two are archived. Parsing sets
	// them, so that a row is rewritten as it was.
	DigestForm, AttributesForm DataForm
	// Extra holds integer and boolean keys that this package does not know, in
	// the order found.
	Extra []ExtraInt
}

// DataForm is one of the three ways data appears in an archived MBFile.
type DataForm uint8

const (
	DataObject DataForm = iota // an object of its own, plain data; what most versions write
	DataBoxed                  // a dictionary with NS.data (iOS 10)
	DataInline                 // in the MBFile dictionary itself (iOS 27)
)

// ExtraInt is an unknown key of an MBFile.
type ExtraInt struct {
	Key   string
	Value int64
	Bool  bool // Value is 0 or 1 and was a boolean
}

const (
	maxDomainLen = 1024
	maxPathLen   = 4096 // four times what iOS allows
)

// CheckPath tells whether domain and relativePath may be a row's: valid UTF-8
// of bounded length without NUL, the domain a single name, the path relative
// without empty, "." or ".." parts. Both come from outside and become keys of
// maps and file systems; what is not clean is refused, never repaired.
func CheckPath(domain, relativePath string) error {
	switch {
	case domain == "" || domain == "." || domain == "..":
		return fmt.Errorf("domain %q: no name", domain)
	case len(domain) > maxDomainLen:
		return fmt.Errorf("domain %.40q…: %d bytes, at most %d", domain, len(domain), maxDomainLen)
	case strings.ContainsAny(domain, "/\x00") || !utf8.ValidString(domain):
		return fmt.Errorf("domain %q: forbidden character", domain)
	case len(relativePath) > maxPathLen:
		return fmt.Errorf("path %.40q…: %d bytes, at most %d", relativePath, len(relativePath), maxPathLen)
	case strings.IndexByte(relativePath, 0) >= 0 || !utf8.ValidString(relativePath):
		return fmt.Errorf("path %q: forbidden character", relativePath)
	case relativePath == "":
		return nil
	}
	for rest, more := relativePath, true; more; {
		var part string
		part, rest, more = strings.Cut(rest, "/")
		if part == "" || part == "." || part == ".." {
			return fmt.Errorf("path %q: part %q", relativePath, part)
		}
	}
	return nil
}

// HasDigest tells whether phones record digests in the domain: in those of the
// system, not in the camera roll, media, tones and apps (backup-format.md 1.5).
func HasDigest(domain string) bool {
	switch domain {
	case "CameraRollDomain", "MediaDomain", "TonesDomain":
		return false
	}
	return !strings.HasPrefix(domain, "AppDomain")
}
