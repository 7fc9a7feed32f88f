//go:build linux

// Command bench measures Keepsake against idevicebackup2 and against what the
// machine allows, and prints a table in Markdown. "make bench" runs it.
//
// Every run of a scenario starts from the same state of the same virtual phone,
// which lives in a process of its own; the programs compared take turns, and
// medians are shown. Times and CPU seconds are those of the host program alone,
// as the kernel accounts for it.
//
// The limits come from programs that do less: "null sink" receives the same
// backup and keeps nothing, "TLS to disk" is one TLS connection on loopback
// whose bytes go to one file on the same disk.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if len(os.Args) > 1 {
		if role, ok := roles[os.Args[1]]; ok {
			exitOn(role(ctx, os.Args[2:]))
			return
		}
	}
	exitOn(run(ctx))
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	var b bench
	flag.IntVar(&b.runs, "runs", 5, "runs of each program in each scenario")
	flag.StringVar(&b.dir, "dir", "", "folder on the disk to measure (default: the system's for temporary files)")
	flag.StringVar(&b.keepsake, "keepsake", "bin/keepsake", "the program to measure")
	only := flag.String("only", "", "comma-separated scenarios: large, small, unchanged; huge only when named")
	flag.Float64Var(&b.scale, "scale", 1, "fraction of the full size")
	flag.Parse()
	var err error
	if b.self, err = os.Executable(); err != nil {
		return err
	}
	if b.keepsake, err = filepath.Abs(b.keepsake); err != nil {
		return err
	}
	work, err := os.MkdirTemp(b.dir, "keepsake-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	b.dir = work

	for _, s := range b.scenarios() {
		if *only == "" && s.asked || *only != "" && !slices.Contains(strings.Split(*only, ","), s.name) {
			continue
		}
		if err := b.scenario(ctx, s); err != nil {
			return fmt.Errorf("scenario %s: %w", s.name, err)
		}
	}
	return nil
}

type bench struct {
	runs     int
	scale    float64
	dir      string
	self     string
	keepsake string
}

// contender is one program in a scenario.
type contender struct {
	name string
	// args of the command that backs up the phone at addr into dir.
	args func(addr, dir string) []string
}

// result is one run.
type result struct {
	wall, cpu time.Duration
	rss       int64 // peak, in bytes
}

// measure runs a command and asks the kernel what it used.
func measure(ctx context.Context, log *os.File, env []string, args ...string) (result, error) {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = log, log
	start := time.Now()
	if err := cmd.Run(); err != nil {
		return result{}, fmt.Errorf("%s: %w (output in %s)", filepath.Base(args[0]), err, log.Name())
	}
	wall := time.Since(start)
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return result{}, fmt.Errorf("%s: the system does not say what it used", filepath.Base(args[0]))
	}
	return result{
		wall: wall,
		cpu:  cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(),
		rss:  usage.Maxrss << 10,
	}, nil
}

// median of each figure by itself.
func median(rs []result) result {
	pick := func(key func(result) int64) int64 {
		vs := make([]int64, len(rs))
		for i, r := range rs {
			vs[i] = key(r)
		}
		slices.Sort(vs)
		return vs[len(vs)/2]
	}
	return result{
		wall: time.Duration(pick(func(r result) int64 { return int64(r.wall) })),
		cpu:  time.Duration(pick(func(r result) int64 { return int64(r.cpu) })),
		rss:  pick(func(r result) int64 { return r.rss }),
	}
}

// table prints medians, and ratios to the first contender.
func table(title string, bytes int64, names []string, all map[string][]result) {
	fmt.Printf("\n### %s\n\n", title)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 1, ' ', 0)
	fmt.Fprintln(w, "| program\t| wall s (min)\t| MB/s\t| CPU s\t| peak memory\t| wall ratio\t| CPU ratio\t|")
	fmt.Fprintln(w, "|---\t|---\t|---\t|---\t|---\t|---\t|---\t|")
	base := median(all[names[0]])
	for _, name := range names {
		rs := all[name]
		m := median(rs)
		least := slices.MinFunc(rs, func(a, b result) int { return int(a.wall - b.wall) }).wall
		fmt.Fprintf(w, "| %s\t| %.2f (%.2f)\t| %.0f\t| %.2f\t| %s\t| %.2f\t| %.2f\t|\n", name, m.wall.Seconds(), least.Seconds(),
			float64(bytes)/1e6/m.wall.Seconds(), m.cpu.Seconds(), humanize.IBytes(uint64(m.rss)),
			m.wall.Seconds()/base.wall.Seconds(), m.cpu.Seconds()/base.cpu.Seconds())
	}
	w.Flush()
}
