package notes

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/outtree"
)

// formats are those that Export writes.
var formats = []extract.Format{
	{Name: "html", Title: "Web pages that open offline (.html)"},
	{Name: "markdown", Title: "Markdown (.md)"},
}

// Formats implements extract.Exporter.
func (*Reader) Formats() []extract.Format { return formats }

// maxSealed is the largest file of a locked note that is opened: the cipher gives
// nothing before it has seen all.
const maxSealed = 128 << 20

// exporter is one export.
type exporter struct {
	src *extract.Source
	o   extract.ExportOptions
	out *outtree.Tree
	rep extract.Reporter
	ext string
	// pages is nil but for pages.
	pages *renderer
	name  map[string]place  // of notes, by their keys
	path  map[string]string // of their documents in the tree, by their keys
}

// Export implements extract.Exporter: a document for each note, in the folders of the
// app, with the files of the note in a folder beside it. Notes that are locked and were
// not opened have a document that says so.
func (*Reader) Export(ctx context.Context, src *extract.Source, o extract.ExportOptions, out *outtree.Tree, rep extract.Reporter) error {
	if o.Query.Table != "" && o.Query.Table != Notes.Name {
		return nil
	}
	e := &exporter{src: src, o: o, out: out, rep: rep, path: map[string]string{}}
	switch o.Format {
	case "", "html":
		var err error
		if e.pages, err = newRenderer(); err != nil {
			return fmt.Errorf("export notes: %w", err)
		}
		e.ext = ".html"
	case "markdown":
		e.ext = ".md"
	default:
		return fmt.Errorf("export notes: no format %q: there are html, markdown", o.Format)
	}
	if rep == nil {
		e.rep = silent{}
	}
	a, err := open(ctx, src)
	if err != nil {
		return err
	}
	a.report(e.rep)
	all, err := a.heads(ctx, extract.Query{}, silent{})
	if err != nil {
		return err
	}
	e.name = places(all, src.Local())
	o.Query.Limit, o.Query.Skip = 0, 0
	heads, err := a.heads(ctx, o.Query, e.rep)
	if err != nil {
		return err
	}
	for _, h := range heads {
		p, err := out.Place(e.document(h.key, h.time()))
		if err != nil {
			return fmt.Errorf("export notes: %w", err)
		}
		e.path[h.key] = p
	}
	return a.read(ctx, heads, e.rep, func(n *Note) error { return e.note(ctx, n) })
}

func (e *exporter) document(key string, t time.Time) outtree.File {
	p := e.name[key]
	return outtree.File{Path: append(append([]string{"Notes"}, p.folders...), p.name+e.ext), Key: kind + "/" + e.ext[1:] + "/" + key, ModTime: t, Document: true}
}

// note writes a note and its files.
func (e *exporter) note(ctx context.Context, n *Note) error {
	if e.o.Files {
		var failed error
		n.files(func(a *Attachment) {
			if failed == nil {
				failed = e.excuse(ctx, a.label(), e.media(ctx, n, a))
			}
		})
		if failed != nil {
			return failed
		}
	}
	own := e.path[n.Key]
	var b bytes.Buffer
	var err error
	if e.ext == ".md" {
		b.WriteString(markdownOf(n, e.linker(own), e.noteLinker(own)))
	} else {
		err = e.pages.write(&b, n, e.src, e.linker(own), e.noteLinker(own))
	}
	if err != nil {
		return e.excuse(ctx, "note "+n.Title, err)
	}
	sum := sha256.Sum256(b.Bytes())
	f := e.document(n.Key, modified(n))
	f.Stamp = hex.EncodeToString(sum[:16])
	_, err = e.out.Put(ctx, f, func(w io.Writer) error { _, err := w.Write(b.Bytes()); return err })
	return e.excuse(ctx, "note "+n.Title, err)
}

func modified(n *Note) time.Time {
	if n.Modified.IsZero() {
		return n.Created
	}
	return n.Modified
}

func (e *exporter) linker(own string) func(string) string {
	return func(file string) string { return nearLink(own, file) }
}

// noteLinker leads from one note to another that is exported, too.
func (e *exporter) noteLinker(own string) func(string) string {
	return func(address string) string {
		if p := e.path[noteAddress(address)]; p != "" {
			return nearLink(own, p)
		}
		return ""
	}
}

// nearLink is the address of a file in a page: without the folders that both lie in, so
// that a folder of notes can be moved.
func nearLink(own, file string) string {
	for {
		a, restOwn, okOwn := strings.Cut(own, "/")
		b, restFile, okFile := strings.Cut(file, "/")
		if !okOwn || !okFile || a != b {
			return outtree.Link(own, file)
		}
		own, file = restOwn, restFile
	}
}

// excuse reports an error of one thing; those that end all are given back.
func (e *exporter) excuse(ctx context.Context, what string, err error) error {
	var host *outtree.HostError
	if err == nil || ctx.Err() != nil || errors.As(err, &host) {
		return err
	}
	e.rep.Report(&extract.Problem{Kind: kind, What: what, Err: err})
	return nil
}

// media writes the file of an attachment, and its preview where a browser does not show
// the file itself.
func (e *exporter) media(ctx context.Context, n *Note, a *Attachment) error {
	if a.Path == "" || a.shut {
		return nil
	}
	p := e.name[n.Key]
	folder := append(append([]string{"Notes"}, p.folders...), p.name+mediaSuffix)
	put := func(from, name, key string, sealed *sealedFile) (string, error) {
		info, err := fs.Stat(e.src.FS, from)
		if err != nil {
			return "", err
		}
		f := outtree.File{Path: append(folder[:len(folder):len(folder)], name), Key: kind + "/media/" + n.Key + "/" + key, Stamp: outtree.StampOf(info), ModTime: modified(n)}
		placed, err := e.out.Put(ctx, f, content(e.src, from, sealed))
		return placed.Path, err
	}
	var err error
	if a.File, err = put(a.Path, fileName(a), a.Key, a.sealed); err != nil {
		return err
	}
	if shows(a.File) == "" && a.Preview != "" && a.Preview != a.Path {
		a.poster, err = put(a.Preview, strings.TrimSuffix(fileName(a), pathExt(a.Name))+" preview"+pathExt(strings.TrimSuffix(a.Preview, ".encrypted")), a.Key+"/preview", a.sealedPreview)
	}
	return err
}

// content copies a file of the Source, opened if it is one of a locked note.
func content(src *extract.Source, name string, sealed *sealedFile) func(io.Writer) error {
	if sealed == nil {
		return outtree.Copy(src.FS, name)
	}
	return func(w io.Writer) error {
		data, err := src.ReadFile(name, maxSealed)
		if err != nil {
			return err
		}
		plain, err := openSealed(sealed.key.Reveal(), sealed.iv, sealed.tag, data)
		if err != nil {
			return fmt.Errorf("open %s of a locked note: %w", name, err)
		}
		_, err = w.Write(plain)
		return err
	}
}
