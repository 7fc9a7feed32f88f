package chat

import (
	"context"
	"io"

	"github.com/keepsake-backup/keepsake/extract"
)

// TextFiles gives the files of conversations that are made of their messages:
// <conversation>/messages.txt, as Export writes text, for an [extract.Filer]. folders are
// what [Folders] calls the conversations. An error of give ends it.
func TextFiles(store Store, src *extract.Source, conversations []Conversation, folders []string, give func(extract.File) error) error {
	for i, c := range conversations {
		f := extract.File{Path: []string{folders[i], "messages.txt"}, Time: c.Last, Make: func(ctx context.Context, w io.Writer) error {
			e := &exporter{store: store, info: store.Info(), src: src, rep: silent{}}
			return e.text(w, c, func(give func(*Message) error) error { return e.read(ctx, c, silent{}, give) })
		}}
		if err := give(f); err != nil {
			return err
		}
	}
	return nil
}
