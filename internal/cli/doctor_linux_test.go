package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPermitSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "usbmuxd")
	for mode, want := range map[os.FileMode]string{0o660: "sudo usermod -aG ", 0o600: "open to nobody else"} {
		if err := os.WriteFile(path, nil, mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if got := permitSocket(path); !strings.Contains(got, want) {
			t.Errorf("%v: %s", mode, got)
		}
	}
	if got := permitSocket(path + "x"); !strings.Contains(got, "look at the owner") {
		t.Error(got)
	}
}
