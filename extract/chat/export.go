package chat

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"path"
	"strings"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/outtree"
)

// Formats are those that [Export] writes, the default first.
var Formats = []extract.Format{
	{Name: "html", Title: "Web pages that open offline (.html)"},
	{Name: "text", Title: "Text (.txt)"},
	{Name: "json", Title: "JSON, a file for each conversation (.json)"},
}

// Store is an app that has conversations. Its Read gives [Message] or *Message for
// the table [Table], and with a Query.Group that is Conversation.Key those of one
// conversation, in the order in which they were written.
type Store interface {
	extract.Extractor
	// Conversations lists them as people see them, the newest first. Errors are those
	// of Read.
	Conversations(ctx context.Context, src *extract.Source) ([]Conversation, error)
}

// exporter is one run of [Export].
type exporter struct {
	store Store
	info  extract.Info
	src   *extract.Source
	o     extract.ExportOptions
	out   *outtree.Tree
	rep   extract.Reporter
}

// Export writes the conversations of an app into out, those of o.Query.Group only,
// if set. One that cannot be read to its end is written as far as it goes, says so,
// and is reported; the others follow. When none can be read, that is the error.
// Messages are read one by one, those of one page at a time are kept in memory.
func Export(ctx context.Context, store Store, src *extract.Source, o extract.ExportOptions, out *outtree.Tree, rep extract.Reporter) error {
	if o.Query.Table != "" && o.Query.Table != Table.Name {
		return nil
	}
	if o.Format == "" {
		o.Format = Formats[0].Name
	}
	if rep == nil {
		rep = silent{}
	}
	e := &exporter{store: store, info: store.Info(), src: src, o: o, out: out, rep: rep}
	conversations, err := store.Conversations(ctx, src)
	if err != nil {
		return err
	}
	folders := Folders(conversations)
	var first error
	var done []listed
	for i, c := range conversations {
		if o.Query.Group != "" && o.Query.Group != c.Key {
			continue
		}
		pages, err := e.conversation(ctx, c, folders[i])
		if err := e.excuse(ctx, "conversation "+c.Title, err); err != nil {
			return err
		}
		if err != nil && first == nil {
			first = err
		}
		if len(pages) > 0 {
			done = append(done, listed{c, pages})
		}
	}
	if len(done) == 0 && first != nil {
		return first
	}
	if o.Format != "html" || o.Query.Group != "" || o.Query.Key != "" {
		return nil
	}
	return e.index(ctx, done)
}

type silent struct{}

func (silent) Report(*extract.Problem) {}

// written is a file of a conversation, and from when it is.
type written struct {
	path        string
	first, last string // days
	n           int
}

type listed struct {
	Conversation
	pages []written
}

func (e *exporter) conversation(ctx context.Context, c Conversation, folder string) ([]written, error) {
	switch e.o.Format {
	case "html":
		return e.pages(ctx, c, folder)
	case "text":
		return e.whole(ctx, c, folder, ".txt", e.text)
	case "json":
		return e.whole(ctx, c, folder, ".json", e.json)
	}
	return nil, fmt.Errorf("no format %q", e.o.Format)
}

// read gives the messages of a conversation.
func (e *exporter) read(ctx context.Context, c Conversation, rep extract.Reporter, give func(*Message) error) error {
	q := extract.Query{Table: Table.Name, Group: c.Key, Key: e.o.Query.Key}
	return e.store.Read(ctx, e.src, q, &feed{rep, give})
}

type feed struct {
	extract.Reporter
	give func(*Message) error
}

// Emit implements extract.Emitter.
func (f *feed) Emit(r extract.Record) error {
	switch m := r.(type) {
	case Message:
		return f.give(&m)
	case *Message:
		return f.give(m)
	}
	return fmt.Errorf("a %T is no message", r)
}

// file is the document with a name in the folder of a conversation. When an earlier
// run has put its first one into another folder (a group had another name then),
// the later ones follow.
func (e *exporter) file(c Conversation, folder, ext string, n int) (f outtree.File, place string, err error) {
	name := "conversation" + ext
	if n > 1 {
		name = fmt.Sprintf("conversation %d%s", n, ext)
	}
	f = outtree.File{Path: []string{e.info.Title, folder, name}, Key: fmt.Sprintf("%s/%s/%s/%s/%d", e.info.Kind, e.o.Format, c.Key, e.o.Query.Key, n), Document: true, ModTime: e.src.Device.Time}
	place, err = e.out.Place(f)
	return f, place, err
}

func folderOf(place string) string { return outtree.Unescape(path.Base(path.Dir(place))) }

// maxDraft is how much of a document is kept so as not to be made twice.
const maxDraft = 16 << 20

// whole writes a conversation as one file. Its stamp is the digest of its bytes,
// which are known only at the end; a long one is therefore made twice, once for the
// digest, and again if that has changed.
func (e *exporter) whole(ctx context.Context, c Conversation, folder, ext string, render func(w io.Writer, c Conversation, each func(func(*Message) error) error) error) ([]written, error) {
	f, place, err := e.file(c, folder, ext, 1)
	if err != nil {
		return nil, err
	}
	folder = folderOf(place)
	var files []string
	n := 0
	d := &draft{sum: sha256.New()}
	var broken error
	err = render(d, c, func(give func(*Message) error) error {
		broken = e.read(ctx, c, e.rep, func(m *Message) error {
			if err := e.attach(ctx, folder, m); err != nil {
				return &ownError{err}
			}
			for _, a := range m.Attachments {
				files = append(files, a.File)
			}
			n++
			if err := give(m); err != nil {
				return &ownError{err}
			}
			return nil
		})
		return broken
	})
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, broken
	}
	f.Stamp = d.stamp()
	put, err := e.out.Put(ctx, f, func(w io.Writer) error {
		if !d.over {
			_, err := w.Write(d.kept.Bytes())
			return err
		}
		i, left := 0, n
		return render(w, c, func(give func(*Message) error) error {
			return e.read(ctx, c, silent{}, func(m *Message) error {
				if left--; left < 0 {
					return &ownError{errors.New("there are more messages than a moment ago")}
				}
				for j := range m.Attachments {
					m.Attachments[j].File = files[min(i, len(files)-1)]
					i++
				}
				if err := give(m); err != nil {
					return &ownError{err}
				}
				return nil
			})
		})
	})
	if err != nil {
		return nil, err
	}
	return []written{{path: put.Path, n: n}}, broken
}

// ownError is one that does not come from the store.
type ownError struct{ err error }

func (e *ownError) Error() string { return e.err.Error() }
func (e *ownError) Unwrap() error { return e.err }

// unread tells whether an error of reading lies in the store, so that what was read
// before it is worth keeping.
func unread(err error) bool {
	var own *ownError
	return err != nil && !errors.As(err, &own) && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded)
}

// draft digests what is written, and keeps it as long as it is short.
type draft struct {
	sum  hash.Hash
	kept bytes.Buffer
	over bool
}

// Write implements io.Writer.
func (d *draft) Write(p []byte) (int, error) {
	d.sum.Write(p)
	if !d.over && d.kept.Len()+len(p) > maxDraft {
		d.over, d.kept = true, bytes.Buffer{}
	}
	if d.over {
		return len(p), nil
	}
	return d.kept.Write(p)
}

func (d *draft) stamp() string { return hex.EncodeToString(d.sum.Sum(nil)[:16]) }

// Folders gives each conversation the name of a folder: its title, and what tells it
// from others of the same title, as long as it is the same in every run.
func Folders(list []Conversation) []string {
	kinds := []func(Conversation) string{
		func(c Conversation) string { return c.Title },
		func(c Conversation) string {
			if len(c.People) != 1 {
				return ""
			}
			return c.Title + " (" + c.People[0].Address + ")"
		},
		func(c Conversation) string { return c.Title + " (" + c.Service + ")" },
		func(c Conversation) string {
			sum := sha256.Sum256([]byte(c.Key))
			return c.Title + " ~" + hex.EncodeToString(sum[:4])
		},
	}
	names := make([]string, len(list))
	for _, name := range kinds {
		seen := map[string]int{}
		for i, c := range list {
			if names[i] == "" {
				seen[fold(name(c))]++
			} else {
				seen[fold(names[i])] += 2
			}
		}
		for i, c := range list {
			if s := name(c); names[i] == "" && strings.TrimSpace(s) != "" && seen[fold(s)] == 1 {
				names[i] = s
			}
		}
	}
	for i, c := range list { // a hash that is not alone: the tree keeps them apart
		if names[i] == "" {
			names[i] = kinds[len(kinds)-1](c)
		}
	}
	return names
}

func fold(s string) string { return cases.Fold().String(norm.NFC.String(s)) }
