//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"text/tabwriter"

	"github.com/dustin/go-humanize"
)

// grown is how one program's repository grew.
type grown struct {
	program program
	repo    string
	first   int64
	days    []int64 // bytes added by each later version
	walls   []result
	vacuum  int64
}

// growth backs a database up, and again after each of 30 days, and once more
// after a VACUUM; both programs, in turns.
func (b *bench) growth(ctx context.Context) (err error) {
	home := filepath.Join(b.dir, "growth")
	bytes := int64(b.scale * (500 << 20))
	days := 30
	if b.scale < 0.2 {
		days = 6
	}
	if err := b.roomFor(bytes * 8); err != nil {
		return err
	}
	data := filepath.Join(home, "data")
	if err := os.MkdirAll(data, 0o755); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(home)) }()
	log, err := os.Create(filepath.Join(b.dir, "growth.log"))
	if err != nil {
		return err
	}
	defer log.Close()
	b.phase("growth: making a database of %s", humanize.IBytes(uint64(bytes)))
	db := filepath.Join(data, "messages.db")
	if err := b.selfRole(ctx, "database", "make", db, strconv.FormatInt(bytes, 10)); err != nil {
		return err
	}
	all := []*grown{{program: b.ours("keepsake", filepath.Join(home, "ours"))}, {program: restic(filepath.Join(home, "theirs"))}}
	for i, g := range all {
		g.repo = filepath.Join(home, fmt.Sprintf("repo%d", i))
		for _, dir := range []string{"ours", "theirs"} {
			if err := os.MkdirAll(filepath.Join(home, dir), 0o755); err != nil {
				return err
			}
		}
		if _, err := measureIn(ctx, home, log, g.program.env, g.program.args(initJob, g.repo, "")...); err != nil {
			return err
		}
	}
	add := func(g *grown) (int64, error) {
		before, err := treeSize(g.repo)
		if err != nil {
			return 0, err
		}
		settle()
		m, err := measureIn(ctx, data, log, g.program.env, g.program.args(backupJob, g.repo, "")...)
		if err != nil {
			return 0, err
		}
		after, err := treeSize(g.repo)
		g.walls = append(g.walls, m)
		return after - before, err
	}
	for _, g := range all {
		if g.first, err = add(g); err != nil {
			return err
		}
	}
	for day := range days {
		if err := b.selfRole(ctx, "database", "day", db, strconv.Itoa(day)); err != nil {
			return err
		}
		for _, g := range all {
			added, err := add(g)
			if err != nil {
				return err
			}
			g.days = append(g.days, added)
		}
		if (day+1)%5 == 0 {
			b.phase("growth: day %d of %d: %s added %s, %s added %s", day+1, days, all[0].program.name, humanize.IBytes(uint64(all[0].days[day])),
				all[1].program.name, humanize.IBytes(uint64(all[1].days[day])))
		}
	}
	if err := b.selfRole(ctx, "database", "vacuum", db, "0"); err != nil {
		return err
	}
	for _, g := range all {
		if g.vacuum, err = add(g); err != nil {
			return err
		}
	}
	for _, g := range all {
		if _, err := measureIn(ctx, home, log, g.program.env, g.program.args(checkJob, g.repo, "")...); err != nil {
			return err
		}
	}
	now, err := treeSize(data)
	if err != nil {
		return err
	}
	printGrowth(ctx, fmt.Sprintf("Growth: a database of %s, %d days of changes in place, then VACUUM; %s", humanize.IBytes(uint64(now)), days, where(b.dir)), all)
	return nil
}

func printGrowth(ctx context.Context, title string, all []*grown) {
	fmt.Printf("\n### %s\n\n", title)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 1, ' ', 0)
	fmt.Fprintln(w, "| program\t| first version\t| added a day, median (least, most)\t| all days together\t| VACUUM day\t| wall s of a day\t| CPU s of a day\t|")
	fmt.Fprintln(w, "|---\t|---\t|---\t|---\t|---\t|---\t|---\t|")
	total := func(g *grown) (sum int64) {
		for _, n := range g.days {
			sum += n
		}
		return sum
	}
	for _, g := range all {
		sorted := slices.Sorted(slices.Values(g.days))
		name := g.program.name
		if name == resticName {
			name = resticVersion(ctx)
		}
		day := median(g.walls[1 : len(g.walls)-1])
		fmt.Fprintf(w, "| %s\t| %s\t| %s (%s, %s)\t| %s\t| %s\t| %.2f\t| %.2f\t|\n", name, size(g.first), size(sorted[len(sorted)/2]), size(sorted[0]), size(sorted[len(sorted)-1]),
			size(total(g)), size(g.vacuum), day.wall.Seconds(), day.cpu.Seconds())
	}
	w.Flush()
	ours, theirs := all[0], all[1]
	fmt.Printf("\n- keepsake adds %.0f %% of what restic adds in these days (aim: at most 50 %%); first version %+.1f %%; VACUUM day %.0f %%.\n",
		100*float64(total(ours))/float64(total(theirs)), 100*float64(ours.first-theirs.first)/float64(theirs.first), 100*float64(ours.vacuum)/float64(theirs.vacuum))
}
