//go:build linux

package faults

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keepsake-backup/keepsake/mobilebackup2"
	"github.com/keepsake-backup/keepsake/virtualphone"
)

// row is one fault.
type row struct {
	fault string // in the words of the table
	arm   string // what the phone does: see virtualphone.ParseFaults
	set   string // settings of the phone before the run
	undo  string // and after it

	// prepare changes the folders before the phone is started.
	prepare func(*world)
	// act is the run that breaks; nil is a backup.
	act func(*world) *run
	// during happens while it runs.
	during func(*world, *run)
	// after happens behind it: what the person has to do before the next run.
	after func(*world)

	code   int
	second bool   // the backup was complete already: that one is the last good one
	older  string // the end of the path of a file that the last good backup has in its older version, or not at all

	told, remedy string // when the program can say nothing any more, or has no reason to
}

// world is what one row works on.
type world struct {
	*phone
	t    *testing.T
	x    *templates
	host string // everything of this computer
	dir  string // the folder of the backups, in host
}

func (w *world) folder() string { return filepath.Join(w.dir, w.x.udid) }

// newWorld copies the templates, from being that of the phone, and starts it.
func newWorld(t *testing.T, from string, seed uint64, r row) *world {
	t.Helper()
	x := prepared(t)
	top := t.TempDir()
	w := &world{t: t, x: x, host: filepath.Join(top, "host")}
	w.dir = filepath.Join(w.host, "backups")
	if err := os.Mkdir(w.host, 0o700); err != nil {
		t.Fatal(err)
	}
	phoneDir := filepath.Join(top, "phone")
	copyTree(t, from, phoneDir)
	copyTree(t, x.backups(), w.dir)
	w.phone = &phone{}
	if r.prepare != nil {
		r.prepare(w)
	}
	w.phone = boot(t, phoneDir, seed)
	t.Cleanup(func() { w.stop(t) })
	if r.set != "" {
		w.must(w.Set(strings.Fields(r.set)...))
	}
	if strings.HasPrefix(r.arm, "stall@") || strings.HasPrefix(r.arm, "huge@") {
		w.limits = short
	}
	faults, err := virtualphone.ParseFaults(r.arm)
	w.must(err)
	w.AddFaults(faults...)
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// breaks carries the fault out and judges what the person is told.
func (w *world) breaks(r row, book *book) {
	w.t.Helper()
	act := r.act
	if act == nil {
		act = backUp
	}
	run := act(w)
	if r.during != nil {
		r.during(w, run)
	}
	run.wait(w.t)
	w.ClearFaults()
	w.limits = mobilebackup2.Limits{}
	if r.undo != "" {
		w.must(w.Set(strings.Fields(r.undo)...))
	}
	if run.code != r.code {
		w.t.Errorf("exit code %d, want %d:\n%s", run.code, r.code, run.output.String())
	}
	told, remedy := r.told, r.remedy
	if told == "" {
		told, remedy = run.told(w.t)
		if told == "" || remedy == "" {
			w.t.Errorf("no remedy, or no word at all:\n%s", run.output.String())
		}
	}
	book.enter(w, r.fault, told, remedy)
	if r.after != nil {
		r.after(w)
	}
}

func backUp(w *world) *run { return w.keepsake("backup", "--folder", w.dir) }

// TestFaults is the table.
func TestFaults(t *testing.T) {
	book := &book{rows: map[string]line{}}
	t.Run("backup", func(t *testing.T) {
		for _, r := range backupRows {
			t.Run(r.fault, func(t *testing.T) {
				t.Parallel()
				x := prepared(t)
				w := newWorld(t, x.phone(), 3, r)
				w.breaks(r, book)
				if t.Failed() {
					return
				}
				verifies(t, w.folder())
				want := x.first
				if r.second {
					want = x.second
				}
				if r.older != "" {
					want = exchange(t, x.second, x.first, r.older)
				}
				restores(t, x, w.dir, want)
				w.phone.must(t, "backup", "--folder", w.dir)
				verifies(t, w.folder())
				only(t, w.dir, x.udid)
				only(t, w.host, "backups")
			})
		}
	})
	t.Run("restore", func(t *testing.T) {
		for _, r := range restoreRows {
			t.Run(r.fault, func(t *testing.T) {
				t.Parallel()
				x := prepared(t)
				w := newWorld(t, x.target(), 77, r)
				before := w.digest(t)
				if r.act == nil {
					r.act = restoreHere
				}
				w.breaks(r, book)
				if t.Failed() {
					return
				}
				verifies(t, w.folder())
				same(t, "after the failed restore", before, w.digest(t))
				w.receive(t, x, w.dir, x.first)
				only(t, w.dir, x.udid)
				only(t, w.host, "backups")
			})
		}
	})
	book.check(t, append(append([]row{}, backupRows...), restoreRows...))
}

func restoreHere(w *world) *run { return restoreWith(password)(w) }

func restoreWith(password string) func(*world) *run {
	return func(w *world) *run {
		return w.keepsakeWith(password, "restore", "--folder", w.dir, "--source", w.x.udid, "--yes")
	}
}

// exchange gives digest with the line of the file that ends in name as it is in
// another digest, or without it when that has none.
func exchange(t *testing.T, digest, from, name string) string {
	t.Helper()
	find := func(text string) string {
		for line := range strings.Lines(text) {
			if strings.HasSuffix(line, name+"\n") {
				return line
			}
		}
		return ""
	}
	line := find(digest)
	if line == "" {
		t.Fatalf("no file %s", name)
	}
	return strings.Replace(digest, line, find(from), 1)
}
