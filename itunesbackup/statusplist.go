package itunesbackup

import (
	"errors"
	"fmt"
	"time"
)

// BackupState is a key of Status.plist: what the folder holds as a whole.
type BackupState string

const (
	BackupEmpty BackupState = "empty" // a first backup has not been finished yet
	BackupOld   BackupState = "old"
	BackupNew   BackupState = "new" // from the moving state on
)

// SnapshotState is how far the run that wrote a Status.plist got
// (protocol.md 4.13). "Snapshot" is Apple's word, not this project's.
type SnapshotState string

const (
	SnapshotUploading SnapshotState = "uploading" // files arrive in Snapshot/
	SnapshotMoving    SnapshotState = "moving"    // and are moved to their places
	SnapshotRemoving  SnapshotState = "removing"  // what vanished is removed
	SnapshotFinished  SnapshotState = "finished"  // the only state that restores
)

// StatusVersion is the Version of every Status.plist since about iOS 12.
const StatusVersion = "3.3"

// StatusPlist is Status.plist, binary, written by the phone and, empty, by some
// hosts (backup-format.md 2.2, protocol.md 4.12). It has exactly these keys.
type StatusPlist struct {
	IsFullBackup  bool
	Version       string // "3.3"
	UUID          string // upper case with dashes
	Date          time.Time
	BackupState   BackupState
	SnapshotState SnapshotState
}

// ParseStatusPlist reads a Status.plist. As on the phone, each of the six keys
// must be there with its type; the states may have any value. Errors wrap
// [ErrMalformed].
func ParseStatusPlist(data []byte) (StatusPlist, error) {
	var p StatusPlist
	d, err := parseDictionary(data)
	if err == nil {
		err = errors.Join(
			require(d, "IsFullBackup", &p.IsFullBackup),
			require(d, "Version", &p.Version),
			require(d, "UUID", &p.UUID),
			require(d, "Date", &p.Date),
			require(d, "BackupState", (*string)(&p.BackupState)),
			require(d, "SnapshotState", (*string)(&p.SnapshotState)),
		)
	}
	if err != nil {
		return StatusPlist{}, fmt.Errorf("parse Status.plist: %w", err)
	}
	return p, nil
}

// Marshal gives the bytes a phone would write, keys in its order: 189 for a new
// and finished backup, 192 for an empty one that is uploading (protocol.md 8.4).
func (p StatusPlist) Marshal() ([]byte, error) {
	w := bplistWriter{buf: []byte(bplistMagic)}
	keys := [...]string{"IsFullBackup", "Version", "UUID", "Date", "BackupState", "SnapshotState"}
	_, d := w.dict(len(keys))
	for i, key := range keys {
		w.set(d, i, w.text(key))
	}
	n := len(keys)
	w.set(d, n, w.bool(p.IsFullBackup))
	w.set(d, n+1, w.text(p.Version))
	w.set(d, n+2, w.text(p.UUID))
	w.set(d, n+3, w.date(appleTime(p.Date)))
	w.set(d, n+4, w.text(string(p.BackupState)))
	w.set(d, n+5, w.text(string(p.SnapshotState)))
	b, err := w.finish()
	if err != nil {
		return nil, fmt.Errorf("encode Status.plist: %w", err)
	}
	return b, nil
}

// appleTime is t in seconds since 2001.
func appleTime(t time.Time) float64 {
	return float64(t.Unix()-appleEpoch) + float64(t.Nanosecond())/1e9
}
