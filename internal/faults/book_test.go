//go:build linux

package faults

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
)

const document = "../../docs/faults.md"

const preface = `# What can go wrong, and what you are told

Every line below is a test: one thing is broken, in one run of ` + "`keepsake backup`" + ` or
` + "`keepsake restore`" + ` against a virtual phone. In every case the last good backup still verifies, byte
for byte, and restores onto another phone, and the next run completes.

Written by ` + "`go test ./internal/faults -update`" + `. Words in capitals stand for what differs from run to
run.

| fault | what you are told | what to do |
|---|---|---|
`

// line is what a person is told.
type line struct{ told, remedy string }

// book collects what the rows tell.
type book struct {
	mu   sync.Mutex
	rows map[string]line // guarded by mu
}

func (b *book) enter(w *world, fault, told, remedy string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rows[fault] = line{w.neutral(told), w.neutral(remedy)}
}

var varying = []struct {
	pattern *regexp.Regexp
	with    string
}{
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), "ADDRESS"},
	{regexp.MustCompile(`process \d+`), "process PID"},
	{regexp.MustCompile(`[0-9a-f]{2}/[0-9a-f]{40}`), "FILE"},
	{regexp.MustCompile(`[0-9a-f]{40}`), "FILE"},
	{regexp.MustCompile(`\b\d+(\.\d+)?(ms|s)\b`), "TIME"},
	{regexp.MustCompile(`\(\d+ < \d+\)`), "(N < N)"},
	{regexp.MustCompile(`x{100,}`), "xxx…"},
}

// neutral takes out of a text what differs from run to run.
func (w *world) neutral(s string) string {
	s = strings.NewReplacer(w.x.udid, "UDID", w.x.other, "UDID", w.dir, "DIR", filepath.Dir(w.host), "DIR").Replace(s)
	for _, v := range varying {
		s = v.pattern.ReplaceAllString(s, v.with)
	}
	return s
}

func cell(s string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ", "<", "&lt;").Replace(strings.TrimSpace(s))
}

// check compares with the document, or writes it. A run of a few rows looks at
// those alone.
func (b *book) check(t *testing.T, rows []row) {
	var text strings.Builder
	text.WriteString(preface)
	have, err := os.ReadFile(filepath.FromSlash(document))
	if err != nil && !*update {
		t.Fatal(err)
	}
	complete := true
	for _, r := range rows {
		l, ok := b.rows[r.fault]
		if !ok {
			complete = false
			continue
		}
		one := "| " + cell(r.fault) + " | " + cell(l.told) + " | " + cell(l.remedy) + " |\n"
		text.WriteString(one)
		if !*update && !strings.Contains(string(have), one) {
			t.Errorf("docs/faults.md has not this line (go test ./internal/faults -update):\n%s", one)
		}
	}
	if !complete {
		return
	}
	if *update {
		if err := os.WriteFile(filepath.FromSlash(document), []byte(text.String()), 0o644); err != nil {
			t.Error(err)
		}
	} else if text.String() != string(have) {
		t.Error("docs/faults.md has other lines, or another order: go test ./internal/faults -update")
	}
}
