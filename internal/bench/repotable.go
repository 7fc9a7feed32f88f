//go:build linux

package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
)

// aims are how much better than restic we want to be: times as fast, and how much
// larger a repository may be. 0 is no aim.
type aims struct {
	backup, fastest, restore, size float64
}

// maxMemory is how much a program of ours may need, in bytes.
const maxMemory = 300 << 20

// repositoryTable collects the runs of one corpus.
type repositoryTable struct {
	aims  aims
	names []string
	all   map[job]map[string][]result
}

func newRepositoryTable(a aims) repositoryTable {
	return repositoryTable{aims: a, all: map[job]map[string][]result{}}
}

func (t *repositoryTable) add(name string, j job, r result) {
	if !slices.Contains(t.names, name) {
		t.names = append(t.names, name)
	}
	if t.all[j] == nil {
		t.all[j] = map[string][]result{}
	}
	t.all[j][name] = append(t.all[j][name], r)
}

// aim is how many times as fast as restic a program is to be.
func (t *repositoryTable) aim(j job, name string) float64 {
	switch {
	case name == "keepsake" && j == backupJob:
		return t.aims.backup
	case name == "keepsake, fastest":
		return t.aims.fastest
	case name == "keepsake" && j == restoreJob:
		return t.aims.restore
	}
	return 0
}

// print prints medians. Faster is the ratio of restic's time to the program's.
func (t *repositoryTable) print(title string, bytes int64) {
	version := resticVersion(context.Background())
	fmt.Printf("\n### %s\n\n", title)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 1, ' ', 0)
	fmt.Fprintln(w, "| job\t| program\t| wall s (min)\t| MB/s\t| CPU s\t| peak memory\t| repository\t| times as fast (aim)\t| of the minima\t| CPU: times less\t|")
	fmt.Fprintln(w, "|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|")
	for _, j := range jobs {
		for _, name := range t.names {
			rs := t.all[j][name]
			if len(rs) == 0 {
				continue
			}
			m, base := median(rs), median(t.all[j][resticName])
			shown, faster, least, less := name, "", "", ""
			if name == resticName {
				shown = version
			} else {
				faster = fmt.Sprintf("%.2f", base.wall.Seconds()/m.wall.Seconds())
				if aim := t.aim(j, name); aim > 0 {
					faster += fmt.Sprintf(" (%.1f)", aim)
				}
				least = fmt.Sprintf("%.2f", fastest(t.all[j][resticName]).Seconds()/fastest(rs).Seconds())
				less = fmt.Sprintf("%.2f", base.cpu.Seconds()/m.cpu.Seconds())
			}
			fmt.Fprintf(w, "| %s\t| %s\t| %.2f (%.2f)\t| %.0f\t| %.2f\t| %s\t| %s\t| %s\t| %s\t| %s\t|\n", j, shown, m.wall.Seconds(), fastest(rs).Seconds(),
				float64(bytes)/1e6/m.wall.Seconds(), m.cpu.Seconds(), humanize.IBytes(uint64(m.rss)), size(m.stored), faster, least, less)
		}
	}
	w.Flush()
	t.sizes()
}

// size with four digits: repositories differ by little.
func size(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }

// sizes prints the aims that are not of time.
func (t *repositoryTable) sizes() {
	theirs := median(t.all[backupJob][resticName]).stored
	fmt.Print("\n")
	for _, name := range t.names {
		if name == resticName {
			continue
		}
		ours := median(t.all[backupJob][name]).stored
		text := fmt.Sprintf("- %s: first backup %+.1f %% of restic's size", name, 100*float64(ours-theirs)/float64(theirs))
		if t.aims.size > 0 {
			text += fmt.Sprintf(" (aim: within %.0f %%)", 100*t.aims.size)
		}
		most := int64(0)
		for _, byName := range t.all {
			for _, r := range byName[name] {
				most = max(most, r.rss)
			}
		}
		fmt.Printf("%s; most memory of all runs %s (aim: below %s).\n", text, humanize.IBytes(uint64(most)), humanize.IBytes(maxMemory))
	}
}

// limit says how far backups are from what the format demands at least.
func (t *repositoryTable) limit(hashing result) {
	ours, bare := median(t.all[backupJob]["keepsake"]), median(t.all[backupJob]["engine without verification"])
	fmt.Printf("- Limit: two SHA-256 passes over this data take %.2f s of one core. keepsake's first backup took %.2f CPU s (%.1f times that), without verification %.2f (%.1f times).\n",
		hashing.cpu.Seconds(), ours.cpu.Seconds(), ours.cpu.Seconds()/hashing.cpu.Seconds(), bare.cpu.Seconds(), bare.cpu.Seconds()/hashing.cpu.Seconds())
}

// twoHashes is the time of one core for two SHA-256 passes over so many bytes.
func twoHashes(bytes int64) result {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	block := make([]byte, 1<<20)
	const blocks = 384
	start, cpu := time.Now(), threadTime()
	for range blocks {
		sha256.Sum256(block)
	}
	share := 2 * float64(bytes) / float64(blocks*len(block))
	scaled := func(d time.Duration) time.Duration { return time.Duration(float64(d) * share) }
	return result{wall: scaled(time.Since(start)), cpu: scaled(threadTime() - cpu)}
}

// threadTime is the CPU time of this thread.
func threadTime() time.Duration {
	const rusageThread = 1
	var u syscall.Rusage
	if syscall.Getrusage(rusageThread, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func treeFiles(dir string) (n int, err error) {
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			n++
		}
		return err
	})
	return n, err
}
