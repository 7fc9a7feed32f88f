package catalog

import (
	"context"
	"encoding/json"
	"fmt"
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
