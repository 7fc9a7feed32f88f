package catalog

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

const beKilled = "be-killed"

// TestMain makes this program the one that is killed, when it is called so.
func TestMain(m *testing.M) {
	flag.Parse()
	if flag.Arg(0) == beKilled {
		if err := workUntilKilled(context.Background(), flag.Arg(1), flag.Arg(2)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// workUntilKilled enqueues jobs, starts and finishes them without end, two at a time,
// and tells of each step as soon as it was reported done.
func workUntilKilled(ctx context.Context, path, round string) error {
	db, err := Open(ctx, path, Options{Key: testKey(1)})
	if err != nil {
		return err
	}
	defer db.Close()
	say := func(what string, id int64, udid string) { fmt.Printf("%s %d %s\n", what, id, udid) }
	again, err := db.Interrupted(ctx)
	if err != nil {
		return err
	}
	for _, j := range again {
		if err := work(ctx, db, j.ID, j.UDID, say); err != nil {
			return err
		}
	}
	for n := 0; ; n++ {
		udid := fmt.Sprintf("phone-%s-%d", round, n)
		var ids [2]int64
		var existing [2]bool
		var errs [2]error
		var both sync.WaitGroup
		for i := range 2 {
			both.Go(func() {
				ids[i], existing[i], errs[i] = db.Enqueue(ctx, Job{Kind: "backup", UDID: udid})
				if errs[i] == nil {
					say("queued", ids[i], udid)
				}
			})
		}
		both.Wait()
		if err := errors.Join(errs[:]...); err != nil {
			return err
		}
		if ids[0] != ids[1] || existing[0] == existing[1] {
			return fmt.Errorf("%s is queued as %d and %d", udid, ids[0], ids[1])
		}
		if err := work(ctx, db, ids[0], udid, say); err != nil {
			return err
		}
	}
}

func work(ctx context.Context, db *DB, id int64, udid string, say func(string, int64, string)) error {
	if err := db.Start(ctx, id); err != nil {
		return err
	}
	say("started", id, udid)
	if err := db.AppendLog(ctx, id, []LogLine{{time.Now(), "phase", "one"}, {time.Now(), "phase", "two"}}); err != nil {
		return err
	}
	say("logged", id, udid)
	if err := db.Finish(ctx, id, End{State: "done", Version: udid}); err != nil {
		return err
	}
	say("done", id, udid)
	return nil
}

// A process that is killed at any moment loses no job that it reported, and does none
// twice; the next one goes on with the same file.
func TestKilled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "k.db")
	told := map[string]map[int64]string{"queued": {}, "started": {}, "logged": {}, "done": {}}
	for round := range 12 {
		killOne(t, path, round, 1+rand.IntN(60), told)
		checkJobs(t, path, told)
		if t.Failed() {
			t.Fatalf("in round %d", round)
		}
	}
	if len(told["done"]) < 10 {
		t.Errorf("only %d jobs were done", len(told["done"]))
	}
}

// killOne runs a process until it has said so many lines, and notes what it said.
func killOne(t *testing.T, path string, round, lines int, told map[string]map[int64]string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, beKilled, path, fmt.Sprint(round))
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(out)
	for n := 0; ; n++ {
		if n == lines {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
		line, err := r.ReadString('\n')
		if err == io.EOF {
			break // what was said before the kill has been read to its end
		}
		if err != nil {
			t.Fatal(err)
		}
		var what, udid string
		var id int64
		if _, err := fmt.Sscan(line, &what, &id, &udid); err != nil || told[what] == nil {
			t.Fatalf("it said %q", line)
		}
		told[what][id] = udid
	}
	if err := cmd.Wait(); err == nil || complaint.Len() > 0 {
		t.Fatalf("it ended by itself: %v %s", err, &complaint)
	}
}

func checkJobs(t *testing.T, path string, told map[string]map[int64]string) {
	t.Helper()
	ctx := t.Context()
	db, err := Open(ctx, path, Options{Key: testKey(1)})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	all, err := db.Jobs(ctx, JobFilter{})
	if err != nil {
		t.Fatal(err)
	}
	byID, seen := map[int64]Job{}, map[string]bool{}
	for _, j := range all {
		byID[j.ID] = j
		if seen[j.UDID] {
			t.Errorf("%s has two jobs", j.UDID)
		}
		seen[j.UDID] = true
	}
	for id, udid := range told["queued"] {
		if byID[id].UDID != udid {
			t.Errorf("job %d of %s is lost: %+v", id, udid, byID[id])
		}
	}
	for id := range told["started"] {
		if s := byID[id].State; s != Running && s != "done" {
			t.Errorf("job %d was started and is %q", id, s)
		}
	}
	for id := range told["logged"] {
		if log, err := db.Log(ctx, id); err != nil || len(log)%2 != 0 || len(log) == 0 {
			t.Errorf("the log of job %d has %d lines, %v", id, len(log), err)
		}
	}
	for id, udid := range told["done"] {
		if j := byID[id]; j.State != "done" || j.Version != udid || j.Ended.IsZero() {
			t.Errorf("job %d was done and is %+v", id, j)
		}
	}
}
