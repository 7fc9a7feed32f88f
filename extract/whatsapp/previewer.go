package whatsapp

import (
	"context"
	"errors"
	"fmt"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/chat"
)

// Preview implements extract.Previewer: a small picture of what came with a message,
// made of it, else the one that the app keeps.
func (r *Reader) Preview(ctx context.Context, src *extract.Source, key string, size int) (extract.Preview, error) {
	found := &one{}
	if err := r.Read(ctx, src, extract.Query{Table: chat.Table.Name, Key: key}, found); err != nil {
		return extract.Preview{}, err
	}
	for _, a := range found.message.Attachments {
		for _, name := range []string{a.Path, a.Preview} {
			if name == "" {
				continue
			}
			p, err := r.small.Make(ctx, src.FS, name, size)
			if err == nil || !errors.Is(err, extract.ErrNoPreview) {
				return p, err
			}
		}
	}
	return extract.Preview{}, fmt.Errorf("message %s: %w", key, extract.ErrNoPreview)
}

// one keeps the message that was asked for.
type one struct{ message chat.Message }

// Emit implements extract.Emitter.
func (o *one) Emit(r extract.Record) error {
	if m, ok := r.(chat.Message); ok {
		o.message = m
	}
	return extract.ErrStop
}

// Report implements extract.Emitter. That another store is damaged is no matter of a
// picture; Read says it.
func (*one) Report(*extract.Problem) {}
