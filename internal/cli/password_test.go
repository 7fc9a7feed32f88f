package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReadPasswordFile(t *testing.T) {
	for name, c := range map[string]struct {
		content, want string
		fails         bool
	}{
		"plain":            {"correct horse", "correct horse", false},
		"line end":         {"correct horse\n", "correct horse", false},
		"Windows line end": {"correct horse\r\n", "correct horse", false},
		"only one":         {"x\n\n", "x\n", false},
		"spaces count":     {" x ", " x ", false},
		"beyond ASCII":     {"pässwörd\n", "pässwörd", false},
		"empty":            {"", "", true},
		"line end only":    {"\n", "", true},
		"the wrong file":   {strings.Repeat("x", maxPassword+1), "", true},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "pw")
			if err := os.WriteFile(file, []byte(c.content), 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := readPasswordFile(file)
			if (err != nil) != c.fails || got.Reveal() != c.want {
				t.Errorf("got %q, %v, want %q", got.Reveal(), err, c.want)
			}
			if c.want != "" && strings.Contains(fmt.Sprint(got, err), c.want) {
				t.Error("the password can be printed")
			}
		})
	}
	if _, err := readPasswordFile(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a missing file: no error")
	}
}

func TestGiven(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pw")
	if err := os.WriteFile(file, []byte("from file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	a := &app{Program: Program{Getenv: func(name string) string {
		return map[string]string{"BACKUP_PASSWORD": "from environment"}[name]
	}}}
	s := currentPassword()
	if p, ok, err := s.given(a); err != nil || !ok || p.Reveal() != "from environment" {
		t.Errorf("environment: %q, %v, %v", p.Reveal(), ok, err)
	}
	s.file = file
	if p, ok, err := s.given(a); err != nil || !ok || p.Reveal() != "from file" {
		t.Errorf("the file wins: %q, %v, %v", p.Reveal(), ok, err)
	}
	if _, ok, err := newPassword().given(a); ok || err != nil {
		t.Errorf("the new password is another one: %v, %v", ok, err)
	}
}
