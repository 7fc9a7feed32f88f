package format

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Snapshot is the state of some paths at one moment (restic-format.md 8).
type Snapshot struct {
	Time           time.Time        `json:"time"`
	Parent         *ID              `json:"parent,omitempty"`
	Tree           *ID              `json:"tree"`
	Paths          []string         `json:"paths"`
	Hostname       string           `json:"hostname,omitempty"`
	Username       string           `json:"username,omitempty"`
	UID            uint32           `json:"uid,omitempty"`
	GID            uint32           `json:"gid,omitempty"`
	Excludes       []string         `json:"excludes,omitempty"`
	Tags           []string         `json:"tags,omitempty"`
	Original       *ID              `json:"original,omitempty"`
	ProgramVersion string           `json:"program_version,omitempty"`
	Summary        *SnapshotSummary `json:"summary,omitempty"`
}

// SnapshotSummary is what the backup counted, as restic 0.17 and later write it.
// Sizes are in bytes.
type SnapshotSummary struct {
	BackupStart         time.Time `json:"backup_start"`
	BackupEnd           time.Time `json:"backup_end"`
	FilesNew            uint64    `json:"files_new"`
	FilesChanged        uint64    `json:"files_changed"`
	FilesUnmodified     uint64    `json:"files_unmodified"`
	DirsNew             uint64    `json:"dirs_new"`
	DirsChanged         uint64    `json:"dirs_changed"`
	DirsUnmodified      uint64    `json:"dirs_unmodified"`
	DataBlobs           int64     `json:"data_blobs"`
	TreeBlobs           int64     `json:"tree_blobs"`
	DataAdded           uint64    `json:"data_added"`        // plaintext of new blobs
	DataAddedPacked     uint64    `json:"data_added_packed"` // the same, as stored
	TotalFilesProcessed uint64    `json:"total_files_processed"`
	TotalBytesProcessed uint64    `json:"total_bytes_processed"`
}

var errNoTree = errors.New("no tree")

// Encode gives the JSON of the snapshot. Paths is written as an array even if it
// is nil; a snapshot without a tree is an error.
func (s *Snapshot) Encode() ([]byte, error) {
	if s.Tree == nil || s.Tree.IsNull() {
		return nil, fmt.Errorf("encode snapshot: %w", errNoTree)
	}
	written := *s
	if written.Paths == nil {
		written.Paths = []string{} // rustic refuses null
	}
	data, err := json.Marshal(written)
	if err != nil {
		return nil, fmt.Errorf("encode snapshot: %w", err)
	}
	return data, nil
}

// DecodeSnapshot reads the JSON of a snapshot. Fields that others add are
// ignored, so encoding it again drops them. A snapshot without a tree is refused.
func DecodeSnapshot(data []byte) (*Snapshot, error) {
	var s Snapshot
	if err := json.Unmarshal(data, &s); err != nil {
		return nil, fmt.Errorf("decode snapshot: %w", err)
	}
	if s.Tree == nil || s.Tree.IsNull() {
		return nil, fmt.Errorf("decode snapshot: %w", errNoTree)
	}
	if s.Paths == nil {
		s.Paths = []string{}
	}
	return &s, nil
}
