//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/dustin/go-humanize"

	"github.com/keepsake-backup/keepsake/internal/bench/corpus"
)

// job is what is done with a repository, again and again.
type job string

const (
	backupJob    job = "first backup"
	unchangedJob job = "backup, nothing changed"
	laterJob     job = "3 later versions"
	restoreJob   job = "restore"
	checkJob     job = "check --read-data"
	pruneJob     job = "prune, half the versions dropped"
)

var jobs = []job{backupJob, unchangedJob, restoreJob, checkJob, laterJob, pruneJob}

// versions of each corpus; half of them are dropped before prune.
const versions = 4

// repositoryCase is one corpus, and what is hoped for.
type repositoryCase struct {
	name, title string
	kind        corpus.Kind
	size        corpus.Size
	aims        aims
	// fastest: our fastest level is measured too. Media is not compressed at all.
	fastest bool
}

func (b *bench) repositoryStudies() []study {
	gib := func(n float64) int64 { return int64(n * b.scale * (1 << 30)) }
	cases := []repositoryCase{
		{name: "media", title: "Pictures and films, incompressible", kind: corpus.Media, size: corpus.Size{Bytes: gib(4)}, aims: aims{backup: 2.5, restore: 2, size: 0.03}},
		{name: "mixed", title: "Mixed: media, databases, text, small files", kind: corpus.Mixed, size: corpus.Size{Bytes: gib(4)}, fastest: true, aims: aims{backup: 1.5, fastest: 2, restore: 2, size: 0.03}},
		{name: "databases", title: "SQLite databases", kind: corpus.Databases, size: corpus.Size{Bytes: gib(1)}, fastest: true, aims: aims{backup: 1.5, fastest: 2, restore: 2, size: 0.10}},
		{name: "files", title: "Small files of 1 to 16 KiB", kind: corpus.Small, size: corpus.Size{Files: int(1e5 * b.scale)}, fastest: true, aims: aims{backup: 1.5, fastest: 2, restore: 2}},
	}
	var list []study
	for _, c := range cases {
		list = append(list, study{name: c.name, group: "repository", run: func(ctx context.Context) error { return b.repositoryCase(ctx, c) }})
	}
	return append(list, study{name: "growth", group: "repository", run: b.growth})
}

// program is one that keeps repositories.
type program struct {
	name string
	only job // nothing else is measured of it; "" is everything
	env  []string
	// args of the command that does a job; backups are of the current folder.
	args func(j job, repo, target string) []string
}

const resticName = "restic"

// password of all repositories measured.
const password = "measured"

// restic and keepsake use the same defaults as everybody, with caches that nobody
// used before.
func restic(home string) program {
	return program{name: resticName, env: []string{"RESTIC_PASSWORD=" + password, "RESTIC_CACHE_DIR=" + filepath.Join(home, "cache"), "TMPDIR=" + home},
		args: func(j job, repo, target string) []string {
			do := map[job][]string{
				initJob: {"init"}, backupJob: {"backup", "--host", "bench", "."}, restoreJob: {"restore", "latest", "--target", target},
				checkJob: {"check", "--read-data"}, forgetJob: {"forget", "--keep-last", "2"}, pruneJob: {"prune"},
			}[j]
			return append([]string{"restic", "-q", "-r", repo}, do...)
		}}
}

func (b *bench) ours(name, home string, flags ...string) program {
	return program{name: name, env: []string{"KEEPSAKE_PASSWORD=" + password, "XDG_CACHE_HOME=" + filepath.Join(home, "cache"), "TMPDIR=" + home},
		args: func(j job, repo, target string) []string {
			do := map[job][]string{
				initJob: {"init"}, backupJob: {"backup-dir", "--host", "bench", "."}, restoreJob: {"restore-files", "latest", "--target", target},
				checkJob: {"check", "--read-data"}, forgetJob: {"forget", "--keep-last", "2"}, pruneJob: {"prune"},
			}[j]
			return append(append([]string{b.keepsake, "-q", do[0], "-r", repo}, do[1:]...), flags...)
		}}
}

// unverified is our engine without the decoding of what it encoded. There is no
// flag for that: a backup is not the place to save it.
func (b *bench) unverified(home string) program {
	p := b.ours("engine without verification", home)
	keepsake := p.args
	p.only = backupJob
	p.args = func(j job, repo, target string) []string {
		if j == backupJob {
			return []string{b.self, "engine", "-skip-verify", "backup", repo, "."}
		}
		return keepsake(j, repo, target)
	}
	return p
}

// What is done between the jobs, unmeasured.
const (
	initJob   job = "init"
	forgetJob job = "forget"
)

// repositoryRun is one corpus being measured.
type repositoryRun struct {
	b      *bench
	c      repositoryCase
	home   string
	log    *os.File
	bytes  int64 // of the first version
	files  int
	checks map[string]bool // programs whose restore has been compared
	t      repositoryTable
}

func (b *bench) repositoryCase(ctx context.Context, c repositoryCase) (err error) {
	home := filepath.Join(b.dir, c.name)
	if err := b.roomFor(max(c.size.Bytes, int64(c.size.Files)*20<<10) * 4); err != nil {
		return err
	}
	if err := os.MkdirAll(home, 0o755); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(home)) }()
	log, err := os.Create(filepath.Join(b.dir, c.name+".log"))
	if err != nil {
		return err
	}
	defer log.Close()
	b.phase("%s: making the corpus", c.name)
	if err := b.makeCorpus(ctx, c.kind, filepath.Join(home, "corpus"), c.size, versions); err != nil {
		return err
	}
	r := repositoryRun{b: b, c: c, home: home, log: log, checks: map[string]bool{}, t: newRepositoryTable(c.aims)}
	if r.bytes, err = treeSize(filepath.Join(home, "corpus", "1")); err != nil {
		return err
	}
	if r.files, err = treeFiles(filepath.Join(home, "corpus", "1")); err != nil {
		return err
	}
	programs := []program{b.ours("keepsake", home), restic(home), b.unverified(home)}
	if c.fastest {
		p := b.ours("keepsake, fastest", home, "--compression", "fastest")
		p.only = backupJob
		programs = append(programs, p)
	}
	runs := b.runsOr(2)
	var hashing []result
	for run := range runs {
		for _, p := range programs {
			if err := r.cycle(ctx, fmt.Sprintf("%s: run %d of %d: %s", c.name, run+1, runs, p.name), p, run%2 == 0); err != nil {
				return err
			}
		}
		hashing = append(hashing, twoHashes(r.bytes))
	}
	r.t.print(fmt.Sprintf("%s: %s files, %s; %s", c.title, humanize.Comma(int64(r.files)), humanize.IBytes(uint64(r.bytes)), where(b.dir)), r.bytes)
	r.t.limit(median(hashing))
	if b.profiles != "" {
		return r.profile(ctx)
	}
	return nil
}

// cycle is the life of one repository of one program; what comes after the first
// version, which takes longest, in every other run only.
func (r *repositoryRun) cycle(ctx context.Context, title string, p program, long bool) (err error) {
	repo, target := filepath.Join(r.home, "repo"), filepath.Join(r.home, "restored")
	defer func() {
		err = errors.Join(err, os.RemoveAll(repo), os.RemoveAll(target), os.RemoveAll(filepath.Join(r.home, "cache")))
	}()
	do := func(j, as job, dir string) (result, error) {
		settle()
		m, err := measureIn(ctx, dir, r.log, p.env, p.args(j, repo, target)...)
		if err != nil {
			return m, err
		}
		if j == initJob || j == forgetJob {
			return m, nil
		}
		if m.stored, err = treeSize(repo); err != nil {
			return m, err
		}
		r.b.phase("%s: %s: %.2f s, CPU %.2f s, %s, repository %s", title, as, m.wall.Seconds(), m.cpu.Seconds(),
			humanize.IBytes(uint64(m.rss)), humanize.IBytes(uint64(m.stored)))
		return m, nil
	}
	measured := func(j, as job, dir string) error {
		m, err := do(j, as, dir)
		if err == nil {
			r.t.add(p.name, as, m)
		}
		return err
	}
	version := func(v int, fn func(dir string) error) error {
		from, current := filepath.Join(r.home, "corpus", fmt.Sprint(v)), filepath.Join(r.home, "corpus", "current")
		if err := os.Rename(from, current); err != nil {
			return err
		}
		return errors.Join(fn(current), os.Rename(current, from))
	}

	if _, err := do(initJob, "", r.home); err != nil {
		return err
	}
	err = version(1, func(dir string) error {
		if err := measured(backupJob, backupJob, dir); err != nil || p.only != "" {
			return err
		}
		return errors.Join(measured(backupJob, unchangedJob, dir), measured(restoreJob, restoreJob, dir), r.compare(p, dir, target))
	})
	if err != nil || p.only != "" {
		return err
	}
	if err := errors.Join(os.RemoveAll(target), measured(checkJob, checkJob, r.home)); err != nil || !long {
		return err
	}
	var later result
	for v := 2; v <= versions; v++ {
		err := version(v, func(dir string) error {
			m, err := do(backupJob, job(fmt.Sprintf("version %d", v)), dir)
			later = result{later.wall + m.wall, later.cpu + m.cpu, max(later.rss, m.rss), m.stored}
			return err
		})
		if err != nil {
			return err
		}
	}
	r.t.add(p.name, laterJob, later)
	if _, err := do(forgetJob, "", r.home); err != nil {
		return err
	}
	return measured(pruneJob, pruneJob, r.home)
}

// compare compares what was restored with what was backed up, once for each
// program: a fast restore of something else is none.
func (r *repositoryRun) compare(p program, want, got string) error {
	if r.checks[p.name] {
		return nil
	}
	r.checks[p.name] = true
	out, err := exec.Command("diff", "-rq", "--no-dereference", want, got).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s restored something else: %w: %s", p.name, err, out[:min(len(out), 1000)])
	}
	return nil
}

// roomFor fails early rather than in the middle.
func (b *bench) roomFor(bytes int64) error {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(b.dir, &fs); err != nil {
		return fmt.Errorf("ask for the free space of %s: %w", b.dir, err)
	}
	if free := int64(fs.Bavail) * fs.Bsize; free < bytes {
		return fmt.Errorf("%s has %s free, and %s are needed: choose another -dir or a smaller -scale", b.dir, humanize.IBytes(uint64(free)), humanize.IBytes(uint64(bytes)))
	}
	return nil
}

// where names the kind of file system that was measured.
func where(dir string) string {
	var fs syscall.Statfs_t
	if syscall.Statfs(dir, &fs) != nil {
		return "unknown file system"
	}
	switch fs.Type {
	case 0x01021994:
		return "tmpfs"
	case 0xef53:
		return "ext4"
	case 0x58465342:
		return "XFS"
	case 0x9123683e:
		return "Btrfs"
	}
	return fmt.Sprintf("file system %#x", fs.Type)
}

// resticVersion is the first words of what restic says of itself.
func resticVersion(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "restic", "version").Output()
	if err != nil {
		return resticName
	}
	words := strings.Fields(string(out))
	return strings.Join(words[:min(2, len(words))], " ")
}
