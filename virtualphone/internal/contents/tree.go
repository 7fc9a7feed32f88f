package contents

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/internal/plist"
)

const (
	fsFolder    = "fs"    // <Domain>/<relative path>: what a backup may see
	mediaFolder = "media" // the rest of /var/mobile/Media
)

// outside stands for a domain in calls of tree that write to mediaFolder.
const outside = ""

// tree writes the files of one phone. The first error stays, and everything
// after it does nothing; whoever uses a tree asks for err at the end.
type tree struct {
	ctx  context.Context
	dir  string // the phone's state folder
	seed uint64
	now  time.Time // whole seconds; no file is newer
	made map[string]bool
	// began is when this computer started to write, less what its file system's
	// clock may lag behind.
	began time.Time
	err   error
}

func newTree(ctx context.Context, dir string, seed uint64, now time.Time) *tree {
	return &tree{ctx: ctx, dir: dir, seed: seed, now: now.UTC().Truncate(time.Second), made: map[string]bool{}, began: time.Now().Add(-time.Second)}
}

// chance gives the random numbers that belong to a path or any other name.
func (t *tree) chance(parts ...string) *chance { return newChance(t.seed, path.Join(parts...)) }

// host is where rel of domain lies on this computer.
func (t *tree) host(domain, rel string) string { return hostPath(t.dir, domain, rel) }

func hostPath(dir, domain, rel string) string {
	if domain == outside {
		return filepath.Join(dir, mediaFolder, filepath.FromSlash(rel))
	}
	return filepath.Join(dir, fsFolder, domain, filepath.FromSlash(rel))
}

// fail remembers the first error and tells whether there is one.
func (t *tree) fail(verb, domain, rel string, err error) bool {
	if err != nil && t.err == nil {
		t.err = fmt.Errorf("%s %s: %w", verb, path.Join(domain, rel), err)
	}
	return t.err != nil
}

// ready makes the folder of rel. It tells no when nothing can be written: after
// an error, after the end of the context, or when this computer has no such name.
func (t *tree) ready(domain, rel string) bool {
	if t.err != nil || !hostAllows(rel) {
		return false
	}
	if err := t.ctx.Err(); err != nil {
		t.fail("make", domain, rel, err)
		return false
	}
	if parent := path.Dir(rel); parent != "." {
		t.folder(domain, parent)
	} else {
		t.folder(domain, "")
	}
	return t.err == nil
}

// folder makes a directory and all above it, mode 0755.
func (t *tree) folder(domain, rel string) {
	key := domain + "\x00" + rel
	if t.err != nil || t.made[key] || !hostAllows(rel) {
		return
	}
	if rel != "" {
		t.folder(domain, strings.TrimSuffix(path.Dir(rel), "."))
	} else if t.fail("make folder", domain, rel, os.MkdirAll(filepath.Dir(t.host(domain, rel)), 0o755)) {
		return
	}
	switch err := os.Mkdir(t.host(domain, rel), 0o755); {
	case err == nil:
		t.fail("make folder", domain, rel, os.Chmod(t.host(domain, rel), 0o755))
	case !os.IsExist(err):
		t.fail("make folder", domain, rel, err)
	}
	t.made[key] = true
}

// file writes data at a time in the past and with a mode that the path gives.
func (t *tree) file(domain, rel string, data []byte) {
	t.fileAt(domain, rel, data, t.past(domain, rel))
}

// fileAt writes data with the modification time at.
func (t *tree) fileAt(domain, rel string, data []byte, at time.Time) {
	if !t.ready(domain, rel) {
		return
	}
	if t.fail("write", domain, rel, writeFile(t.host(domain, rel), data, 0, t.mode(domain, rel))) {
		return
	}
	t.stamp(domain, rel, at)
}

// noise writes n random bytes.
func (t *tree) noise(domain, rel string, n int) {
	t.file(domain, rel, t.chance("noise", domain, rel).bytes(n))
}

// sparse writes head and leaves a hole up to size.
func (t *tree) sparse(domain, rel string, head []byte, size int64, at time.Time) {
	if !t.ready(domain, rel) {
		return
	}
	if t.fail("write", domain, rel, writeFile(t.host(domain, rel), head, size, t.mode(domain, rel))) {
		return
	}
	t.stamp(domain, rel, at)
}

// plist writes v as a binary property list.
func (t *tree) plist(domain, rel string, v any) { t.file(domain, rel, t.encoded(v)) }

// encoded gives v as a binary property list.
func (t *tree) encoded(v any) []byte {
	data, err := plist.Marshal(v, plist.Binary)
	t.fail("encode", "", "property list", err)
	return data
}

// link writes a symbolic link; target is written as it is.
func (t *tree) link(domain, rel, target string) {
	if !symlinks || !t.ready(domain, rel) {
		return
	}
	at := t.host(domain, rel)
	if err := os.Remove(at); err != nil && !os.IsNotExist(err) {
		t.fail("replace", domain, rel, err)
		return
	}
	if t.fail("link", domain, rel, os.Symlink(target, at)) {
		return
	}
	t.stamp(domain, rel, t.past(domain, rel))
}

// remove takes away a file, or a folder with all in it. Nothing there is fine.
func (t *tree) remove(domain, rel string) {
	if t.err == nil {
		t.fail("remove", domain, rel, os.RemoveAll(t.host(domain, rel)))
	}
}

func (t *tree) stamp(domain, rel string, at time.Time) {
	t.fail("set time of", domain, rel, setTime(t.host(domain, rel), at.Truncate(time.Second)))
}

// past gives a time in the three years before now; recent ones are likelier.
func (t *tree) past(domain, rel string) time.Time {
	const span = 3 * 365 * 24 * 3600
	u := t.chance("mtime", domain, rel).Float64()
	return t.now.Add(-time.Duration(1+u*u*span) * time.Second)
}

// mode gives one file in four the mode 0600, the others 0644.
func (t *tree) mode(domain, rel string) fs.FileMode {
	if t.chance("mode", domain, rel).in(4) {
		return 0o600
	}
	return 0o644
}

// writeFile writes data, a hole up to size when that is more, and the mode,
// whatever the umask says.
func writeFile(at string, data []byte, size int64, mode fs.FileMode) (err error) {
	f, err := os.OpenFile(at, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	defer func() {
		if e := f.Close(); err == nil {
			err = e
		}
	}()
	if _, err = f.Write(data); err != nil {
		return err
	}
	if size > int64(len(data)) {
		if err = f.Truncate(size); err != nil {
			return err
		}
	}
	return f.Chmod(mode)
}

// settle gives a time to everything that was written without one: what others
// made, and folders, which take the computer's time with every new entry. A time
// of these minutes with a fraction of a second is one that nobody chose. On a new
// phone, when from is zero, every folder gets the time of the newest thing in it;
// later, the folders that changed get one after from.
func (t *tree) settle(from time.Time) {
	for _, top := range []string{fsFolder, mediaFolder} {
		if t.err != nil {
			return
		}
		if _, err := t.settleFolder(filepath.Join(t.dir, top), top, from); err != nil && !os.IsNotExist(err) {
			t.err = fmt.Errorf("settle times: %w", err)
		}
	}
}

func (t *tree) settleFolder(at, name string, from time.Time) (newest time.Time, err error) {
	if err := t.ctx.Err(); err != nil {
		return newest, err
	}
	entries, err := os.ReadDir(at)
	if err != nil {
		return newest, err
	}
	for _, e := range entries {
		sub, subName := filepath.Join(at, e.Name()), path.Join(name, e.Name())
		var mtime time.Time
		if e.IsDir() {
			mtime, err = t.settleFolder(sub, subName, from)
		} else {
			mtime, err = t.settleEntry(sub, subName, from)
		}
		if err != nil {
			return newest, err
		}
		if mtime.After(newest) {
			newest = mtime
		}
	}
	if newest.IsZero() || !from.IsZero() {
		return t.settleEntry(at, name, from)
	}
	return newest, setTime(at, newest)
}

func (t *tree) settleEntry(at, name string, from time.Time) (time.Time, error) {
	info, err := os.Lstat(at)
	if err != nil {
		return time.Time{}, err
	}
	mtime := info.ModTime()
	if mtime.Nanosecond() == 0 || mtime.Before(t.began) {
		return mtime, nil
	}
	mtime = t.unset(name, from)
	return mtime, setTime(at, mtime)
}

// unset gives the time for name: in the past when from is zero, otherwise
// between from and now.
func (t *tree) unset(name string, from time.Time) time.Time {
	if from.IsZero() {
		return t.past(name, "")
	}
	window := int64(t.now.Sub(from) / time.Second)
	if window < 1 {
		return t.now
	}
	return from.Add(time.Duration(1+t.chance("mtime", name).Int64N(window)) * time.Second)
}
