package restserver

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/keepsake-backup/keepsake/internal/secret"
)

const (
	maxUserFile = 1 << 20 // bytes; 8,000 users
	// fileCheckInterval is how often a user file is looked at for changes.
	fileCheckInterval = time.Second
)

// Users are those in a password file, one on a line, as Apache's htpasswd -B
// writes them:
//
//	# comment
//	name:hash[:ignored]
//
// The file may change while the server runs.
type Users struct {
	name string
	log  *slog.Logger

	mu      sync.Mutex
	hashes  map[string]passwordHash
	decoy   passwordHash // verified for users that do not exist
	checked time.Time
	seen    fileState
}

type fileState struct {
	size int64
	time time.Time
}

// OpenUsers reads a password file. A line that cannot be used is an error that
// names its number. log gets what is wrong with the file after later changes
// (the last good one stays in force); nil: nothing does.
func OpenUsers(name string, log *slog.Logger) (*Users, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	u := &Users{name: name, log: log}
	if err := u.loadLocked(); err != nil { // nobody else has u yet
		return nil, err
	}
	return u, nil
}

// Names lists the users, sorted.
func (u *Users) Names() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	var names []string
	for name := range u.hashes {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// find returns the hash of a user, or of nobody, that takes as long to verify.
func (u *Users) find(name string) (h passwordHash, exists bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if time.Since(u.checked) >= fileCheckInterval {
		u.refreshLocked()
	}
	if h, exists = u.hashes[name]; exists {
		return h, true
	}
	return u.decoy, false
}

func (u *Users) refreshLocked() {
	u.checked = time.Now()
	info, err := os.Stat(u.name)
	if err == nil && (fileState{info.Size(), info.ModTime()}) == u.seen {
		return
	}
	if err == nil {
		err = u.loadLocked()
	}
	if err != nil {
		u.log.Error("user file cannot be read; its last good state stays in force", "cause", err)
	}
}

func (u *Users) loadLocked() error {
	u.checked = time.Now()
	data, state, err := readUserFile(u.name)
	if err != nil {
		return err
	}
	u.seen = state // also of a bad one: it is complained of once
	hashes, err := parseUsers(data)
	if err != nil {
		return fmt.Errorf("read user file %s: %w", u.name, err)
	}
	decoy, err := parseHash("$argon2id$v=19$m=65536,t=3,p=4$bm9ib2R5bm9ib2R5$bm9ib2R5bm9ib2R5bm9ib2R5bm9ib2R5bm9ib2R5bm8")
	if err != nil {
		return fmt.Errorf("read user file: %w", err)
	}
	for _, h := range hashes {
		decoy = h // any of them: a file usually has one kind
		break
	}
	u.hashes, u.decoy = hashes, decoy
	return nil
}

func readUserFile(name string) ([]byte, fileState, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fileState{}, fmt.Errorf("read user file: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fileState{}, fmt.Errorf("read user file: %w", err)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxUserFile+1))
	if err == nil && len(data) > maxUserFile {
		err = fmt.Errorf("%s has more than %d bytes", name, maxUserFile)
	}
	if err != nil {
		return nil, fileState{}, fmt.Errorf("read user file: %w", err)
	}
	return data, fileState{info.Size(), info.ModTime()}, nil
}

// parseUsers reads a password file. Its errors show nothing of a line but the
// user's name.
func parseUsers(data []byte) (map[string]passwordHash, error) {
	users := map[string]passwordHash{}
	names := map[string]bool{} // in lower case: folders may not tell ada from Ada
	number := 0
	for line := range strings.Lines(string(data)) {
		number++
		name, rest, isUser, err := userLine(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		if !isUser {
			continue
		}
		text, _, _ := strings.Cut(rest, ":")
		hash, err := parseHash(text)
		if err != nil {
			return nil, fmt.Errorf("line %d: user %s: %w", number, name, err)
		}
		if lower := strings.ToLower(name); names[lower] {
			return nil, fmt.Errorf("line %d: user %s is there twice", number, name)
		} else {
			names[lower] = true
		}
		users[name] = hash
	}
	return users, nil
}

// userLine splits a line; it is none of a user's if it is empty or a comment.
func userLine(line string) (name, rest string, isUser bool, err error) {
	line = strings.TrimRight(line, "\r\n \t")
	if line == "" || line[0] == '#' {
		return "", "", false, nil
	}
	name, rest, found := strings.Cut(line, ":")
	if !found {
		return "", "", false, errors.New("it is not NAME:HASH")
	}
	if err := checkSegment(name); err != nil {
		return "", "", false, fmt.Errorf("user: %w", err)
	}
	return name, rest, true, nil
}

// SetUser writes a user with a new password into a password file, which is made
// if it is missing, and tells whether the user is new. Other lines stay as they
// are.
func SetUser(file, name string, password secret.Text) (added bool, err error) {
	return setUser(file, name, password, newCost)
}

func setUser(file, name string, password secret.Text, cost argonCost) (added bool, err error) {
	if err := checkSegment(name); err != nil {
		return false, fmt.Errorf("set user: %w", err)
	}
	if n := len(password.Reveal()); n == 0 || n > maxPassword {
		return false, fmt.Errorf("set user %s: the password has %d bytes; 1 to %d are allowed", name, n, maxPassword)
	}
	line := name + ":" + newHash([]byte(password.Reveal()), cost) + "\n"
	found, err := editUsers(file, name, line, true)
	return err == nil && !found, err
}

// RemoveUser takes a user out of a password file. A user who is not there is
// fs.ErrNotExist.
func RemoveUser(file, name string) error {
	found, err := editUsers(file, name, "", false)
	if err == nil && !found {
		err = fmt.Errorf("remove user %s from %s: %w", name, file, fs.ErrNotExist)
	}
	return err
}

// editUsers puts line, or nothing, in the place of a user's line. If there is
// none, it is added or, without add, nothing is written.
func editUsers(file, name, line string, add bool) (found bool, err error) {
	data, _, err := readUserFile(file)
	if err != nil && !(add && errors.Is(err, fs.ErrNotExist)) {
		return false, err
	}
	var out strings.Builder
	for old := range strings.Lines(string(data)) {
		there, _, isUser, err := userLine(old)
		switch {
		case err == nil && isUser && there == name:
			if !found {
				out.WriteString(line)
			}
			found = true
		default:
			out.WriteString(strings.TrimRight(old, "\r\n") + "\n")
		}
	}
	if !found {
		if !add {
			return false, nil
		}
		out.WriteString(line)
	}
	if _, err := parseUsers([]byte(out.String())); err != nil {
		return found, fmt.Errorf("write user file %s: %w", file, err)
	}
	if err := replaceFile(file, out.String()); err != nil {
		return found, fmt.Errorf("write user file: %w", err)
	}
	return found, nil
}

// replaceFile writes a file for its owner's eyes in one step.
func replaceFile(name, content string) (err error) {
	f, err := os.CreateTemp(filepath.Dir(name), ".users-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = f.WriteString(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}
