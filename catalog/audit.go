package catalog

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// AuditEntry is something that mattered: who did what, from where. It holds no secret.
type AuditEntry struct {
	ID            int64
	At            time.Time
	Account       int64 // 0 is nobody known
	Address, What string
	UDID, Detail  string // each text is cut off after 500 bytes
}

// How much of the audit log is kept. The newest stay however old they are, so that a
// clock that is wrong for an hour does not empty the log.
const (
	maxAudit     = 20_000
	auditAge     = 2 * 365 * 24 * time.Hour
	alwaysAudit  = 1_000
	maxAuditText = 500
)

// AddAudit keeps an entry; At zero is now. Every hundredth makes the oldest go: those
// beyond 20,000, and those of more than two years ago beyond the newest 1,000.
func (db *DB) AddAudit(ctx context.Context, e AuditEntry) error {
	if e.At.IsZero() {
		e.At = db.now()
	}
	var account any
	if e.Account != 0 {
		account = e.Account
	}
	res, err := db.write.ExecContext(ctx, "INSERT INTO audit (at, account, address, what, udid, detail) VALUES (?, ?, ?, ?, ?, ?)",
		e.At.UnixMilli(), account, clip(e.Address), clip(e.What), clip(e.UDID), clip(e.Detail))
	if err != nil {
		return fmt.Errorf("keep audit entry: %w", err)
	}
	id, err := res.LastInsertId()
	if err != nil {
		return fmt.Errorf("keep audit entry: %w", err)
	}
	if id%100 != 0 {
		return nil
	}
	if _, err := db.write.ExecContext(ctx, "DELETE FROM audit WHERE id <= ?1 OR (id <= ?2 AND at < ?3)", id-maxAudit, id-alwaysAudit, e.At.Add(-auditAge).UnixMilli()); err != nil {
		return fmt.Errorf("shorten audit log: %w", err)
	}
	return nil
}

// clip bounds a text that may come from outside.
func clip(s string) string {
	if len(s) > maxAuditText {
		n := maxAuditText
		for n > 0 && !utf8.RuneStart(s[n]) {
			n--
		}
		s = s[:n]
	}
	return strings.ToValidUTF8(s, "\ufffd")
}

// Audit gives the newest entries before the one with the ID before, 0: of all.
func (db *DB) Audit(ctx context.Context, before int64, limit int) ([]AuditEntry, error) {
	entries, err := list(ctx, db.read, func(row scanner) (e AuditEntry, err error) {
		return e, row.Scan(&e.ID, when{&e.At}, &e.Account, &e.Address, &e.What, &e.UDID, &e.Detail)
	}, "SELECT id, at, coalesce(account, 0), address, what, udid, detail FROM audit WHERE ?1 = 0 OR id < ?1 ORDER BY id DESC LIMIT ?2", before, limit)
	if err != nil {
		return nil, fmt.Errorf("read audit log: %w", err)
	}
	return entries, nil
}
