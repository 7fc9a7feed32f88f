//go:build linux

// Command bench measures Keepsake against other programs and against what the
// machine allows, and prints tables in Markdown. "make bench" runs it.
//
// The phone (-only phone): first and second backups against idevicebackup2. Every
// run of a scenario starts from the same state of the same virtual phone, which
// lives in a process of its own. The limits come from programs that do less:
// "null sink" receives the same backup and keeps nothing, "TLS to disk" is one TLS
// connection on loopback whose bytes go to one file on the same disk.
//
// From the phone into a repository (-only phone-repository): first and unchanged
// backups and restores against idevicebackup2 alone and idevicebackup2 followed by
// restic, and how much daily versions add.
//
// The repository (-only repository): backup, restore, check and prune of corpora
// (package corpus) against Debian's restic, and how a repository grows when a
// database changes a little every day. The limit is the time of two SHA-256
// passes, which the format demands of every byte.
//
// The scale (-only scale): memory and time to open a repository of millions of
// blobs, and requests to an object store.
//
// The service (-only hundred,page): memory with a hundred phones, and how long pages
// take with many phones, versions and photos.
//
// What is inside a version (-only content, or one of photos, contacts, messages and
// search): lists, exports and an index of a camera roll, an address book and a store of
// messages that are as large as they come, from a repository that nothing is cached of.
// Debian has no program that reads these; its sqlite3 prints the same rows as JSON, and
// makes an index of the same texts.
//
// The programs compared take turns on the same data and disk, and medians are
// shown. Times, CPU seconds and memory are those of the program alone, as the
// kernel accounts for it.
package main

import (
	"context"
	"errors"
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

// study is something to be measured, known by its name or that of its group.
type study struct {
	name, group string
	asked       bool // runs only when it is named itself: it takes long
	run         func(context.Context) error
}

func run(ctx context.Context) error {
	var b bench
	flag.IntVar(&b.runs, "runs", 0, "runs of each program (default: 5 with the phone, 2 with the repository)")
	flag.StringVar(&b.dir, "dir", "", "folder on the disk to measure (default: the system's for temporary files)")
	flag.StringVar(&b.keepsake, "keepsake", "bin/keepsake", "the program to measure")
	only := flag.String("only", "", "comma-separated studies or groups of them (default: phone and repository):\n"+b.studyNames())
	flag.Float64Var(&b.scale, "scale", 1, "fraction of the full size")
	quick := flag.Bool("quick", false, "one run at a twentieth of the size: to see that it works, not to quote")
	flag.StringVar(&b.profiles, "profile", "", "also write CPU profiles of our repository code into this folder")
	flag.Parse()
	if *quick {
		b.scale, b.runs = b.scale/20, 1
	}
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
	b.dir, b.began = work, time.Now()

	chosen := strings.Split(*only, ",")
	if *only == "" {
		chosen = []string{"phone", "repository"}
	}
	for _, s := range b.studies() {
		if !slices.Contains(chosen, s.name) && (s.asked || !slices.Contains(chosen, s.group)) {
			continue
		}
		if err := s.run(ctx); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}

func (b *bench) studies() []study {
	return slices.Concat(b.phoneStudies(), b.phoneRepositoryStudies(), b.repositoryStudies(), b.scaleStudies(), b.householdStudies(), b.contentStudies())
}

// studyNames lists them for the help.
func (b *bench) studyNames() string {
	var text strings.Builder
	group := ""
	for _, s := range b.studies() {
		if s.group != group {
			group = s.group
			fmt.Fprintf(&text, "\n  %s:", group)
		}
		text.WriteString(" " + s.name)
	}
	return strings.TrimPrefix(text.String(), "\n")
}

// phase tells the person who waits what is being done.
func (b *bench) phase(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%5.0f s  %s\n", time.Since(b.began).Seconds(), fmt.Sprintf(format, args...))
}

type bench struct {
	runs     int
	scale    float64
	dir      string
	self     string
	keepsake string
	profiles string
	began    time.Time
}

func (b *bench) runsOr(usual int) int {
	if b.runs > 0 {
		return b.runs
	}
	return usual
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
	stored    int64 // size of the repository after it, in bytes
}

// longest is how long a command may take.
const longest = 20 * time.Minute

// measure runs a command and asks the kernel what it used.
func measure(ctx context.Context, log *os.File, env []string, args ...string) (result, error) {
	return measureIn(ctx, "", log, env, args...)
}

// measureIn is measure in a folder.
func measureIn(ctx context.Context, dir string, log *os.File, env []string, args ...string) (result, error) {
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = log, log
	start := time.Now()
	if err := cmd.Run(); err != nil {
		return result{}, fmt.Errorf("%s: %w; its last words:\n%s", filepath.Base(args[0]), errors.Join(err, ctx.Err()), lastWords(log.Name()))
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

// lastWords is the end of a log, which is removed with everything else.
func lastWords(log string) string {
	text, err := os.ReadFile(log)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-2000):])
}

// median of each figure by itself.
func median(rs []result) result {
	pick := func(key func(result) int64) int64 {
		vs := make([]int64, len(rs))
		for i, r := range rs {
			vs[i] = key(r)
		}
		slices.Sort(vs)
		return (vs[(len(vs)-1)/2] + vs[len(vs)/2]) / 2
	}
	return result{
		wall: time.Duration(pick(func(r result) int64 { return int64(r.wall) })),
		cpu:  time.Duration(pick(func(r result) int64 { return int64(r.cpu) })),
		rss:  pick(func(r result) int64 { return r.rss }),

		stored: pick(func(r result) int64 { return r.stored }),
	}
}

// fastest is the shortest time.
func fastest(rs []result) time.Duration {
	return slices.MinFunc(rs, func(a, b result) int { return int(a.wall - b.wall) }).wall
}

// newTable begins a table in Markdown.
func newTable(head string, columns int) *tabwriter.Writer {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 1, ' ', 0)
	fmt.Fprintf(w, "%s\n%s|\n", head, strings.Repeat("|---\t", columns))
	return w
}

// table prints medians, and ratios to the first contender.
func table(title string, bytes int64, names []string, all map[string][]result) {
	fmt.Printf("\n### %s\n\n", title)
	w := newTable("| program\t| wall s (min)\t| MB/s\t| CPU s\t| peak memory\t| wall ratio\t| CPU ratio\t|", 7)
	base := median(all[names[0]])
	for _, name := range names {
		rs := all[name]
		m := median(rs)
		fmt.Fprintf(w, "| %s\t| %.2f (%.2f)\t| %.0f\t| %.2f\t| %s\t| %.2f\t| %.2f\t|\n", name, m.wall.Seconds(), fastest(rs).Seconds(),
			float64(bytes)/1e6/m.wall.Seconds(), m.cpu.Seconds(), humanize.IBytes(uint64(m.rss)),
			m.wall.Seconds()/base.wall.Seconds(), m.cpu.Seconds()/base.cpu.Seconds())
	}
	w.Flush()
}
