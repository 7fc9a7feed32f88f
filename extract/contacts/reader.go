package contacts

import (
	"context"
	"fmt"

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

// each loads units, a chunk at a time, and gives their contacts.
func (b *book) each(ctx context.Context, units []*unit, rep extract.Reporter, give func(extract.Record) error) error {
	for len(units) > 0 {
		n := min(chunk, len(units))
		list, err := b.load(ctx, units[:n], rep)
		if err != nil {
			return fmt.Errorf("read contacts: %w", err)
		}
		for _, c := range list {
			if err := give(c); err != nil {
				return err
			}
		}
		units = units[n:]
	}
	return nil
}
