//go:build linux

package faults

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/keepsake-backup/keepsake/internal/cli"
)

var update = flag.Bool("update", false, "write docs/faults.md")

// What makes the test binary be the program itself.
const (
	envProgram   = "FAULTS_BE_KEEPSAKE"
	envSyncFails = "FAULTS_SYNC_FAILS" // the disk answers EIO when asked to make data durable
)

func TestMain(m *testing.M) {
	if os.Getenv(envProgram) != "" {
		if os.Getenv(envSyncFails) != "" {
			if err := failSyncs(); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(99)
			}
		}
		os.Exit(cli.Main())
	}
	flag.Parse()
	// Rows mostly wait for each other's silence; two at a time would take minutes.
	if err := flag.Set("test.parallel", "6"); err != nil {
		panic(err)
	}
	if err := useMemory(); err != nil {
		panic(err)
	}
	code := m.Run()
	removeTemplates()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// useMemory puts temporary files into memory where there is plenty: every run of
// the program flushes the whole file system, and that of a busy machine takes
// its time. Nobody's own choice of a place is changed.
func useMemory() error {
	const memory, plenty = "/dev/shm", 2 << 30
	var fs unix.Statfs_t
	if os.Getenv("TMPDIR") != "" || unix.Access(memory, unix.W_OK) != nil || unix.Statfs(memory, &fs) != nil {
		return nil
	}
	if fs.Type != unix.TMPFS_MAGIC || fs.Bavail*uint64(fs.Bsize) < plenty {
		return nil
	}
	return os.Setenv("TMPDIR", memory)
}
