package catalog

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// How much is remembered of wrong passwords, and for how long.
const (
	maxAttempts = 100_000 // subjects
	attemptAge  = 24 * time.Hour
)

// Attempts changes what is remembered of wrong passwords about a subject, such as an
// account or an address, in one transaction; v is the empty value when nothing is.
// Subjects that did not change for a day are forgotten, and those that did not for the
// longest time when there are more than 100,000.
func (db *DB) Attempts(ctx context.Context, subject string, v any, fn func() error) error {
	return db.change(ctx, func(tx *sql.Tx) error {
		now := db.now()
		if _, err := tx.ExecContext(ctx, "DELETE FROM attempt WHERE changed < ?", now.Add(-attemptAge).UnixMilli()); err != nil {
			return fmt.Errorf("forget attempts: %w", err)
		}
		if err := readAttempts(ctx, tx, subject, v); err != nil {
			return fmt.Errorf("read attempts: %w", err)
		}
		if err := fn(); err != nil {
			return err
		}
		text, err := json.Marshal(v)
		if err != nil {
			return fmt.Errorf("keep attempts: %w", err)
		}
		// Replacing gives the row a new number: numbers are in the order of changes.
		res, err := tx.ExecContext(ctx, "INSERT OR REPLACE INTO attempt (subject, state, changed) VALUES (?, ?, ?)", subject, string(text), now.UnixMilli())
		if err != nil {
			return fmt.Errorf("keep attempts: %w", err)
		}
		row, err := res.LastInsertId()
		if err == nil {
			_, err = tx.ExecContext(ctx, "DELETE FROM attempt WHERE rowid <= ?", row-maxAttempts)
		}
		if err != nil {
			return fmt.Errorf("keep attempts: %w", err)
		}
		return nil
	})
}

func readAttempts(ctx context.Context, tx *sql.Tx, subject string, v any) error {
	var state string
	err := tx.QueryRowContext(ctx, "SELECT state FROM attempt WHERE subject = ?", subject).Scan(&state)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil
	case err != nil:
		return err
	}
	return json.Unmarshal([]byte(state), v)
}

// How many networks are known of an account, and for how long.
const (
	maxKnown = 32
	knownAge = 365 * 24 * time.Hour
)

// Known tells whether somebody has signed in to an account from a network within the
// last year.
func (db *DB) Known(ctx context.Context, account int64, network string) (bool, error) {
	var n int
	if err := db.read.QueryRowContext(ctx, "SELECT count(*) FROM known WHERE account = ? AND network = ? AND used > ?", account, network, db.now().Add(-knownAge).UnixMilli()).Scan(&n); err != nil {
		return false, fmt.Errorf("look for known network: %w", err)
	}
	return n > 0, nil
}

// AddKnown notes that somebody has signed in to an account from a network. The 32 that
// were used last are kept.
func (db *DB) AddKnown(ctx context.Context, account int64, network string) error {
	err := db.change(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "INSERT INTO known (account, network, used) VALUES (?, ?, ?) ON CONFLICT (account, network) DO UPDATE SET used = excluded.used",
			account, network, db.now().UnixMilli()); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "DELETE FROM known WHERE account = ?1 AND network NOT IN (SELECT network FROM known WHERE account = ?1 ORDER BY used DESC, network = ?2 DESC LIMIT ?3)", account, network, maxKnown)
		return err
	})
	if err != nil {
		return fmt.Errorf("keep known network: %w", err)
	}
	return nil
}
