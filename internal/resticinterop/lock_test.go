//go:build linux

package resticinterop

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// exit codes of commands that find a lock.
var lockedExit = map[program]int{restic: 1, keepsake: 11}

// locked makes a repository of ours with a snapshot in it.
func locked(t *testing.T) repo {
	t.Helper()
	t.Parallel()
	r := kinds[0].make(t)
	dir := t.TempDir()
	if err := os.Mkdir(dir+"/tree", 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, dir+"/tree/first", "content")
	r.backup(t, keepsake, dir, "--host", "first")
	return r
}

// hello is what stdinBackup begins with: restic stores no empty input.
const hello = "hello; "

// stdinBackup is a backup by restic that lasts until its input ends.
func (r repo) stdinBackup(t *testing.T) *process {
	t.Helper()
	n := len(r.files(t, "locks"))
	p := r.call(restic, "backup", "--stdin", "--stdin-filename", "file", "--json").start(t)
	p.until("locks the repository", func() bool { return len(r.files(t, "locks")) > n })
	time.Sleep(300 * time.Millisecond) // it looks once more before it is sure
	p.write([]byte(hello))
	return p
}

func (r repo) holds(t *testing.T, what string) *process {
	t.Helper()
	p := r.holding(what).start(t)
	p.says("held")
	return p
}

func hostname(t *testing.T) string {
	t.Helper()
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	return host
}

// Under our lock restic is refused, and says whose it is.
func TestLock_ours(t *testing.T) {
	r := locked(t)
	alone := r.holds(t, "exclusive")
	for _, args := range [][]string{{"snapshots"}, {"backup", self}, {"check"}, {"forget", "latest"}, {"prune"}, {"restore", "latest", "--target", t.TempDir()}} {
		r.call(restic, args...).refused(t, 1, "unable to create lock", fmt.Sprintf("locked exclusively by PID %d on keepsake-", alone.cmd.Process.Pid))
	}
	r.call(keepsake, "snapshots").refused(t, 11, "exclusive lock", fmt.Sprintf("process %d ", alone.cmd.Process.Pid))
	r.run(t, restic, "snapshots", "--no-lock")
	r.run(t, keepsake, "snapshots", "--no-lock")
	alone.finish()

	beside := r.holds(t, "shared")
	r.run(t, restic, "snapshots")
	r.run(t, restic, "backup", self)
	for _, args := range [][]string{{"check"}, {"forget", "latest"}, {"prune"}} {
		r.call(restic, args...).refused(t, 1, fmt.Sprintf("already locked by PID %d on keepsake-", beside.cmd.Process.Pid))
	}
	beside.finish()
	r.check(t, "locks of ours")
	if left := r.files(t, "locks"); len(left) > 0 {
		t.Errorf("locks are left: %q", left)
	}
}

// Under restic's lock we end with exit code 11, and say whose it is.
func TestLock_theirs(t *testing.T) {
	r := locked(t)
	backup := r.stdinBackup(t)
	whose := []string{"the repository is locked", fmt.Sprintf("process %d ", backup.cmd.Process.Pid), "on " + hostname(t)}
	for _, args := range [][]string{{"forget", "latest"}, {"prune"}, {"repair", "index"}} {
		r.call(keepsake, args...).refused(t, 11, whose...)
	}
	out := r.call(keepsake, "forget", "latest", "--json").try(t)
	if out.code != 11 || !strings.Contains(out.stdout, `"code":11`) {
		t.Errorf("forget --json: exit code %d\n%s", out.code, out.stdout)
	}
	r.run(t, keepsake, "snapshots")
	r.run(t, keepsake, "backup-dir", self)
	r.run(t, keepsake, "check")
	backup.finish()

	// A check by restic is alone; so slow that it lasts.
	check := r.call(restic, "check", "--read-data", "--limit-download", "1").start(t)
	check.until("locks the repository", func() bool { return len(r.files(t, "locks")) > 0 })
	time.Sleep(300 * time.Millisecond)
	whose[1] = "exclusive lock"
	for _, args := range [][]string{{"snapshots"}, {"backup-dir", self}, {"check"}, {"restore-files", "latest", "--target", t.TempDir()}, {"forget", "latest"}} {
		r.call(keepsake, args...).refused(t, 11, append(whose, fmt.Sprintf("process %d ", check.cmd.Process.Pid))...)
	}
	check.signal(os.Interrupt)
	<-check.done
	r.check(t, "locks of restic's")
}

// A restic that was killed leaves a lock that says that it is alive. "keepsake
// unlock" sees that it is not; nothing else takes it away.
func TestLock_theirsKilled(t *testing.T) {
	r := locked(t)
	backup := r.stdinBackup(t)
	backup.write(make([]byte, 3<<20))
	live := r.stdinBackup(t)
	r.run(t, keepsake, "unlock")
	if n := len(r.files(t, "locks")); n != 2 {
		t.Fatalf("unlock left %d of the 2 locks of those who live", n)
	}
	backup.signal(os.Kill)
	backup.ends(-1)
	r.call(keepsake, "forget", "latest").refused(t, 11, fmt.Sprintf("process %d ", backup.cmd.Process.Pid), "keepsake unlock")
	r.run(t, keepsake, "backup-dir", self)
	if n := len(r.files(t, "locks")); n != 2 {
		t.Errorf("%d locks are there, want 2 until somebody unlocks", n)
	}
	r.run(t, keepsake, "unlock")
	if n := len(r.files(t, "locks")); n != 1 {
		t.Errorf("%d locks are left, want that of the other backup", n)
	}
	live.finish()
	r.check(t, "unlock")
	r.run(t, keepsake, "forget", "latest", "--prune")
	r.check(t, "forget")
}

// A keepsake that was killed leaves a lock. restic cannot know that it is dead,
// before half an hour is over; we know, and take it away.
func TestLock_oursKilled(t *testing.T) {
	r := locked(t)
	killed := r.holds(t, "backup")
	killed.write(make([]byte, 3<<20))
	killed.signal(os.Kill)
	killed.ends(-1)
	r.run(t, restic, "unlock")
	r.call(restic, "check").refused(t, 1, fmt.Sprintf("PID %d on keepsake-", killed.cmd.Process.Pid))
	r.run(t, keepsake, "prune")
	if left := r.files(t, "locks"); len(left) > 0 {
		t.Errorf("locks are left: %q", left)
	}
	r.check(t, "prune")

	again := r.holds(t, "exclusive")
	again.signal(os.Kill)
	again.ends(-1)
	r.call(restic, "snapshots").refused(t, 1, "locked exclusively")
	r.run(t, restic, "unlock", "--remove-all")
	r.check(t, "unlock --remove-all")
}

// After half an hour a lock is stale, whoever looks at whosever lock.
func TestLock_old(t *testing.T) {
	r := locked(t)
	for _, who := range both {
		for _, host := range []string{"keepsake-00000000", "another-computer"} {
			old := plant(t, r.dir, lock{time.Now().Add(-31 * time.Minute), true, host, "somebody", 1})
			recent := plant(t, r.dir, lock{time.Now().Add(-29 * time.Minute), true, host, "somebody", 1})
			r.call(who, "snapshots").refused(t, lockedExit[who], host)
			r.run(t, who, "unlock")
			if left := r.files(t, "locks"); len(left) != 1 || left[0] != recent {
				t.Errorf("%s unlock of locks by %s left %q, want only the recent one, not %s", who, host, left, old)
			}
			r.run(t, who, "unlock", "--remove-all")
		}
	}
	r.check(t, "unlock")
}

// "restic unlock" sends SIGHUP to the process of a lock that bears this
// computer's name, to see whether it is alive, and so ends it. Ours bear
// another.
func TestLock_hangup(t *testing.T) {
	r := locked(t)
	ours := r.holds(t, "backup")
	ours.write([]byte("first half, "))
	// That the danger is real: somebody under the computer's own name.
	victim := exec.Command("sleep", "1000")
	if err := victim.Start(); err != nil {
		t.Fatal(err)
	}
	plant(t, r.dir, lock{time.Now(), false, hostname(t), "somebody", victim.Process.Pid})
	r.run(t, restic, "unlock")
	hung := make(chan error, 1)
	go func() { hung <- victim.Wait() }()
	select {
	case <-hung:
		if s, ok := victim.ProcessState.Sys().(syscall.WaitStatus); !ok || s.Signal() != syscall.SIGHUP {
			t.Errorf("a process under this computer's name ended with %v, want SIGHUP", victim.ProcessState)
		}
	case <-time.After(10 * time.Second):
		t.Error("restic sends no SIGHUP any more: this test proves nothing")
		_ = victim.Process.Kill() // it may have ended now
		<-hung
	}
	// It is taken for alive, as it was when it got the signal.
	if n := len(r.files(t, "locks")); n != 2 || !ours.running() {
		t.Fatalf("%d locks are there, want both; we run: %v", n, ours.running())
	}
	r.run(t, restic, "unlock")
	if n := len(r.files(t, "locks")); n != 1 || !ours.running() {
		t.Fatalf("%d locks are there, want ours; we run: %v", n, ours.running())
	}
	ours.write([]byte("second half"))
	ours.finish()
	if got := r.run(t, restic, "dump", "latest", "/file"); got != "first half, second half" {
		t.Errorf("what was backed up meanwhile is %q", got)
	}
	r.check(t, "unlock")
}

// Two backups at the same time, of the same bytes even.
func TestLock_backupsBeside(t *testing.T) {
	r := locked(t)
	ours, theirs := r.holds(t, "backup"), r.stdinBackup(t)
	ours.write([]byte(hello))
	source := rand.NewChaCha8([32]byte{9})
	all := []byte(hello)
	for range 12 {
		piece := make([]byte, 1<<20)
		source.Read(piece)
		all = append(all, piece...)
		ours.write(piece)
		theirs.write(piece)
	}
	theirs.finish()
	ours.finish()
	r.check(t, "two backups at once")
	for _, host := range []string{hostname(t), "pipe"} {
		for _, who := range both {
			if got := r.run(t, who, "dump", "--host", host, "latest", "/file"); got != string(all) {
				t.Errorf("%s dumps that of %s as %d bytes, not the %d of the original", who, host, len(got), len(all))
			}
		}
	}
	for _, who := range both {
		r.run(t, who, "prune", "--max-unused", "0")
		r.check(t, "prune by "+string(who))
	}
	if got := r.run(t, restic, "dump", "--host", "pipe", "latest", "/file"); got != string(all) {
		t.Error("after prune our backup is another")
	}
}

// Our prune waits for a backup by restic, lets nobody new begin, and keeps what
// the backup stored.
func TestLock_pruneWaits(t *testing.T) {
	r := locked(t)
	dir := t.TempDir()
	if err := os.Mkdir(dir+"/tree", 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, dir+"/tree/second", strings.Repeat("other content\n", 10_000))
	r.backup(t, keepsake, dir, "--host", "second")
	r.run(t, keepsake, "forget", "--host", "first", "latest")

	theirs := r.stdinBackup(t)
	theirs.write([]byte("before the prune; "))
	prune := r.call(keepsake, "prune", "--max-unused", "0", "--retry-lock", "1m").start(t)
	prune.until("holds others back", func() bool { return r.call(keepsake, "snapshots").try(t).code == 11 })
	r.call(restic, "snapshots").refused(t, 1, fmt.Sprintf("locked exclusively by PID %d on keepsake-", prune.cmd.Process.Pid))
	r.call(restic, "backup", self).refused(t, 1, "unable to create lock")
	theirs.write([]byte("while it waits"))
	if !prune.running() {
		t.Errorf("prune did not wait:\n%s", prune.out)
	}
	theirs.finish()
	prune.ends(0)
	r.check(t, "prune that waited")
	if got := r.run(t, restic, "dump", "--host", hostname(t), "latest", "/file"); got != hello+"before the prune; while it waits" {
		t.Errorf("what was backed up meanwhile is %q", got)
	}
	if list := r.snapshots(t, keepsake); len(list) != 2 {
		t.Errorf("snapshots: %+v", list)
	}
	var stats struct {
		UnusedBlobs int `json:"unused_blobs"`
	}
	out := strings.Split(strings.TrimSpace(r.run(t, keepsake, "prune", "--dry-run", "--json")), "\n")
	if err := json.Unmarshal([]byte(out[len(out)-1]), &stats); err != nil || stats.UnusedBlobs != 0 {
		t.Errorf("after prune there is %+v, %v", stats, err)
	}

	// One that does not want to wait gives up.
	theirs = r.stdinBackup(t)
	r.call(keepsake, "prune").refused(t, 11, "--retry-lock")
	r.call(keepsake, "prune", "--retry-lock", "500ms").refused(t, 11, hostname(t))
	r.run(t, restic, "snapshots")
	theirs.finish()
	r.check(t, "prune that gave up")
}

// A prune by restic that was killed while it wrote packs anew: we take the lock
// away, find nothing missing, and finish its work.
func TestLock_theirPruneKilled(t *testing.T) {
	t.Parallel()
	r := kinds[1].make(t)
	first := r.backup(t, restic, before(t).dir)
	second := r.backup(t, restic, after(t).dir)
	r.run(t, restic, "forget", first)
	packs := len(r.files(t, "data"))
	prune := r.call(restic, "prune", "--max-unused", "0", "--limit-upload", "1000").start(t)
	prune.until("writes a pack", func() bool { return len(r.files(t, "data")) > packs })
	prune.signal(os.Kill)
	prune.ends(-1)
	r.call(keepsake, "snapshots").refused(t, 11, "keepsake unlock", fmt.Sprintf("process %d ", prune.cmd.Process.Pid))
	r.run(t, keepsake, "unlock")
	r.check(t, "restic prune was killed")
	r.run(t, keepsake, "prune", "--max-unused", "0")
	r.check(t, "prune after that")
	r.restores(t, restic, second, after(t).files)
}
