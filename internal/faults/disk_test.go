//go:build linux

package faults

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Broken disks are made by the shell, which then runs the program in "$@". $DIR
// is the folder of the backups, $UDID the phone, $DISK an empty folder.
const (
	// A disk of its own that has room for so many files more than the backup has.
	diskWithFiles = `set -e
mount -t tmpfs -o "nr_inodes=$(($(find "$DIR" | wc -l) + %d))" disk "$DISK"; cp -a "$DIR/." "$DISK"
code=0; (exec "$@" --folder "$DISK") || code=$?
rm -rf "$DIR/$UDID"; cp -a "$DISK/." "$DIR"; exit $code`
	// A disk of its own that is nearly full.
	diskWithBytes = `set -e
size=$(du -s --block-size=1 "$DIR" | cut -f1)
mount -t tmpfs -o "size=$((size + 2000000))" disk "$DISK"; cp -a "$DIR/." "$DISK"
head -c "$(($(df --output=avail -B1 "$DISK" | tail -1) - 20000))" /dev/zero >"$DISK/filler"
code=0; (exec "$@" --folder "$DISK") || code=$?
rm -rf "$DIR/$UDID" "$DISK/filler"; cp -a "$DISK/." "$DIR"; exit $code`
	diskReadOnly = `set -e
mount --bind "$DIR" "$DIR"; mount -o remount,ro,bind "$DIR"; exec "$@" --folder "$DIR"`
	// Without CAP_DAC_OVERRIDE, which a namespace takes away, root too obeys permissions.
	folderForbidden = `exec "$@" --folder "$DIR"`
)

// asRoot and asNobody are the namespaces in which the shell runs.
var (
	asRoot   = []string{"unshare", "--user", "--map-root-user", "--mount", "sh", "-c"}
	asNobody = []string{"unshare", "--user", "sh", "-c"}
)

// child runs the program as a process of its own, with prefix before it.
func (w *world) child(env string, prefix []string, args ...string) *child {
	self, err := os.Executable()
	if err != nil {
		w.t.Fatal(err)
	}
	line := append(append([]string{}, prefix...), self)
	line = append(line, "--json")
	line = append(line, args...)
	c := &child{run: run{done: make(chan struct{}), cancel: func() {}}}
	c.cmd = exec.Command(line[0], line[1:]...)
	c.cmd.Stdout, c.cmd.Stderr = &c.output, &c.output
	c.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + w.t.TempDir(), envProgram + "=1", env + "=1", "USBMUXD_SOCKET_ADDRESS=" + w.addr,
		"BACKUP_PASSWORD=" + password, "DIR=" + w.dir, "UDID=" + w.x.udid, "DISK=" + w.t.TempDir()}
	if err := c.cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	go func() {
		defer close(c.done)
		err := c.cmd.Wait()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			fmt.Fprintln(&c.output, err)
		}
		c.code = c.cmd.ProcessState.ExitCode()
	}()
	return c
}

type child struct {
	run
	cmd *exec.Cmd
}

// onDisk runs a backup on a disk that the script makes.
func onDisk(prefix []string, script string) func(*world) *run {
	return func(w *world) *run {
		return &w.child("", append(append([]string{}, prefix...), script, "sh"), "backup").run
	}
}

// killed kills the program when it has said text, Status.plist has the state, and
// the phone has gone silent.
func killed(text, state string) func(*world) *run {
	return func(w *world) *run {
		c := w.child("", nil, "backup", "--folder", w.dir)
		c.until(w.t, text)
		for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
			if data, err := os.ReadFile(w.file("Status.plist")); err == nil && bytes.Contains(data, []byte(state)) {
				break
			}
			if time.Now().After(end) {
				w.t.Fatalf("Status.plist never said %s", state)
			}
		}
		time.Sleep(50 * time.Millisecond)
		if err := c.cmd.Process.Kill(); err != nil {
			w.t.Error(err)
		}
		return &c.run
	}
}

// failSyncs makes every request of this process to make data durable fail with
// EIO, as a disk does that lost what it was given.
func failSyncs() error {
	runtime.LockOSThread()
	filter := []unix.SockFilter{{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS}} // the number of the system call
	calls := []uint32{unix.SYS_FSYNC, unix.SYS_FDATASYNC, unix.SYS_SYNCFS, unix.SYS_SYNC_FILE_RANGE}
	for i, n := range calls {
		filter = append(filter, unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: n, Jt: uint8(len(calls) - i)})
	}
	filter = append(filter,
		unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
		unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EIO)})
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("give up privileges: %w", err)
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&program)))
	if errno != 0 {
		return fmt.Errorf("filter system calls: %w", errno)
	}
	return nil
}

// TestNamespaces says what is missing when rows about disks fail for it.
func TestNamespaces(t *testing.T) {
	for _, prefix := range [][]string{asRoot, asNobody} {
		line := append(append([]string{}, prefix...), "true")
		if out, err := exec.Command(line[0], line[1:]...).CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s: this system lets nobody make a namespace (sysctl kernel.unprivileged_userns_clone, user.max_user_namespaces)", strings.Join(prefix, " "), err, out)
		}
	}
}
