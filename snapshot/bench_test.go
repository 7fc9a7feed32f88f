package snapshot_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/keybag"
	"github.com/keepsake-backup/keepsake/snapshot"
)

// benchRows is a phone as large as they get.
const benchRows = 500_000

// largePhone writes the Manifest.db of a large phone, as the phone does: index
// pages among the rows. Every second row is a file of a few bytes; day changes
// some of them.
func largePhone(b testing.TB, path string, rows int) {
	b.Helper()
	m, err := itunesbackup.CreateManifest(b.Context(), path)
	if err != nil {
		b.Fatal(err)
	}
	var list []itunesbackup.Record
	put := func(domain, p string, dir bool, n int) {
		r := itunesbackup.Record{Domain: domain, RelativePath: p, Flags: itunesbackup.FlagFile, File: itunesbackup.MBFile{Mode: 0o100644, Inode: int64(n + 1), UserID: 501, GroupID: 501,
			LastModified: 1_776_000_000 + int64(n), LastStatusChange: 1_776_000_000, Birth: 1_770_000_000, Size: 10, ProtectionClass: 3}}
		if dir {
			r.Flags, r.File.Mode = itunesbackup.FlagDirectory, 0o040755
		}
		list = append(list, r)
		if len(list) == 10_000 {
			if err := m.Put(b.Context(), list); err != nil {
				b.Fatal(err)
			}
			list = list[:0]
		}
	}
	n := 0
	for domain := 0; n < rows; domain++ {
		d := fmt.Sprintf("AppDomain-com.example.application%04d", domain)
		put(d, "", true, n)
		put(d, "Library", true, n)
		put(d, "Library/Caches and other data", true, n)
		for dir := 0; dir < 100 && n < rows; dir++ {
			folder := fmt.Sprintf("Library/Caches and other data/folder-%04d", dir)
			put(d, folder, true, n)
			for file := 0; file < 24 && n < rows; file++ {
				n++
				put(d, fmt.Sprintf("%s/IMG_%04d-thumbnail.jpg", folder, file), false, n)
			}
			n++
		}
	}
	if err := m.Put(b.Context(), list); err != nil {
		b.Fatal(err)
	}
	if err := m.Close(); err != nil {
		b.Fatal(err)
	}
}

// touch changes the time of every thousandth row, as a day does.
func touch(b testing.TB, path string) (ids map[itunesbackup.FileID]bool) {
	b.Helper()
	ids = map[itunesbackup.FileID]bool{}
	m, err := itunesbackup.EditManifest(b.Context(), path)
	if err != nil {
		b.Fatal(err)
	}
	var list []itunesbackup.Record
	n := 0
	for r, err := range m.Records(b.Context()) {
		if err != nil {
			b.Fatal(err)
		}
		if n++; n%1000 == 0 && r.Kind() == itunesbackup.FlagFile {
			r.File.LastModified += 86_400
			list = append(list, r)
			ids[r.ID] = true
		}
	}
	if err := m.Put(b.Context(), list); err != nil {
		b.Fatal(err)
	}
	if err := m.Close(); err != nil {
		b.Fatal(err)
	}
	return ids
}

// peak watches the memory in use.
type peak struct {
	stop, done chan struct{}
	once       sync.Once
	most       uint64
}

func watch() *peak {
	p := &peak{stop: make(chan struct{}), done: make(chan struct{})}
	runtime.GC()
	go func() {
		defer close(p.done)
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			p.most = max(p.most, m.HeapInuse+m.StackInuse)
			select {
			case <-p.stop:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	return p
}

func (p *peak) report(b *testing.B, name string) {
	p.once.Do(func() { close(p.stop) })
	<-p.done
	b.ReportMetric(float64(p.most)/(1<<20), name+"-MiB")
}

// BenchmarkLargePhone builds a snapshot of 500,000 files and the one of the next
// day, opens the second and looks into it. The metrics are seconds and memory.
func BenchmarkLargePhone(b *testing.B) {
	dir := b.TempDir()
	db := filepath.Join(dir, "Manifest.db")
	largePhone(b, db, benchRows)
	be := newLocal(b, filepath.Join(dir, "repository"))
	r := newRepository(b, be)
	list, err := itunesbackup.ManifestPlist{Version: "10.0", Lockdown: map[string]any{"UniqueDeviceID": madeUDID}}.Marshal()
	if err != nil {
		b.Fatal(err)
	}
	build := func(parent *snapshot.Snapshot, only map[itunesbackup.FileID]bool, name string) *snapshot.Snapshot {
		s := begin(b, r)
		w, err := s.Writer(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		defer w.Close()
		f, err := os.Open(db)
		if err != nil {
			b.Fatal(err)
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			b.Fatal(err)
		}
		c := save(b, w, "ten bytes", keybag.Key{}, []byte("0123456789"))
		mem, start := watch(), time.Now()
		if parent != nil {
			parent = reopen(b, r, parent.Info().Snapshot)
		}
		built, err := snapshot.Build(b.Context(), w, snapshot.Input{Session: s, Parent: parent, Manifest: f, ManifestSize: info.Size(), ManifestPlist: list,
			Time: time.Unix(1_777_000_000, 0), Contents: func(id itunesbackup.FileID) (snapshot.Content, bool) { return c, only == nil || only[id] }}, nil)
		if err != nil {
			b.Fatal(err)
		}
		sn, err := built.Commit(b.Context(), w)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(time.Since(start).Seconds(), name+"-s")
		b.ReportMetric(float64(w.Stats().Stored)/(1<<20), name+"-stored-MiB")
		mem.report(b, name)
		return reopen(b, r, sn)
	}
	for b.Loop() {
		first := build(nil, nil, "first")
		second := build(first, touch(b, db), "next")
		s := begin(b, r)
		if _, err := s.Index(b.Context()); err != nil {
			b.Fatal(err)
		}
		start := time.Now()
		p, err := snapshot.Open(b.Context(), s, second.Info().Snapshot)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := fs.ReadDir(p.FS(b.Context()), "AppDomain-com.example.application0007/Library"); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(time.Since(start).Seconds(), "open-s")
		start = time.Now()
		x, err := p.Index(b.Context())
		if err != nil || x.Len() < benchRows*9/10 {
			b.Fatal(x.Len(), err)
		}
		b.ReportMetric(time.Since(start).Seconds(), "index-s")
		mem := watch()
		start = time.Now()
		f, err := p.Folder(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		for e := range x.All() {
			if _, err := fs.ReadFile(f, e.ID.Path()); err != nil {
				b.Fatal(err)
			}
			break
		}
		b.ReportMetric(time.Since(start).Seconds(), "folder-s")
		mem.report(b, "folder")
		start = time.Now()
		if _, err := p.RebuildIndex(b.Context()); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(time.Since(start).Seconds(), "rebuild-s")
	}
}
