package format

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Lock is the content of a lock file (restic-format.md 11).
type Lock struct {
	Time      time.Time `json:"time"`
	Exclusive bool      `json:"exclusive"`
	Hostname  string    `json:"hostname"`
	Username  string    `json:"username"`
	PID       int       `json:"pid"`
	UID       uint32    `json:"uid,omitempty"`
	GID       uint32    `json:"gid,omitempty"`
}

var errNoTime = errors.New("no time")

// Encode gives the JSON of the lock. A lock without a time, which every reader
// would take for stale, is an error.
func (l *Lock) Encode() ([]byte, error) {
	if l.Time.IsZero() {
		return nil, fmt.Errorf("encode lock: %w", errNoTime)
	}
	data, err := json.Marshal(l)
	if err != nil {
		return nil, fmt.Errorf("encode lock: %w", err)
	}
	return data, nil
}

// DecodeLock reads the JSON of a lock. One without a time is refused: it must
// block like any lock that cannot be read, not pass for a stale one.
func DecodeLock(data []byte) (*Lock, error) {
	var l Lock
	if err := json.Unmarshal(data, &l); err != nil {
		return nil, fmt.Errorf("decode lock: %w", err)
	}
	if l.Time.IsZero() {
		return nil, fmt.Errorf("decode lock: %w", errNoTime)
	}
	return &l, nil
}
