package contacts

import (
	"context"
	"fmt"
	"slices"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/thumbnail"
)

const (
	folder   = "HomeDomain/Library/AddressBook/"
	bookFile = folder + "AddressBook.sqlitedb"
	pictures = folder + "AddressBookImages.sqlitedb"
)

// Reader reads contacts. It keeps nothing of any source.
type Reader struct{ small *thumbnail.Maker }

// New makes a reader.
func New() *Reader { return &Reader{small: thumbnail.New()} }

var (
	_ extract.Exporter  = (*Reader)(nil)
	_ extract.Previewer = (*Reader)(nil)
	_ extract.Filer     = (*Reader)(nil)
)

// Info implements extract.Extractor.
func (*Reader) Info() extract.Info {
	return extract.Info{Kind: "contacts", Title: "Contacts", Groups: "groups",
		Tables: []extract.Table{{Name: tableName, Title: "Contacts", Columns: columns}},
		Paths:  []string{bookFile, bookFile + "-wal", pictures, pictures + "-wal"}}
}

// quiet leaves problems to be told by Read.
type quiet struct{}

func (quiet) Report(*extract.Problem) {}

// Groups implements extract.Extractor: accounts, and in them the groups of the phone.
func (*Reader) Groups(ctx context.Context, src *extract.Source) ([]extract.Group, error) {
	b, err := open(ctx, src, quiet{})
	if err != nil {
		return nil, err
	}
	return b.groupList(), nil
}

// chunk is how many contacts are read at once: enough to ask seldom, and little memory.
const chunk = 400

// Read implements extract.Extractor. The order is that of the phone's list, by last
// name; the newest are those that were made last.
func (*Reader) Read(ctx context.Context, src *extract.Source, q extract.Query, out extract.Emitter) error {
	b, err := open(ctx, src, out)
	if err != nil {
		return err
	}
	return extract.Done(b.each(ctx, b.choose(q), out, out.Emit))
}

// loaded is a chunk of contacts.
type loaded struct {
	contacts []*Contact
	problems []*extract.Problem
	err      error
}

// Report implements extract.Reporter.
func (l *loaded) Report(p *extract.Problem) { l.problems = append(l.problems, p) }

// each loads units, a chunk at a time, and gives their contacts. While they are taken
// the next chunk is loaded.
func (b *book) each(parent context.Context, units []*unit, rep extract.Reporter, give func(extract.Record) error) error {
	ctx, cancel := context.WithCancel(parent)
	chunks := make(chan *loaded)
	defer func() {
		cancel()
		for range chunks { // until nobody reads the database any more
		}
	}()
	go func() {
		defer close(chunks)
		for part := range slices.Chunk(units, chunk) {
			l := &loaded{}
			l.contacts, l.err = b.load(ctx, part, l)
			select {
			case chunks <- l:
			case <-ctx.Done():
				return
			}
		}
	}()
	for l := range chunks {
		for _, p := range l.problems {
			rep.Report(p)
		}
		if l.err != nil {
			return fmt.Errorf("read contacts: %w", l.err)
		}
		for _, c := range l.contacts {
			if err := give(c); err != nil {
				return err
			}
		}
	}
	if parent.Err() != nil {
		return context.Cause(parent)
	}
	return nil
}
