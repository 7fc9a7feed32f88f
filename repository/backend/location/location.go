// Package location reads where a repository is, as its owner writes it, and
// opens it:
//
//	l, err := location.Parse("s3:https://nas.local:9000/backups/anna")
//	be, err := location.Open(ctx, l, location.Options{…})
//
// The spellings are restic's, so that one address does for both:
//
//	/disk/phone, C:\phone, local:/disk/phone           a folder
//	s3:https://host[:port]/bucket/prefix               S3 and what is compatible
//	s3:host/bucket/prefix, s3://host/bucket/prefix       (https)
//	sftp:user@host:/abs, sftp:user@host:rel            a folder behind ssh
//	sftp://user@host:port//abs, sftp://…:port/rel
//	rest:https://user:password@host/path/              restic's rest-server
//	rclone:remote:path                                 whatever rclone can reach
//
// A password in an address is kept apart as soon as it is parsed and is never
// printed again: String shows "user:***@".
package location

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path"
	"path/filepath"
	"strings"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/repository/backend/rclone"
)

// Kind is a kind of store.
type Kind string

const (
	Local  Kind = "local"
	S3     Kind = "s3"
	SFTP   Kind = "sftp"
	REST   Kind = "rest"
	Rclone Kind = "rclone"
)

// Location is where a repository is. Parse makes it; which fields count depends
// on Kind.
type Location struct {
	Kind Kind

	// Host is a name or an address without brackets. Of s3 and rest it has the
	// port behind it, if one is given (and brackets where they belong).
	Host string
	Port string // sftp: a port, or "" for ssh's own choice
	User string // sftp, rest

	// Path is the folder: of local as the owner wrote it; of sftp absolute, or
	// relative to the user's home; of s3 the prefix in the bucket, without slashes
	// at its ends, or ""; of rest the path of the URL, with slashes at both ends.
	Path string

	Bucket   string // s3
	Remote   string // rclone: "remote:path"; it may hold secrets of rclone's own
	Insecure bool   // s3, rest: plain http

	Password secret.Text // rest
}

// parsers read what is behind "kind:".
var parsers = map[Kind]func(string) (Location, error){
	Local: parseLocal, S3: parseS3, SFTP: parseSFTP, REST: parseREST, Rclone: parseRclone,
}

// Parse reads an address. Its errors do not repeat it: there may be a password
// in it.
func Parse(s string) (Location, error) {
	kind, rest, found := strings.Cut(s, ":")
	if !found || !isScheme(kind) {
		kind, rest = string(Local), s
	}
	parse := parsers[Kind(kind)]
	if parse == nil {
		return Location{}, fmt.Errorf("parse repository address: %w", unknown(kind))
	}
	l, err := parse(rest)
	if err != nil {
		return Location{}, fmt.Errorf("parse %s address: %w", kind, err)
	}
	l.Kind = Kind(kind)
	return l, nil
}

// isScheme tells "sftp" from a drive letter and from a path with a colon in it.
func isScheme(s string) bool {
	return len(s) > 1 && s[0] >= 'a' && s[0] <= 'z' && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && !strings.ContainsRune("+-.", r)
	})
}

// unknown says what to write instead.
func unknown(kind string) error {
	switch kind {
	case "http", "https":
		return fmt.Errorf("what kind of server is it? Write rest:%s://… or s3:%s://…", kind, kind)
	case "ssh", "scp":
		return errors.New("write sftp:user@host:path")
	case "azure", "gs", "b2", "swift":
		return fmt.Errorf("%s: is reached through rclone here: rclone:remote:path", kind)
	}
	return fmt.Errorf("%s: is none of local:, s3:, sftp:, rest: and rclone:; a folder of this name is local:%s:…", kind, kind)
}

func parseLocal(s string) (Location, error) {
	if s == "" {
		return Location{}, errors.New("no folder is named")
	}
	if strings.ContainsRune(s, 0) {
		return Location{}, errors.New("the path has a null byte in it")
	}
	return Location{Path: s}, nil
}

func parseS3(s string) (Location, error) {
	var l Location
	var folder string
	if strings.HasPrefix(s, "http://") || strings.HasPrefix(s, "https://") {
		u, err := parseURL(s)
		if err != nil {
			return Location{}, err
		}
		if u.User != nil {
			return Location{}, errNoCredentials
		}
		l.Insecure, l.Host = u.Scheme == "http", u.Host
		folder = strings.TrimPrefix(u.Path, "/")
	} else {
		l.Host, folder, _ = strings.Cut(strings.TrimPrefix(s, "//"), "/")
		if strings.Contains(l.Host, "@") {
			return Location{}, errNoCredentials
		}
		if u, err := parseURL("https://" + l.Host); err != nil || u.Host != l.Host || u.Path != "" {
			return Location{}, errors.New("it has the form s3:https://host/bucket/prefix")
		}
	}
	l.Bucket, l.Path, _ = strings.Cut(folder, "/")
	if l.Bucket == "" {
		return Location{}, errors.New("no bucket is named: s3:https://host/bucket/prefix")
	}
	if err := checkFolder(folder); err != nil {
		return Location{}, err
	}
	l.Path = strings.TrimPrefix(path.Clean("/"+l.Path), "/")
	return l, nil
}

var errNoCredentials = errors.New("there are credentials in it; they are given in the environment")

// checkFolder refuses what a server would take for another folder.
func checkFolder(folder string) error {
	for _, part := range strings.Split(folder, "/") {
		if part == ".." || part == "." {
			return fmt.Errorf("%q in a path is not understood everywhere", part)
		}
	}
	if strings.ContainsFunc(folder, isControl) {
		return errors.New("there are control characters in the path")
	}
	return nil
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

// parseURL parses a URL with a host and without query and fragment.
func parseURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil: // its error shows all of s
		return nil, errors.New("this is no URL")
	case u.Hostname() == "" || u.Opaque != "":
		return nil, errors.New("no host is named")
	case strings.ContainsAny(u.Hostname(), ":%@/[]") && !isAddress(u.Hostname()):
		return nil, errors.New("the host has characters in it that no name has")
	case u.RawQuery != "" || u.ForceQuery || strings.Contains(s, "#"):
		return nil, errors.New("there is a ? or # in it; in a path they are written %3F and %23")
	}
	return u, nil
}

func parseSFTP(s string) (Location, error) {
	l, folder, err := parseHost(s)
	if err != nil {
		return Location{}, err
	}
	switch {
	case folder == "":
		return Location{}, errors.New("no folder is named: sftp:user@host:path")
	case strings.HasPrefix(folder, "~"):
		return Location{}, errors.New("a path does not begin with ~; a relative one begins in the home already")
	case strings.ContainsFunc(folder, isControl):
		return Location{}, errors.New("there are control characters in the path")
	}
	if l.Host == "" {
		return Location{}, errors.New("no host is named: sftp:user@host:path")
	}
	if !isName(l.User) || strings.Contains(l.User, ":") || !isAddress(l.Host) && (!isName(l.Host) || strings.ContainsAny(l.Host, "@:%")) {
		return Location{}, errors.New("the user or the host has characters in it that no name has")
	}
	l.Path = path.Clean(folder)
	return l, nil
}

// isName tells a name from what ssh would take for an option or an address.
func isName(s string) bool {
	return !strings.HasPrefix(s, "-") && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f || strings.ContainsRune("/[]", r) })
}

// isAddress tells whether s is an IP address, with a zone (the name of a network
// interface) or without.
func isAddress(s string) bool {
	a, err := netip.ParseAddr(s)
	return err == nil && !strings.ContainsFunc(a.Zone(), func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-_.", r)
	})
}

// parseHost reads user, host and port in both ways to write them.
func parseHost(s string) (l Location, folder string, err error) {
	if strings.HasPrefix(s, "//") {
		u, err := parseURL("sftp:" + s)
		if err != nil {
			return Location{}, "", err
		}
		if _, has := u.User.Password(); has {
			return Location{}, "", errors.New("there is a password in it; ssh wants keys, or asks itself")
		}
		l = Location{User: u.User.Username(), Host: u.Hostname(), Port: u.Port()}
		return l, strings.TrimPrefix(u.Path, "/"), nil
	}
	// A user's name may have an @ in it, an address in brackets colons.
	before, folder, found := strings.Cut(s, ":")
	if i := strings.IndexByte(before, '['); i >= 0 {
		var address string
		address, folder, found = strings.Cut(s[i+1:], "]:")
		if !isAddress(address) || i > 0 && s[i-1] != '@' {
			return Location{}, "", errors.New("there is no address in the brackets")
		}
		before = s[:i] + address
	}
	if !found {
		return Location{}, "", errors.New("it has the form sftp:user@host:path")
	}
	if i := strings.LastIndexByte(before, '@'); i >= 0 {
		l.User, before = before[:i], before[i+1:]
		if l.User == "" {
			return Location{}, "", errors.New("there is no user before the @")
		}
	}
	l.Host = before
	return l, folder, nil
}

func parseREST(s string) (Location, error) {
	u, err := parseURL(s)
	if err != nil {
		return Location{}, err
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return Location{}, errors.New("it has the form rest:https://host/path/")
	}
	if err := checkFolder(u.Path); err != nil {
		return Location{}, err
	}
	l := Location{Host: u.Host, Insecure: u.Scheme == "http", User: u.User.Username(), Path: withSlashes(u.Path)}
	if password, has := u.User.Password(); has {
		l.Password = secret.NewText(password)
	}
	return l, nil
}

func withSlashes(p string) string {
	if p = path.Clean("/" + p); p == "/" {
		return p
	}
	return p + "/"
}

func parseRclone(s string) (Location, error) {
	if !strings.Contains(s, ":") || strings.HasPrefix(s, "-") || strings.ContainsFunc(s, isControl) {
		return Location{}, errors.New("it has the form rclone:remote:path")
	}
	return Location{Remote: s}, nil
}

// String is the address without secrets, one spelling for each location. Without
// secrets, Parse reads it back.
func (l Location) String() string {
	switch l.Kind {
	case S3:
		return "s3:" + l.url(path.Join("/", l.Bucket, l.Path))
	case REST:
		return "rest:" + l.url(l.Path)
	case Rclone:
		return "rclone:" + rclone.WithoutSecrets(l.Remote)
	case SFTP:
		return l.sftp()
	}
	if kind, _, found := strings.Cut(l.Path, ":"); found && isScheme(kind) {
		return "local:" + l.Path // or it would be taken for something else
	}
	return l.Path
}

// URL is the address of a rest server without credentials.
func (l Location) URL() string {
	l.User, l.Password = "", secret.Text{}
	return l.url(l.Path)
}

func (l Location) url(folder string) string {
	u := url.URL{Scheme: "https", Host: l.Host, Path: folder}
	if l.Insecure {
		u.Scheme = "http"
	}
	text := u.String()
	if l.User == "" && l.Password.IsZero() {
		return text
	}
	who := url.User(l.User).String()
	if !l.Password.IsZero() {
		who += ":***"
	}
	return u.Scheme + "://" + who + "@" + strings.TrimPrefix(text, u.Scheme+"://")
}

func (l Location) sftp() string {
	if l.Port != "" {
		u := url.URL{Scheme: "sftp", Host: net.JoinHostPort(l.Host, l.Port), Path: "/" + l.Path}
		if l.User != "" {
			u.User = url.User(l.User)
		}
		return u.String()
	}
	host := l.Host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if l.User != "" {
		host = l.User + "@" + host
	}
	return "sftp:" + host + ":" + l.Path
}

// Join is the place called name inside l: one phone's repository in a location
// that holds several. name is a single element of a path.
func (l Location) Join(name string) (Location, error) {
	if name == "" || name == "." || name == ".." || strings.ContainsFunc(name, func(r rune) bool { return isControl(r) || strings.ContainsRune(`/\:`, r) }) {
		return Location{}, fmt.Errorf("join %q to %v: it is no name of a folder", name, l)
	}
	switch l.Kind {
	case Rclone:
		if !strings.HasSuffix(l.Remote, ":") && !strings.HasSuffix(l.Remote, "/") {
			l.Remote += "/"
		}
		l.Remote += name
	case REST:
		l.Path += name + "/"
	case Local:
		l.Path = filepath.Join(l.Path, name)
	default:
		l.Path = path.Join(l.Path, name)
	}
	return l, nil
}
