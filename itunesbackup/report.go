package itunesbackup

import (
	"fmt"
	"sync"
)

// Severity orders problems by what they mean for a restore.
type Severity int

const (
	// Note is worth knowing and harms nothing.
	Note Severity = iota + 1
	// Warning: a phone would restore it, but something is not as a phone makes it.
	Warning
	// Failure: data is missing or damaged, or a phone would refuse the backup.
	Failure
)

func (s Severity) String() string {
	switch s {
	case Note:
		return "note"
	case Warning:
		return "warning"
	case Failure:
		return "failure"
	}
	return fmt.Sprintf("severity %d", int(s))
}

// Problem is one thing found by [Backup.Verify].
type Problem struct {
	Severity Severity
	// Path is what it is about: "domain/relative/path", or a name in the folder.
	Path string
	What string
}

func (p Problem) String() string { return fmt.Sprintf("%s: %s: %s", p.Severity, p.Path, p.What) }

// maxProblems bounds the list; the counts go on.
const maxProblems = 10_000

// Report is the result of [Backup.Verify].
type Report struct {
	Encrypted bool
	// Unlocked says whether contents could be decrypted. When it is false the
	// password was not given: Statement says what therefore was not looked at.
	Unlocked  bool
	Statement string

	Rows, Files, Directories, Symlinks int64
	StoredBytes                        int64 // of the files that rows name
	PlainBytes                         int64 // of those decrypted or read
	DigestsChecked                     int64
	Decrypted                          int64

	// Problems are in no particular order, at most 10,000 of them.
	Problems []Problem
	// Notes, Warnings and Failures count all of them.
	Notes, Warnings, Failures int64
}

// OK tells whether nothing is missing or damaged as far as could be seen.
func (r *Report) OK() bool { return r.Failures == 0 }

// collector adds to a report from several goroutines.
type collector struct {
	mu     sync.Mutex
	report Report // guarded by mu
}

func (c *collector) add(s Severity, path, format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch s {
	case Note:
		c.report.Notes++
	case Warning:
		c.report.Warnings++
	default:
		c.report.Failures++
	}
	if len(c.report.Problems) < maxProblems {
		c.report.Problems = append(c.report.Problems, Problem{s, path, fmt.Sprintf(format, args...)})
	}
}

func (c *collector) count(change func(*Report)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change(&c.report)
}
