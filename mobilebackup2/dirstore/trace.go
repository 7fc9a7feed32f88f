package dirstore

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
)

// trace is what this package left in a backup while it keeps the one before.
// It lies with that, as JSON. Whoever backs up writes Status.plist and
// Info.plist anew, so other contents mean another program:
//
//	the Status.plist and the Info.plist of the trace     nobody was here
//	"uploading" then and now, with the same manifest     somebody was, but only
//	                                                     Snapshot has changed
//	anything else                                        what was set aside is
//	                                                     no longer a backup
//
// It is durable before the file that it speaks of is replaced, and so names the
// old contents and the new.
type trace struct {
	State    string   `json:"state"`    // of the last Status.plist
	Status   []string `json:"status"`   // SHA-256 of that and of the one before
	Info     []string `json:"info"`     // and of Info.plist
	Manifest string   `json:"manifest"` // and of the Manifest.plist that the last run found
}

const (
	traceName = tempPrefix + "trace"
	maxTrace  = 4 << 10
	nothing   = "" // in place of the digest of a file that is not there
)

// saw notes the digest that a file is about to have.
func (t *trace) saw(name, digest string) {
	list := &t.Status
	if name == infoName {
		list = &t.Info
	}
	*list = append(*list, digest)
	*list = (*list)[max(0, len(*list)-2):]
}

// startTrace notes what the backup of udid has now.
func (s *Store) startTrace(udid string) error {
	status, err := s.status(udid)
	if err != nil {
		return err
	}
	info, err := s.digest(udid + "/" + infoName)
	if err != nil {
		return err
	}
	manifest, err := s.digest(udid + "/" + manifestName)
	s.trace = trace{State: stateIn(status), Status: []string{digestOf(status)}, Info: []string{info}, Manifest: manifest}
	return err
}

func (s *Store) writeTrace() error {
	data, err := json.Marshal(s.trace)
	if err != nil {
		return err
	}
	return s.keepDurably(s.lock.udid, traceName, data)
}

// stillGood tells whether what was set aside, laid over the folder, is the last
// good backup, and reads the trace.
func (s *Store) stillGood(udid string) (bool, error) {
	kept, err := s.read(previousDir(udid)+"/"+statusName, maxStatus)
	if kept == nil || err != nil {
		return false, err
	}
	status, err := s.status(udid)
	if err != nil {
		return false, err
	}
	if state := stateIn(status); state == finished {
		// The run was cut off before its first Status.plist, or another is complete.
		return string(status) == string(kept), nil
	}
	data, err := s.read(previousDir(udid)+"/"+traceName, maxTrace)
	if data == nil || err != nil || json.Unmarshal(data, &s.trace) != nil {
		return false, err
	}
	info, err := s.digest(udid + "/" + infoName)
	if err != nil {
		return false, err
	}
	if slices.Contains(s.trace.Status, digestOf(status)) && slices.Contains(s.trace.Info, info) {
		return true, nil
	}
	manifest, err := s.digest(udid + "/" + manifestName)
	return stateIn(status) == uploading && s.trace.State == uploading && manifest == s.trace.Manifest, err
}

// status reads Status.plist, nil when there is none.
func (s *Store) status(udid string) ([]byte, error) { return s.read(udid+"/"+statusName, maxStatus) }

// read reads a small file whole, nil when there is none.
func (s *Store) read(p string, limit int64) ([]byte, error) {
	r, size, err := s.openFile(p)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", p, err)
	}
	defer r.Close()
	data := make([]byte, min(size, limit))
	if _, err := io.ReadFull(r, data); err != nil {
		return nil, fmt.Errorf("read %s: %w", p, err)
	}
	return data, nil
}

// digest is the SHA-256 of a file, in hexadecimal; nothing when there is none.
func (s *Store) digest(p string) (string, error) {
	r, _, err := s.openFile(p)
	if errors.Is(err, fs.ErrNotExist) {
		return nothing, nil
	}
	if err != nil {
		return "", fmt.Errorf("read %s: %w", p, err)
	}
	defer r.Close()
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		return "", fmt.Errorf("read %s: %w", p, err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func digestOf(data []byte) string {
	if data == nil {
		return nothing
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
