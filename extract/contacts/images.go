package contacts

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	_ "image/gif" // for DecodeConfig
	_ "image/jpeg"
	_ "image/png"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/internal/sqlitefs"
)

// images is the list of pictures, without the pictures.
type images struct {
	db          *sqlitefs.DB
	full, small map[int64]imageRef // by ABPerson.ROWID
}

// imageRef is where a picture is.
type imageRef struct {
	table string
	row   int64
	kind  string // media type; "" = there is none
}

// openImages lists the pictures; without a database there are none.
func openImages(ctx context.Context, src *extract.Source) (*images, error) {
	db, err := src.Database(ctx, pictures)
	if errors.Is(err, extract.ErrAbsent) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if !db.Has("ABFullSizeImage") && !db.Has("ABThumbnailImage") {
		return nil, fmt.Errorf("%s has no table of pictures: %w", db.Name(), sqlitefs.ErrDamaged)
	}
	m := &images{db: db, full: map[int64]imageRef{}, small: map[int64]imageRef{}}
	if err := m.list(ctx, "ABFullSizeImage", m.full); err != nil {
		return m, err
	}
	return m, m.list(ctx, "ABThumbnailImage", m.small)
}

// list notes which cards have a picture in a table, those of format 0 before others.
func (m *images) list(ctx context.Context, table string, into map[int64]imageRef) error {
	if !m.db.Has(table, "record_id", "data") {
		return nil
	}
	format := m.db.Column(table, "i", "format")
	rows, err := m.db.QueryContext(ctx, fmt.Sprintf("SELECT i.ROWID, +i.record_id, substr(CAST(i.data AS BLOB), 1, 16) FROM %s i WHERE length(i.data) > 0 ORDER BY i.record_id, coalesce(%s, 0), i.ROWID LIMIT %d", table, format, 4*maxCards))
	if err != nil {
		return m.db.Err(ctx, err)
	}
	defer rows.Close()
	for rows.Next() {
		var row, record sqlitefs.Int
		var head sqlitefs.Blob
		if err := rows.Scan(&row, &record, &head); err != nil {
			return m.db.Err(ctx, err)
		}
		if kind := kindOf(head); kind != "" && into[record.Int].kind == "" {
			into[record.Int] = imageRef{table, row.Int, kind}
		}
	}
	return m.db.Err(ctx, rows.Err())
}

// kindOf tells the media type of a picture by its first bytes; "" is no picture.
func kindOf(head []byte) string {
	at := func(i int, magic string) bool {
		return len(head) >= i+len(magic) && string(head[i:i+len(magic)]) == magic
	}
	switch {
	case at(0, "\xff\xd8\xff"):
		return "image/jpeg"
	case at(0, "\x89PNG\r\n\x1a\n"):
		return "image/png"
	case at(0, "GIF8"):
		return "image/gif"
	case at(0, "RIFF") && at(8, "WEBP"):
		return "image/webp"
	case at(4, "ftyphei"), at(4, "ftypmif1"), at(4, "ftyphevc"):
		return "image/heic"
	}
	return ""
}

// of gives the pictures of a unit: of the card whose picture is preferred, else of the
// first that has one.
func (m *images) of(u *unit) (full, small imageRef) {
	cards := u.cards
	if u.image >= 0 {
		for _, id := range u.cards {
			if id == u.image {
				cards = append([]int64{id}, cards...)
			}
		}
	}
	for _, id := range cards {
		if full, small = m.full[id], m.small[id]; full.kind != "" || small.kind != "" {
			return full, small
		}
	}
	return imageRef{}, imageRef{}
}

// data reads a picture.
func (m *images) data(ctx context.Context, ref imageRef) ([]byte, error) {
	var data sqlitefs.Blob
	err := m.db.QueryRowContext(ctx, "SELECT "+m.db.Column(ref.table, "i", "data")+" FROM "+ref.table+" i WHERE i.ROWID = ?", ref.row).Scan(&data)
	return data, m.db.Err(ctx, err)
}

// showable tells whether a browser may be given a picture: it is what it says.
func showable(data []byte, kind string) bool {
	if kind == "image/webp" || kind == "image/heic" {
		return true // nothing here reads them
	}
	c, _, err := image.DecodeConfig(bytes.NewReader(data))
	return err == nil && c.Width > 0 && c.Height > 0 && c.Width <= 1<<14 && c.Height <= 1<<14
}
