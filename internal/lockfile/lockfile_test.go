package lockfile

import (
	"errors"
	"os"
	"testing"
)

func TestAcquire(t *testing.T) {
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for range 2 {
		l, err := Acquire(root, "lock")
		if err != nil {
			t.Fatal(err)
		}
		var held *HeldError
		if _, err := Acquire(root, "lock"); !errors.As(err, &held) || held.PID != os.Getpid() {
			t.Errorf("the second gets %v", err)
		}
		if err := l.Release(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Acquire(root, "no/folder"); err == nil {
		t.Error("a lock in no folder")
	}
}
