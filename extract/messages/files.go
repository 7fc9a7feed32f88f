package messages

import (
	"context"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/chat"
	"github.com/keepsake-backup/keepsake/internal/sqlitefs"
)

// Files implements extract.Filer: a folder for each conversation, with its messages as
// text and the files that came with them. What the phone itself does not show, such as
// the picture of a link's preview, is left out.
func (r *Reader) Files(ctx context.Context, src *extract.Source, give func(extract.File) error) error {
	b, err := open(ctx, src)
	if err != nil {
		return err
	}
	conversations, err := r.Conversations(ctx, src)
	if err != nil {
		return err
	}
	names := chat.Folders(conversations)
	if err := chat.TextFiles(r, src, conversations, names, give); err != nil {
		return extract.Done(err)
	}
	folders := make([]string, len(b.all)) // by the place of the conversation
	for i, c := range conversations {
		folders[b.byKey[c.Key]] = names[i]
	}
	f := &filer{book: b, folders: folders, given: map[string]bool{}, give: give}
	return extract.Done(f.attachments(ctx))
}

// filer gives the files that came with messages.
type filer struct {
	*book
	folders []string
	given   map[string]bool // by their paths in the source
	give    func(extract.File) error

	ids  []int64 // messages of the list
	list []dated
}

// dated is a file with the moment and the number of its message.
type dated struct {
	attached
	message, date int64
}

func (f *filer) attachments(ctx context.Context) error {
	if !f.db.Has("message_attachment_join", "message_id", "attachment_id") || !f.db.Has("attachment", "filename") {
		return nil
	}
	shown := ""
	if f.db.Has("attachment", "hide_attachment") {
		shown = " AND NOT ifnull(a.hide_attachment, 0)"
	}
	query := "SELECT j.message_id, " + f.db.Column("message", "m", "date") + ", " + f.attachmentColumns() +
		" FROM message_attachment_join j JOIN attachment a ON a.ROWID = j.attachment_id JOIN message m ON m.ROWID = j.message_id WHERE a.filename IS NOT NULL" + shown + " ORDER BY j.message_id, a.ROWID"
	var given error
	err := f.each(ctx, query, nil, func(scan func(...any) error) error {
		var id, date sqlitefs.Int
		a, err := f.attachment(scan, &id, &date)
		if err != nil || a.Path == "" {
			return err
		}
		f.ids, f.list = append(f.ids, id.Int), append(f.list, dated{a, id.Int, date.Int})
		if len(f.list) == portion {
			given = f.flush(ctx)
		}
		return given
	})
	switch {
	case given != nil: // not an error of the database
		return given
	case err != nil:
		return err
	}
	return f.flush(ctx)
}

// flush gives the list.
func (f *filer) flush(ctx context.Context) error {
	if len(f.list) == 0 {
		return nil
	}
	places, err := f.places(ctx, f.ids...)
	if err != nil {
		return err
	}
	in := make(map[int64]int32, len(places))
	for _, p := range places {
		in[p.message] = p.in
	}
	lost := slices.DeleteFunc(slices.Clone(f.ids), func(id int64) bool { return in[id] != 0 })
	known, err := f.byCloud(ctx, lost)
	if err != nil {
		return err
	}
	maps.Copy(in, known)
	for _, a := range f.list {
		if f.given[a.Path] {
			continue
		}
		f.given[a.Path] = true
		if err := f.one(a, f.folders[in[a.message]]); err != nil {
			return err
		}
	}
	f.ids, f.list = f.ids[:0], f.list[:0]
	return nil
}

// maxBundle is how many files of an attachment that is a folder are given.
const maxBundle = 2000

// one gives a file, or those in a folder.
func (f *filer) one(a dated, folder string) error {
	at := extract.CocoaNano(a.date)
	if !a.Folder {
		return f.give(extract.File{Path: []string{folder, a.Name}, Time: at, Origin: a.Path})
	}
	n := 0
	return fs.WalkDir(f.src.FS, a.Path, func(p string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() { // what cannot be listed is not there, as in Source.Find
			return nil
		}
		if n++; n > maxBundle {
			return fs.SkipAll
		}
		rel := strings.Split(strings.TrimPrefix(p, a.Path+"/"), "/")
		return f.give(extract.File{Path: append([]string{folder, a.Name}, rel...), Time: at, Origin: p})
	})
}
