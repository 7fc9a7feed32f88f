package whatsapp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/chat"
	"github.com/keepsake-backup/keepsake/internal/sqlitefs"
)

// Files implements extract.Filer: the media of each conversation in a folder of its
// own, and the pictures of people.
func (r *Reader) Files(ctx context.Context, src *extract.Source, give func(extract.File) error) error {
	books, failed, err := open(ctx, src)
	if err != nil {
		return err
	}
	if len(books) == 0 {
		if len(failed) > 0 {
			return failed[0]
		}
		return absent()
	}
	list, err := r.Conversations(ctx, src)
	if err != nil {
		return err
	}
	folders := map[string]string{}
	for i, name := range chat.Folders(list) {
		folders[list[i].Key] = name
	}
	given := map[string]bool{}
	for _, b := range books {
		once := func(f extract.File) error {
			if f.Origin == "" || given[f.Origin] {
				return nil
			}
			given[f.Origin] = true
			return give(f)
		}
		if err := b.media(ctx, folders, once); err != nil {
			return extract.Done(err)
		}
		if err := b.portraits(ctx, once); err != nil {
			return extract.Done(err)
		}
	}
	return nil
}

// media gives the files of messages.
func (b *book) media(ctx context.Context, folders map[string]string, give func(extract.File) error) error {
	if !b.db.Has("ZWAMEDIAITEM", "ZMEDIALOCALPATH") || !b.hasMedia() {
		return nil
	}
	on := "i.Z_PK = m.ZMEDIAITEM"
	switch {
	case !b.db.Has("ZWAMESSAGE", "ZMEDIAITEM"):
		on = "i.ZMESSAGE = m.Z_PK"
	case b.mediaBack:
		on += " OR m.ZMEDIAITEM IS NULL AND m.Z_PK = i.ZMESSAGE"
	}
	rows, err := b.db.QueryContext(ctx, fmt.Sprintf("SELECT %s, %s FROM ZWAMEDIAITEM i JOIN ZWAMESSAGE m ON %s WHERE i.ZMEDIALOCALPATH IS NOT NULL ORDER BY m.Z_PK",
		b.db.List("ZWAMESSAGE", "m", "ZCHATSESSION", "ZMESSAGEDATE", "ZMESSAGETYPE"), b.db.List("ZWAMEDIAITEM", "i", "ZMEDIALOCALPATH", "ZTITLE"), on))
	if err != nil {
		return b.db.Err(ctx, err)
	}
	defer rows.Close()
	for rows.Next() {
		var session, kind sqlitefs.Int
		var date sqlitefs.Real
		var rel, title sqlitefs.Text
		if err := rows.Scan(&session, &date, &kind, &rel, &title); err != nil {
			return b.db.Err(ctx, err)
		}
		s := b.byPK[session.Int]
		if s == nil {
			s = b.byPK[0]
		}
		folder := "Other"
		if s != nil {
			folder = cmp.Or(folders[s.Key], s.Title, folder)
		}
		name := path.Base("/" + rel.String)
		if kind.Int == kindDocument && title.String != "" {
			name = title.String
			if path.Ext(name) == "" {
				name += path.Ext(rel.String)
			}
		}
		if err := give(extract.File{Path: []string{folder, name}, Time: extract.CocoaTime(date.Float), Origin: b.file(rel.String)}); err != nil {
			return err
		}
	}
	return b.db.Err(ctx, rows.Err())
}

// portraits gives the pictures that people show of themselves.
func (b *book) portraits(ctx context.Context, give func(extract.File) error) error {
	if !b.db.Has("ZWAPROFILEPICTUREITEM", "ZPATH") {
		return nil
	}
	rows, err := b.db.QueryContext(ctx, "SELECT "+b.db.List("ZWAPROFILEPICTUREITEM", "p", "ZJID", "ZPATH")+" FROM ZWAPROFILEPICTUREITEM p WHERE p.ZPATH IS NOT NULL ORDER BY p.Z_PK")
	if err != nil {
		return b.db.Err(ctx, err)
	}
	defer rows.Close()
	for rows.Next() {
		var jid, rel sqlitefs.Text
		if err := rows.Scan(&jid, &rel); err != nil {
			return b.db.Err(ctx, err)
		}
		name := b.dir.person(jid.String, "").Label()
		if s := b.byJID(jid.String); s != nil {
			name = s.Title
		}
		for _, ext := range []string{".jpg", ".thumb"} { // the large one, else the small one
			origin := b.file(strings.TrimSuffix(strings.TrimSuffix(rel.String, ".jpg"), ".thumb") + ext)
			if origin == "" {
				continue
			}
			if err := give(extract.File{Path: []string{"Profile pictures", name + ".jpg"}, Origin: origin}); err != nil {
				return err
			}
			break
		}
	}
	return b.db.Err(ctx, errors.Join(rows.Err()))
}

func (b *book) byJID(jid string) *session {
	for _, s := range b.list {
		if s.jid == bare(jid) {
			return s
		}
	}
	return nil
}
