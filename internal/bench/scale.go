//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/backend/local"
	"github.com/keepsake-backup/keepsake/repository/repositorytest"
)

func (b *bench) scaleStudies() []study {
	return []study{
		{name: "index", group: "scale", run: b.indexScale},
		{name: "requests", group: "scale", run: b.requests},
	}
}

// fillIndexRole names blobs that are not there in a repository:
//
//	fill-index REPOSITORY BLOBS
func fillIndexRole(ctx context.Context, args []string) error {
	n, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	be, err := local.Open(args[0], local.Options{})
	if err != nil {
		return err
	}
	return errors.Join(repositorytest.FillIndex(ctx, be, secret.NewRepositoryPassword(password), repositorytest.Index{Blobs: n, PerPack: 40, PerFile: 50_000}), be.Close())
}

// opened is what openIndexRole prints.
type opened struct {
	Open, Begin, Index time.Duration
	Blobs, Packs       int
	Memory             int64 // of the index, as it says
	Resident           int64 // of the process, after it
}

// openIndexRole opens a repository and loads its index:
//
//	open-index REPOSITORY
func openIndexRole(ctx context.Context, args []string) (err error) {
	be, err := local.Open(args[0], local.Options{})
	if err != nil {
		return err
	}
	collectAsTheProgram()
	began := time.Now()
	r, err := repository.Open(ctx, be, secret.NewRepositoryPassword(password), repository.Options{})
	if err != nil {
		return errors.Join(err, be.Close())
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	o := opened{Open: time.Since(began)}
	s, err := r.Begin(ctx, repository.Shared, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	o.Begin = time.Since(began) - o.Open
	x, err := s.Index(ctx)
	if err != nil {
		return err
	}
	o.Index = time.Since(began) - o.Open - o.Begin
	o.Blobs, o.Packs, o.Memory = x.Len(), x.PackCount(), x.Memory()
	if o.Resident, err = resident(); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(o)
}

// resident is the memory of this process, in bytes.
func resident() (int64, error) {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, err
	}
	var size, pages int64
	if _, err := fmt.Sscan(string(text), &size, &pages); err != nil {
		return 0, fmt.Errorf("read /proc/self/statm: %w", err)
	}
	return pages * int64(os.Getpagesize()), nil
}

// indexScale opens repositories of millions of blobs, ours and restic's way.
func (b *bench) indexScale(ctx context.Context) error {
	fmt.Printf("\n### Opening a repository of many blobs; %s\n\n", where(b.dir))
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 1, ' ', 0)
	fmt.Fprintln(w, "| blobs\t| index files\t| load the index s\t| index in memory\t| bytes a blob\t| peak memory\t| backup of one file: keepsake s, memory\t| the same: "+resticVersion(ctx)+"\t|")
	fmt.Fprintln(w, "|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|")
	for _, millions := range []float64{1, 5, 10} {
		if err := b.indexOf(ctx, w, int(millions*1e6*b.scale)); err != nil {
			return err
		}
	}
	w.Flush()
	return nil
}

func (b *bench) indexOf(ctx context.Context, w *tabwriter.Writer, blobs int) (err error) {
	home := filepath.Join(b.dir, "index")
	repo, data := filepath.Join(home, "repo"), filepath.Join(home, "data")
	if err := os.MkdirAll(data, 0o755); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(home)) }()
	if err := os.WriteFile(filepath.Join(data, "file"), []byte("one file"), 0o644); err != nil {
		return err
	}
	log, err := os.Create(filepath.Join(home, "log"))
	if err != nil {
		return err
	}
	defer log.Close()
	ours, theirs := b.ours("keepsake", home), restic(home)
	b.phase("index: writing an index of %s blobs", humanize.Comma(int64(blobs)))
	if _, err := measureIn(ctx, data, log, ours.env, ours.args(initJob, repo, "")...); err != nil {
		return err
	}
	if _, err := measure(ctx, log, nil, b.self, "fill-index", repo, strconv.Itoa(blobs)); err != nil {
		return err
	}
	onDisk, err := treeSize(filepath.Join(repo, "index"))
	if err != nil {
		return err
	}
	var loads, backups, resticBackups []result
	var o opened
	for range b.runsOr(2) {
		m, seen, err := b.openIndex(ctx, home, repo)
		if err != nil {
			return err
		}
		o = seen
		loads = append(loads, result{wall: seen.Index, cpu: m.cpu, rss: m.rss})
		if m, err = measureIn(ctx, data, log, ours.env, ours.args(backupJob, repo, "")...); err != nil {
			return err
		}
		backups = append(backups, m)
		if m, err = measureIn(ctx, data, log, theirs.env, theirs.args(backupJob, repo, "")...); err != nil {
			return err
		}
		resticBackups = append(resticBackups, m)
		b.phase("index: %s blobs: loaded in %.2f s, peak %s; backup %.2f s, %s; restic %.2f s, %s", humanize.Comma(int64(blobs)), seen.Index.Seconds(), humanize.IBytes(uint64(loads[len(loads)-1].rss)),
			backups[len(backups)-1].wall.Seconds(), humanize.IBytes(uint64(backups[len(backups)-1].rss)), m.wall.Seconds(), humanize.IBytes(uint64(m.rss)))
	}
	load, ourBackup, theirBackup := median(loads), median(backups), median(resticBackups)
	fmt.Fprintf(w, "| %s\t| %s\t| %.2f\t| %s\t| %.1f\t| %s\t| %.2f, %s\t| %.2f, %s\t|\n", humanize.Comma(int64(o.Blobs)), humanize.IBytes(uint64(onDisk)), load.wall.Seconds(),
		humanize.IBytes(uint64(o.Memory)), float64(o.Memory)/float64(o.Blobs), humanize.IBytes(uint64(load.rss)), ourBackup.wall.Seconds(), humanize.IBytes(uint64(ourBackup.rss)),
		theirBackup.wall.Seconds(), humanize.IBytes(uint64(theirBackup.rss)))
	return nil
}

// openIndex runs openIndexRole in a process of its own.
func (b *bench) openIndex(ctx context.Context, home, repo string) (result, opened, error) {
	out, err := os.Create(filepath.Join(home, "opened"))
	if err != nil {
		return result{}, opened{}, err
	}
	defer out.Close()
	m, err := measure(ctx, out, nil, b.self, "open-index", repo)
	if err != nil {
		return m, opened{}, err
	}
	text, err := os.ReadFile(out.Name())
	if err != nil {
		return m, opened{}, err
	}
	var o opened
	return m, o, json.Unmarshal(text, &o)
}
