package dirstore

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"
)

// A flush that fails is told once by the system. The run must not promise
// anything afterwards, and the next one drops what may not be on the disk.
func TestFlushFails(t *testing.T) {
	dir := t.TempDir()
	s := locked(t, dir)
	put(t, s, udid+"/Status.plist", status(t, "uploading"))
	put(t, s, staged(1), "one")
	put(t, s, staged(2), "two")
	whole := s.top
	s.top = &handle{f: whole.f, fd: -1}
	if err := s.Put(t.Context(), udid+"/Status.plist", strings.NewReader(status(t, "moving"))); err == nil {
		t.Fatal("the promise was given")
	}
	s.top = whole
	if err := s.Put(t.Context(), udid+"/Status.plist", strings.NewReader(status(t, "moving"))); err == nil {
		t.Fatal("the promise was given at the second try")
	}
	closeIt(t, s)
	s = locked(t, dir)
	defer closeIt(t, s)
	if list, _, err := s.staged(udid + "/Snapshot"); err != nil || len(list) != 0 {
		t.Errorf("kept: %v, %v", list, err)
	}
}

// A note that cannot be made leaves the old one, and the next file tries again.
func TestMark_fails(t *testing.T) {
	dir := t.TempDir()
	s := locked(t, dir)
	writable := s.lock.f
	f, err := os.Open(lockName(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s.lock.f = f
	if err := s.Put(t.Context(), staged(1), strings.NewReader("x")); err == nil {
		t.Fatal("a file was written without a note")
	}
	var m marker
	data, err := os.ReadFile(lockName(dir))
	if err != nil || json.Unmarshal(data, &m) != nil || !m.Running {
		t.Errorf("note %q, %v", data, err)
	}
	s.lock.f = writable
	put(t, s, staged(1), "x")
	if data, err = os.ReadFile(lockName(dir)); err != nil || json.Unmarshal(data, &m) != nil || m.Unsynced.IsZero() || len(data) != markerLen {
		t.Errorf("note %q, %v", data, err)
	}
	closeIt(t, s)
}

// Whatever a note says, it has one length: it is never cut before it is written.
func TestMarker_oneLength(t *testing.T) {
	dir := t.TempDir()
	s := locked(t, dir)
	defer closeIt(t, s)
	for _, m := range []marker{{}, {PID: 1 << 30, Boot: strings.Repeat("x", 36), Running: true, Unsynced: time.Now()}} {
		s.lock.marker = m
		if err := s.lock.write(); err != nil {
			t.Fatal(err)
		}
		if st, err := os.Stat(lockName(dir)); err != nil || st.Size() != markerLen {
			t.Errorf("%d bytes, %v", st.Size(), err)
		}
	}
}
