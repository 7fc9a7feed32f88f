package notes

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/internal/sqlitefs"
)

// load implements library.
func (s *store) load(ctx context.Context, heads []*head, ring *keyring, rep extract.Reporter, give func(*Note) error) error {
	parts := s.attachments(ctx, heads, rep)
	for _, h := range heads {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := h.note()
		n.row = h.row
		if err := s.fill(ctx, h, n, parts, ring); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			n.Unread = "its text could not be read"
			rep.Report(&extract.Problem{Kind: kind, What: fmt.Sprintf("note %q", n.Title), Err: err})
		}
		n.finish()
		if err := give(n); err != nil {
			return err
		}
	}
	return nil
}

// fill reads the body of a note and what is in it.
func (s *store) fill(ctx context.Context, h *head, n *Note, parts *parts, ring *keyring) error {
	data, sealed, err := s.body(ctx, h)
	if err != nil {
		return err
	}
	var lock cryptoRow
	switch {
	case len(data) == 0 && h.locked:
		n.Locked, n.Unread = LockPassword, "locked, and not in this backup"
	case len(data) == 0 && h.cloud:
		n.Unread = "in iCloud, not in this backup"
	case len(data) > 0 && (h.locked || !isGzip(data)):
		if n.Locked = lockOf(data); n.Locked == "" {
			break // the app says locked, and the body is plain
		}
		if n.Locked == LockPassword && !h.locked {
			n.Locked = ""
			return fmt.Errorf("read body: %w: neither gzip nor locked", errMalformed)
		}
		if data, lock, err = s.unlock(ctx, h, n, data, sealed, ring); err != nil {
			return err
		}
	}
	if n.Unread == "" && len(data) > 0 {
		if n.Body, err = parseBody(data); err != nil {
			return fmt.Errorf("read body: %w", err)
		}
	}
	s.resolve(ctx, n, parts, &opener{ring: ring, note: lock, locked: n.Locked != "", shut: n.Unread != ""})
	return nil
}

// body gives the bytes of a note's body, with the vector and tag beside it.
func (s *store) body(ctx context.Context, h *head) (data []byte, c cryptoRow, err error) {
	column := func(name string) string { return s.db.Column(bodies, "d", name) }
	where, arg := "d.Z_PK = ?", h.data
	if h.data == 0 || !s.db.Has(bodies, "Z_PK") {
		where, arg = column("ZNOTE")+" = ?", h.row
	}
	err = s.rows(ctx, func(r *sql.Rows) error {
		var b sqlitefs.Blob
		if err := r.Scan(&b, &c.iv, &c.tag); err != nil {
			return s.db.Err(ctx, err)
		}
		data = b
		return nil
	}, "SELECT "+column("ZDATA")+", "+column("ZCRYPTOINITIALIZATIONVECTOR")+", "+column("ZCRYPTOTAG")+" FROM "+bodies+" d WHERE "+where+" LIMIT 1", arg)
	return data, c, err
}

// unlock opens the body of a locked note. What cannot be opened is said in the note and
// is no error.
func (s *store) unlock(ctx context.Context, h *head, n *Note, data []byte, own cryptoRow, ring *keyring) ([]byte, cryptoRow, error) {
	if n.Locked == LockPasscode {
		n.Unread = sayPasscode
		return nil, cryptoRow{}, nil
	}
	row, err := s.crypto(ctx, h.row)
	if err != nil {
		return nil, row, err
	}
	if len(own.iv) > 0 && len(own.tag) > 0 {
		row.iv, row.tag = own.iv, own.tag
	}
	plain, err := ring.open(ctx, row, data)
	if err == nil {
		return plain, row, nil
	}
	if ctx.Err() != nil {
		return nil, row, ctx.Err()
	}
	n.Unread = ring.say(err)
	if errors.Is(err, errMalformed) && len(ring.passwords) > 0 {
		return nil, row, fmt.Errorf("open locked note: %w", err)
	}
	return nil, row, nil
}

// cryptoColumns are those of cryptoRow in a row of objects.
func (s *store) cryptoColumns() string {
	return s.column("ZCRYPTOSALT") + ", " + s.column("ZCRYPTOWRAPPEDKEY", "ZCRYPTOVERIFIER") + ", " + s.column("ZCRYPTOINITIALIZATIONVECTOR") + ", " +
		s.column("ZCRYPTOTAG") + ", " + s.column("ZCRYPTOITERATIONCOUNT")
}

func (s *store) crypto(ctx context.Context, pk int64) (c cryptoRow, err error) {
	err = s.rows(ctx, func(r *sql.Rows) error {
		var n sqlitefs.Int
		if err := r.Scan(&c.salt, &c.wrapped, &c.iv, &c.tag, &n); err != nil {
			return s.db.Err(ctx, err)
		}
		c.iterations = n.Int
		return nil
	}, "SELECT "+s.cryptoColumns()+" FROM "+objects+" o WHERE o.Z_PK = ?", pk)
	return c, err
}
