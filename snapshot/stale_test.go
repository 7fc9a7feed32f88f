package snapshot_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/repository/format"
	"github.com/keepsake-backup/keepsake/snapshot"
)

const photo = "Media/über — 写真.txt"

// edited is a small phone whose photo was edited: the phone notes no digest of it,
// and its key stays.
func edited() []madeRow {
	rows := usual()
	for i := range rows {
		if rows[i].path == photo {
			rows[i].content, rows[i].modTime = "names are BYTES", 9
		}
	}
	return rows
}

// A photo that was edited and did not come is not the photo of the last version.
func TestBuild_editedWithoutDigest(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			r := newRepository(t, nil)
			m := makeFolder(t, kind.password, usual()...)
			f := makeAnother(t, kind.password, m.bag, edited()...).folder()
			f.parent, f.only = m.folder().build(t, begin(t, r)), map[itunesbackup.FileID]bool{}
			var incomplete *snapshot.IncompleteError
			if _, err := f.try(t, begin(t, r)); !errors.As(err, &incomplete) || incomplete.Total != 1 || incomplete.Files[0].Path != "CameraRollDomain/"+photo {
				t.Errorf("the edited photo did not come: %v", err)
			}
			// What the phone cannot read stays as it was, and is told.
			id := itunesbackup.MakeFileID("CameraRollDomain", photo)
			f.unread = map[itunesbackup.FileID]string{id: "Operation not permitted"}
			p := f.build(t, begin(t, r))
			if _, ok := mustIndex(t, p).Get(id); !ok || len(p.Meta().Unread) != 1 {
				t.Errorf("there %t, unread %v", ok, p.Meta().Unread)
			}
		})
	}
}

func mustIndex(t testing.TB, p *snapshot.Snapshot) *snapshot.Index {
	t.Helper()
	x, err := p.Index(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// A file that came damaged is an exception and unread: the snapshot can be opened
// all the same.
func TestBuild_unreadException(t *testing.T) {
	t.Parallel()
	m := makeFolder(t, backupPassword, usual()...)
	m.change("HomeDomain", "Library/Notes/b.txt", func(b []byte) []byte { return b[:len(b)-7] })
	f := m.folder()
	f.unread = map[itunesbackup.FileID]string{itunesbackup.MakeFileID("HomeDomain", "Library/Notes/b.txt"): "it does not have the digest that the phone noted"}
	p := f.build(t, begin(t, newRepository(t, nil)))
	sameFolder(t, p, m.dir)
	if meta := p.Meta(); len(meta.Unread) != 1 || len(meta.Exceptions) != 1 {
		t.Errorf("%+v", meta)
	}
}

// That a file could not be read excuses its digest, and not that its content is
// nowhere, or of another size than it says.
func TestBuild_unreadIsNoExcuse(t *testing.T) {
	t.Parallel()
	m := makeFolder(t, kinds[0].password, usual()...)
	id := itunesbackup.MakeFileID("HomeDomain", "Library/Notes/b.txt")
	for name, spoil := range map[string]func(*snapshot.Content){
		"nowhere": func(c *snapshot.Content) { c.Blobs = []format.ID{{1}} },
		"size":    func(c *snapshot.Content) { c.Size-- },
	} {
		s := begin(t, newRepository(t, nil))
		w, err := s.Writer(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		in := m.folder().input(t, s, w)
		contents := in.Contents
		in.Unread = map[itunesbackup.FileID]string{id: "damaged"}
		in.Contents = func(of itunesbackup.FileID) (snapshot.Content, bool) {
			c, ok := contents(of)
			if of == id {
				spoil(&c)
			}
			return c, ok
		}
		var incomplete *snapshot.IncompleteError
		if _, err := snapshot.Build(t.Context(), w, in, nil); !errors.As(err, &incomplete) {
			t.Errorf("%s: %v", name, err)
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	}
}

// cut is a file whose long reads fail from a place on, as those of a file cut short.
type cut struct {
	*bytes.Reader
	at int64
}

func (c *cut) ReadAt(p []byte, off int64) (int, error) {
	if off >= c.at && off > 0 && len(p) >= 16<<10 {
		return 0, io.ErrUnexpectedEOF
	}
	return c.Reader.ReadAt(p, off)
}

// A Manifest.db that ends early is not stored as if that were all.
func TestBuild_manifestCut(t *testing.T) {
	t.Parallel()
	m := makeFolder(t, kinds[0].password, usual()...)
	s := begin(t, newRepository(t, nil))
	w, err := s.Writer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	in := m.folder().input(t, s, w)
	data := m.folder().read(t, "Manifest.db")
	in.Manifest = &cut{Reader: bytes.NewReader(data), at: 16 << 10}
	if _, err := snapshot.Build(t.Context(), w, in, nil); !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), "Manifest.db") {
		t.Errorf("%v", err)
	}
}
