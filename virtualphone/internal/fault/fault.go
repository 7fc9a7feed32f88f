// Package fault makes a virtual phone misbehave on command. A fault is data:
// what to do, where, and when.
//
//	ACTION@POINT[:AT][*TIMES][=ARG]
//
//	cut@upload:100000            the cable comes out after 100,000 bytes of files
//	stall@backup.start           no word after the Backup request
//	refuse@lockdown.Pair*3       three Pair requests are refused
//	path@upload.file:5=../../x   the fifth file claims that host path
//
// AT counts what the point counts (bytes at "upload", files at "upload.file",
// events elsewhere) and defaults to 1: the first. TIMES defaults to 1; 0 means
// every time from AT on. Several faults are separated by commas; since an ARG
// ends at the comma, it holds none.
//
// Which actions a point knows is up to the part of the phone that owns it.
package fault

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
)

// Fault is one thing to go wrong.
type Fault struct {
	Action string // such as "cut", "stall", "refuse"
	Point  string // such as "upload"
	At     int64  // the count at which it happens, from 1
	Times  int    // how often; 0 is every time from At on
	Arg    string // meaning depends on Action
}

// String is the spec that Parse reads.
func (f Fault) String() string {
	s := f.Action + "@" + f.Point
	if f.At != 1 {
		s += ":" + strconv.FormatInt(f.At, 10)
	}
	if f.Times != 1 {
		s += "*" + strconv.Itoa(f.Times)
	}
	if f.Arg != "" {
		s += "=" + f.Arg
	}
	return s
}

// Set holds faults and counts the points they wait for. The zero value has
// none. It may be used by several goroutines.
type Set struct {
	mu     sync.Mutex
	faults []armed
}

type armed struct {
	Fault
	count int64
	fired int
}

// Parse reads comma-separated specs; "" has none.
func Parse(specs string) ([]Fault, error) {
	var faults []Fault
	for spec := range strings.SplitSeq(specs, ",") {
		if spec = strings.TrimSpace(spec); spec == "" {
			continue
		}
		f, err := parseOne(spec)
		if err != nil {
			return nil, err
		}
		faults = append(faults, f)
	}
	return faults, nil
}

func parseOne(spec string) (Fault, error) {
	f := Fault{At: 1, Times: 1}
	head, arg, _ := strings.Cut(spec, "=")
	f.Arg = arg
	action, rest, ok := strings.Cut(head, "@")
	if !ok || action == "" || rest == "" {
		return f, fmt.Errorf("parse fault %q: want ACTION@POINT[:AT][*TIMES][=ARG]", spec)
	}
	f.Action = action
	var err error
	if point, times, ok := strings.Cut(rest, "*"); ok {
		rest = point
		if f.Times, err = strconv.Atoi(times); err != nil || f.Times < 0 {
			return f, fmt.Errorf("parse fault %q: %q is not a number of times", spec, times)
		}
	}
	if point, at, ok := strings.Cut(rest, ":"); ok {
		rest = point
		if f.At, err = strconv.ParseInt(at, 10, 64); err != nil || f.At < 1 {
			return f, fmt.Errorf("parse fault %q: %q is not a count from 1", spec, at)
		}
	}
	f.Point = rest
	return f, nil
}

// Add arms faults; their counts start now.
func (s *Set) Add(faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range faults {
		s.faults = append(s.faults, armed{Fault: f})
	}
}

// Clear disarms all faults.
func (s *Set) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// Hit counts n more at point (n bytes, or 1 event) and returns the first fault
// whose time has come.
func (s *Set) Hit(point string, n int64) (Fault, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var due *armed
	for i := range s.faults {
		f := &s.faults[i]
		if f.Point != point {
			continue
		}
		f.count += n
		if due == nil && f.count >= f.At && (f.Times == 0 || f.fired < f.Times) {
			f.fired++
			due = f
		}
	}
	if due == nil {
		return Fault{}, false
	}
	return due.Fault, true
}

// Waits tells whether any fault is armed for point, so that hot paths can skip
// counting.
func (s *Set) Waits(point string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.faults {
		if f := &s.faults[i]; f.Point == point && (f.Times == 0 || f.fired < f.Times) {
			return true
		}
	}
	return false
}
