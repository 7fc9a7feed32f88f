package catalog

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"
)

// Version is a backup or a media copy, as the repository told of it.
type Version struct {
	UDID string    `json:"-"`
	ID   string    `json:"-"` // of the snapshot, 64 hex digits
	Time time.Time `json:"-"`

	Repository  string    `json:"repository"` // its ID
	Tree        string    `json:"tree,omitempty"`
	Media       bool      `json:"media,omitempty"`
	Name        string    `json:"name,omitempty"` // of the phone, then
	IOS         string    `json:"ios,omitempty"`
	Files       int64     `json:"files,omitempty"`
	Size        int64     `json:"size,omitempty"`
	Added       int64     `json:"added,omitempty"`
	Encrypted   bool      `json:"encrypted,omitempty"`
	Sealed      bool      `json:"sealed,omitempty"`
	Verified    time.Time `json:"verified,omitzero"`
	Rehearsed   time.Time `json:"rehearsed,omitzero"`
	RehearsalOK bool      `json:"rehearsal_ok,omitempty"`
	Pinned      bool      `json:"pinned,omitempty"`
	Copies      []string  `json:"copies,omitempty"` // names of targets
}

func scanVersion(row scanner) (Version, error) {
	var v Version
	var doc string
	if err := row.Scan(&v.UDID, &v.ID, when{&v.Time}, &doc); err != nil {
		return v, err
	}
	if err := json.Unmarshal([]byte(doc), &v); err != nil {
		return v, fmt.Errorf("read version %s: %w", v.ID, err)
	}
	return v, nil
}

const putVersion = "INSERT INTO version (udid, id, time, doc) VALUES (?, ?, ?, ?) ON CONFLICT (udid, id) DO UPDATE SET time = excluded.time, doc = excluded.doc"

func storeVersion(ctx context.Context, tx *sql.Tx, v Version) error {
	doc, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("keep version %s: %w", v.ID, err)
	}
	_, err = tx.ExecContext(ctx, putVersion, v.UDID, v.ID, v.Time.UnixMilli(), string(doc))
	return err
}

// Versions are those of a phone, the newest first.
func (db *DB) Versions(ctx context.Context, udid string) ([]Version, error) {
	return list(ctx, db.read, scanVersion, "SELECT udid, id, time, doc FROM version WHERE udid = ? ORDER BY time DESC, id", udid)
}

// Version is one of them, or ErrNotFound.
func (db *DB) Version(ctx context.Context, udid, id string) (Version, error) {
	v, err := scanVersion(db.read.QueryRowContext(ctx, "SELECT udid, id, time, doc FROM version WHERE udid = ? AND id = ?", udid, id))
	return v, missing(err)
}

// ReplaceVersions puts what the repository has in the place of what is remembered of
// a phone.
func (db *DB) ReplaceVersions(ctx context.Context, udid string, all []Version) error {
	return db.change(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "DELETE FROM version WHERE udid = ?", udid); err != nil {
			return err
		}
		for _, v := range all {
			v.UDID = udid
			if err := storeVersion(ctx, tx, v); err != nil {
				return err
			}
		}
		return nil
	})
}

// SaveVersion keeps one version, in the place of what was known of it.
func (db *DB) SaveVersion(ctx context.Context, v Version) error {
	return db.change(ctx, func(tx *sql.Tx) error { return storeVersion(ctx, tx, v) })
}

// DeleteVersion forgets one; one that is not there is no error.
func (db *DB) DeleteVersion(ctx context.Context, udid, id string) error {
	_, err := db.write.ExecContext(ctx, "DELETE FROM version WHERE udid = ? AND id = ?", udid, id)
	return err
}
