package catalog

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// Get reads a setting into v, which is left as it is if there is none: found tells.
func (db *DB) Get(ctx context.Context, key string, v any) (found bool, err error) {
	var text string
	if err := missing(db.read.QueryRowContext(ctx, "SELECT value FROM setting WHERE key = ?", key).Scan(&text)); err != nil {
		if err == ErrNotFound {
			return false, nil
		}
		return false, fmt.Errorf("read setting %q: %w", key, err)
	}
	if err := json.Unmarshal([]byte(text), v); err != nil {
		return false, fmt.Errorf("read setting %q: %w", key, err)
	}
	return true, nil
}

// Set keeps a setting, which must be no secret: see Seal.
func (db *DB) Set(ctx context.Context, key string, v any) error {
	text, err := json.Marshal(v)
	if err == nil {
		_, err = db.write.ExecContext(ctx, "INSERT INTO setting (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", key, string(text))
	}
	if err != nil {
		return fmt.Errorf("keep setting %q: %w", key, err)
	}
	return nil
}

// AuditEntry is something that mattered: who did what, from where.
type AuditEntry struct {
	ID            int64
	At            time.Time
	Account       int64 // 0 is nobody known
	Address, What string
	UDID, Detail  string
}

// maxAudit is how many entries are kept.
const maxAudit = 20_000

// AddAudit keeps an entry; At zero is now. The oldest go when there are too many.
func (db *DB) AddAudit(ctx context.Context, e AuditEntry) error {
	if e.At.IsZero() {
		e.At = db.now()
	}
	var account any
	if e.Account != 0 {
		account = e.Account
	}
	res, err := db.write.ExecContext(ctx, "INSERT INTO audit (at, account, address, what, udid, detail) VALUES (?, ?, ?, ?, ?, ?)", e.At.UnixMilli(), account, e.Address, e.What, e.UDID, e.Detail)
	if err != nil {
		return fmt.Errorf("keep audit entry: %w", err)
	}
	id, err := res.LastInsertId()
	if err != nil || id%100 != 0 {
		return err
	}
	_, err = db.write.ExecContext(ctx, "DELETE FROM audit WHERE id <= ?", id-maxAudit)
	return err
}

// Audit gives the newest entries before the one with the ID before, 0: of all.
func (db *DB) Audit(ctx context.Context, before int64, limit int) ([]AuditEntry, error) {
	return list(ctx, db.read, func(row scanner) (e AuditEntry, err error) {
		return e, row.Scan(&e.ID, when{&e.At}, &e.Account, &e.Address, &e.What, &e.UDID, &e.Detail)
	}, "SELECT id, at, coalesce(account, 0), address, what, udid, detail FROM audit WHERE ?1 = 0 OR id < ?1 ORDER BY id DESC LIMIT ?2", before, limit)
}
