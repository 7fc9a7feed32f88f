//go:build linux

package resticinterop

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"testing"

	"github.com/keepsake-backup/keepsake/internal/cli"
)

// roleVariable says what this binary is to be: the tests, or one of the
// processes that they start.
const roleVariable = "KEEPSAKE_RESTICINTEROP"

// self is this binary.
var self string

// shared is what all tests use; made by TestMain.
var shared struct {
	home string // of the programs
	dir  string // of the trees, see sources
}

func TestMain(m *testing.M) {
	switch role := os.Getenv(roleVariable); role {
	case "":
		os.Exit(runTests(m))
	case string(keepsake):
		os.Exit(cli.Main())
	case roleHold:
		os.Exit(holdMain())
	case roleTree, roleList:
		os.Exit(goldenMain(role))
	default:
		fmt.Fprintf(os.Stderr, "%s=%s: no such role\n", roleVariable, role)
		os.Exit(2)
	}
}

func runTests(m *testing.M) (code int) {
	var err error
	if self, err = os.Executable(); err == nil {
		shared.dir, err = os.MkdirTemp("", "resticinterop")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() {
		if err := os.RemoveAll(shared.dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = max(code, 1)
		}
	}()
	shared.home = shared.dir + "/home"
	if err := os.Mkdir(shared.home, 0o700); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	// Every command waits a while to be sure of its lock. Others can run meanwhile.
	flag.Parse()
	if err := flag.Set("test.parallel", strconv.Itoa(max(6, runtime.GOMAXPROCS(0)))); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// buffer is a buffer that several goroutines may use.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer // guarded by mu
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
