package export

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/keepsake-backup/keepsake/mobilebackup2/dirstore"
)

const udid = "00008101-000A1B2C3D4E001E"

func open(t *testing.T, dir, of string) *target {
	t.Helper()
	target, err := openTarget(dir, udid, of)
	if err != nil {
		t.Fatal(err)
	}
	return target
}

func put(t *testing.T, to *target, name, text string) {
	t.Helper()
	if err := to.write(name, int64(len(text)), func(w io.Writer) error { _, err := io.WriteString(w, text); return err }); err != nil {
		t.Fatal(err)
	}
}

func closeIt(t *testing.T, to *target) {
	t.Helper()
	if err := to.close(); err != nil {
		t.Error(err)
	}
}

// What one run left, the next of the same goes on with, and another removes.
func TestTarget_goesOn(t *testing.T) {
	dir := t.TempDir()
	first := open(t, dir, "a")
	put(t, first, "ab/one", "1")
	if err := first.checkpoint(1); err != nil {
		t.Fatal(err)
	}
	put(t, first, "ab/two", "22")
	closeIt(t, first)
	if _, err := os.Stat(filepath.Join(dir, udid)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder is there: %v", err)
	}

	again := open(t, dir, "a")
	if again.note.Durable != 1 || !again.has("ab/one", 1) || again.has("ab/one", 2) {
		t.Errorf("%+v", again.note)
	}
	closeIt(t, again)
	other := open(t, dir, "b")
	if other.note.Durable != 0 || other.has("ab/one", 1) {
		t.Errorf("%+v", other.note)
	}
	put(t, other, "three", "333")
	if err := other.finish(); err != nil {
		t.Fatal(err)
	}
	closeIt(t, other)
	if got, err := os.ReadFile(filepath.Join(dir, udid, "three")); err != nil || string(got) != "333" {
		t.Errorf("%q, %v", got, err)
	}
}

// A note that was torn is none.
func TestTarget_tornNote(t *testing.T) {
	for _, text := range []string{"", "{", `{"of":"a","durable":-1}`} {
		dir := t.TempDir()
		to := open(t, dir, "a")
		put(t, to, "x", "1")
		closeIt(t, to)
		if err := os.WriteFile(filepath.Join(dir, ".keepsake-export-"+udid+".json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		to = open(t, dir, "a")
		if to.note.Durable != 0 || to.has("x", 1) {
			t.Errorf("%q: %+v", text, to.note)
		}
		closeIt(t, to)
	}
}

func TestTarget_refuses(t *testing.T) {
	dir := t.TempDir()
	to := open(t, dir, "a")
	defer closeIt(t, to)
	var locked *dirstore.LockedError
	if other, err := openTarget(dir, udid, "a"); !errors.As(err, &locked) {
		t.Errorf("two at once: %v, %v", other, err)
	}
	var space *SpaceError
	if err := to.room(t.Context(), 1<<60); !errors.As(err, &space) || space.Holds <= 0 || space.Hint() == "" {
		t.Errorf("room: %v", err)
	}
	if err := to.room(t.Context(), 1); err != nil {
		t.Error(err)
	}
	// Fewer or more bytes than announced are no file.
	for _, size := range []int64{2, 4} {
		if err := to.write("f", size, func(w io.Writer) error { _, err := io.WriteString(w, "abc"); return err }); err == nil {
			t.Errorf("3 bytes passed for %d", size)
		}
	}
	// Nothing outside is reached.
	if err := to.write("../f", 0, func(io.Writer) error { return nil }); err == nil {
		t.Error("a file beside the folder was written")
	}
}

func TestDisk_hints(t *testing.T) {
	for _, err := range []error{syscall.EROFS, fs.ErrPermission} {
		var hint interface{ Hint() string }
		if !errors.As(disk(fmt.Errorf("write x: %w", err)), &hint) || hint.Hint() == "" {
			t.Errorf("%v: no remedy", err)
		}
	}
	if err := errors.New("other"); disk(err) != err || disk(nil) != nil {
		t.Error("an error that is none of the disk's has changed")
	}
}

// A link in the place of the unfinished folder, to another phone's backup, is not
// written through.
func TestTarget_link(t *testing.T) {
	dir := t.TempDir()
	closeIt(t, open(t, dir, "a"))
	other := filepath.Join(dir, "00008101-0000000000000000")
	if err := os.Mkdir(other, 0o700); err != nil {
		t.Fatal(err)
	}
	at := filepath.Join(dir, unfinishedPrefix+udid)
	if err := os.Remove(at); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Base(other), at); err != nil {
		t.Fatal(err)
	}
	var occupied *OccupiedError
	if to, err := openTarget(dir, udid, "a"); !errors.As(err, &occupied) {
		t.Errorf("%v", err)
		if err == nil {
			closeIt(t, to)
		}
	}
}
