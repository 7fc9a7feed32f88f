package contacts

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/outtree"
)

// Formats, and the name of the file with everybody.
const (
	vcard4   = "vcard"
	vcard3   = "vcard3"
	allNames = "All Contacts"
)

// maxTogether is how much of the file with everybody is kept in memory, so that the
// contacts are read once; a larger one is read again.
const maxTogether = 32 << 20

// writers is how many files are written at once: small files are mostly waited for.
const writers = 4

// Formats implements extract.Exporter.
func (*Reader) Formats() []extract.Format {
	return []extract.Format{{Name: vcard4, Title: "vCard 4 (.vcf)"}, {Name: vcard3, Title: "vCard 3, for Google and Outlook (.vcf)"}}
}

// Export implements extract.Exporter: Contacts/NAME.vcf of each, and
// Contacts/All Contacts.vcf with all of them; those of vCard 3 in the folder "vCard 3".
func (*Reader) Export(ctx context.Context, src *extract.Source, o extract.ExportOptions, out *outtree.Tree, rep extract.Reporter) error {
	b, err := open(ctx, src, rep)
	if err != nil {
		return err
	}
	w := &writer{ctx: ctx, book: b, out: out, rep: rep, format: o.Format, card: newVCard(o.Format != vcard3), sum: sha256.New()}
	w.folder = []string{"Contacts"}
	if o.Format == vcard3 {
		w.folder = append(w.folder, "vCard 3")
	} else {
		w.format = vcard4
	}
	units := b.choose(o.Query)
	w.group, w.ctx = errgroup.WithContext(ctx)
	w.group.SetLimit(writers)
	err = b.each(w.ctx, units, w, w.one)
	if failed := w.group.Wait(); failed != nil {
		err = failed
	}
	if w.ctx = ctx; ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return extract.Done(err)
	}
	if o.Query.Key != "" || len(units) == 0 {
		return nil
	}
	return w.everybody(units, o.Query.Group)
}

// writer puts vCards into a tree.
type writer struct {
	ctx    context.Context
	group  *errgroup.Group
	mu     sync.Mutex // for rep
	book   *book
	out    *outtree.Tree
	rep    extract.Reporter
	format string
	folder []string
	card   *vcard
	sum    hash.Hash
	all    bytes.Buffer // of everybody so far, unless that is too much
	tooBig bool
}

// one writes the file of a contact.
func (w *writer) one(r extract.Record) error {
	c := r.(*Contact)
	data, err := w.card.of(w.ctx, w.book, c, w)
	if err != nil {
		return err
	}
	w.sum.Write(data)
	if w.tooBig = w.tooBig || w.all.Len()+len(data) > maxTogether; w.tooBig {
		w.all = bytes.Buffer{}
	} else {
		w.all.Write(data)
	}
	sum := sha256.Sum256(data)
	data = bytes.Clone(data)
	f := outtree.File{Path: append(w.folder[:len(w.folder):len(w.folder)], fileName(c.Name)), Key: "contacts/" + w.format + "/" + c.Key,
		Stamp: hex.EncodeToString(sum[:8]), ModTime: c.Modified, Document: true}
	// Files are written at the same time, but get their names one after the other, so
	// that those of two people with one name are the same in every run.
	if _, err := w.out.Place(f); err != nil {
		return err
	}
	w.group.Go(func() error {
		return w.put(f, "contact "+c.Name, func(to io.Writer) error {
			_, err := to.Write(data)
			return err
		})
	})
	return nil
}

// Report implements extract.Reporter for several at once.
func (w *writer) Report(p *extract.Problem) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rep.Report(p)
}

// everybody writes all that were written one by one, after the other.
func (w *writer) everybody(units []*unit, group string) error {
	name := allNames
	for _, g := range w.book.groups.list {
		if g.key == group {
			name = g.title
		}
	}
	f := outtree.File{Path: append(w.folder[:len(w.folder):len(w.folder)], fileName(name)), Key: "contacts/" + w.format + "//" + group,
		Stamp: hex.EncodeToString(w.sum.Sum(nil)[:8]), Document: true}
	for _, u := range units {
		if u.modified.After(f.ModTime) {
			f.ModTime = u.modified
		}
	}
	return w.put(f, f.Path[len(f.Path)-1], func(to io.Writer) error {
		if !w.tooBig {
			_, err := to.Write(w.all.Bytes())
			return err
		}
		return w.card.write(w.ctx, w.book, units, to)
	})
}

// put writes a file. What cannot be read is reported, what cannot be written ends it.
func (w *writer) put(f outtree.File, what string, write func(io.Writer) error) error {
	_, err := w.out.Put(w.ctx, f, write)
	if host := (*outtree.HostError)(nil); err != nil && w.ctx.Err() == nil && !errors.As(err, &host) {
		w.Report(&extract.Problem{What: what, Err: err})
		return nil
	}
	return err
}

// write writes the cards of units, one after the other.
func (v *vcard) write(ctx context.Context, b *book, units []*unit, to io.Writer) error {
	return b.each(ctx, units, quiet{}, func(r extract.Record) error {
		data, err := v.of(ctx, b, r.(*Contact), quiet{})
		if err == nil {
			_, err = to.Write(data)
		}
		return err
	})
}

// of gives the card of a contact with its picture. A picture that cannot be read is
// reported and left out.
func (v *vcard) of(ctx context.Context, b *book, c *Contact, rep extract.Reporter) ([]byte, error) {
	kind, picture, err := b.pictureFor(ctx, c, v.four)
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		rep.Report(&extract.Problem{What: "the picture of " + c.Name, Err: err})
	}
	return v.encode(c, kind, picture)
}

// maxPhoto is the largest picture that is put into a vCard.
const maxPhoto = 16 << 20

var errNoPicture = errors.New("it is no picture, or too large")

// pictureFor gives the best picture that other programs can show.
func (b *book) pictureFor(ctx context.Context, c *Contact, four bool) (string, []byte, error) {
	var first error
	for _, ref := range []imageRef{c.picture, c.thumbnail} {
		if ref.kind == "" || !four && ref.kind != "image/jpeg" && ref.kind != "image/png" && ref.kind != "image/gif" {
			continue
		}
		data, err := b.images.data(ctx, ref)
		if err == nil && len(data) <= maxPhoto && showable(data, ref.kind) {
			return ref.kind, data, nil
		}
		if err == nil {
			err = errNoPicture
		}
		if first == nil {
			first = err
		}
	}
	return "", nil, first
}

// fileName is a name in one line.
func fileName(name string) string {
	if name = strings.Join(strings.Fields(name), " "); name == "" {
		name = noName
	}
	return name + ".vcf"
}

// Files implements extract.Filer: NAME.vcf of each, and All Contacts.vcf.
func (*Reader) Files(ctx context.Context, src *extract.Source, give func(extract.File) error) error {
	b, err := open(ctx, src, quiet{})
	if err != nil {
		return err
	}
	if len(b.units) == 0 {
		return nil
	}
	file := func(name string, units []*unit) extract.File {
		f := extract.File{Path: []string{fileName(name)}}
		for _, u := range units {
			if u.modified.After(f.Time) {
				f.Time = u.modified
			}
		}
		f.Make = func(ctx context.Context, w io.Writer) error {
			b, err := open(ctx, src, quiet{}) // the source may have been closed meanwhile
			if err != nil {
				return err
			}
			if err := newVCard(true).write(ctx, b, units, w); err != nil {
				return fmt.Errorf("make %s: %w", f.Path[0], err)
			}
			return nil
		}
		return f
	}
	if err := give(file(allNames, b.units)); err != nil {
		return extract.Done(err)
	}
	for i, u := range b.units {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := give(file(u.name, b.units[i:i+1:i+1])); err != nil {
			return extract.Done(err)
		}
	}
	return nil
}
