package cli

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/format"
)

// dataFlags say how much of the packs a check reads.
type dataFlags struct {
	all    bool
	subset string
}

func (f *dataFlags) addFlags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.all, "read-data", false, "of a repository: read and verify every byte")
	cmd.Flags().StringVar(&f.subset, "read-data-subset", "", "read a `PART`: the nth of t parts (n/t), a random part (x%), or so many bytes (500M)")
}

// packSize is a pack as a listing shows it.
type packSize struct {
	id   format.ID
	size int64 // bytes
}

// choice picks the packs to read. It is nil if the flags say nothing or all.
func (f *dataFlags) choice() (func([]packSize) map[format.ID]bool, error) {
	if f.all && f.subset != "" {
		return nil, errors.New("--read-data and --read-data-subset contradict each other")
	}
	if f.subset == "" {
		return nil, nil
	}
	if part, parts, ok := strings.Cut(f.subset, "/"); ok {
		n, err1 := strconv.ParseUint(part, 10, 16)
		t, err2 := strconv.ParseUint(parts, 10, 16)
		if err1 != nil || err2 != nil || n < 1 || n > t || t > 256 {
			return nil, fmt.Errorf("--read-data-subset %s: want n/t with 1 <= n <= t <= 256", f.subset)
		}
		return func(packs []packSize) map[format.ID]bool { return nthPart(packs, int(n), int(t)) }, nil
	}
	if percent, ok := strings.CutSuffix(f.subset, "%"); ok {
		p, err := strconv.ParseFloat(percent, 64)
		if err != nil || !(p > 0 && p <= 100) {
			return nil, fmt.Errorf("--read-data-subset %s: want a percentage above 0, at most 100", f.subset)
		}
		return func(packs []packSize) map[format.ID]bool {
			n := max(1, int(p/100*float64(len(packs))))
			return randomPart(packs, func(chosen int, _ int64) bool { return chosen < n })
		}, nil
	}
	size, err := parseSize(f.subset)
	if err != nil || size == 0 {
		return nil, fmt.Errorf("--read-data-subset %s: want n/t, a percentage such as 10%%, or a size such as 500M", f.subset)
	}
	return func(packs []packSize) map[format.ID]bool {
		return randomPart(packs, func(chosen int, bytes int64) bool { return chosen == 0 || bytes <= size })
	}, nil
}

// nthPart is the same packs as with restic: after t runs all were read.
func nthPart(packs []packSize, n, t int) map[format.ID]bool {
	chosen := map[format.ID]bool{}
	for _, p := range packs {
		if int(p.id[0])%t == n-1 {
			chosen[p.id] = true
		}
	}
	return chosen
}

// randomPart takes packs in random order while more wants the next: it is told
// how many were taken, and their bytes with those of the next one.
func randomPart(packs []packSize, more func(chosen int, bytes int64) bool) map[format.ID]bool {
	chosen, bytes := map[format.ID]bool{}, int64(0)
	for _, i := range rand.Perm(len(packs)) {
		if bytes += packs[i].size; !more(len(chosen), bytes) {
			break
		}
		chosen[packs[i].id] = true
	}
	return chosen
}

func listPacks(ctx context.Context, be backend.Backend) ([]packSize, error) {
	var packs []packSize
	err := be.List(ctx, backend.PackFile, func(f backend.FileInfo) error {
		id, err := format.ParseID(f.Name)
		packs = append(packs, packSize{id, f.Size})
		return err
	})
	return packs, err
}

// objectProblem is a problem of a repository.
type objectProblem struct {
	MessageType string `json:"message_type"` // "problem"
	Severity    string `json:"severity"`     // "notice" or "damage"
	Object      string `json:"object"`
	Text        string `json:"text"`
}

type repositoryCheckSummary struct {
	MessageType string      `json:"message_type"` // "summary"
	Command     string      `json:"command"`      // "check"
	ID          format.ID   `json:"id"`
	Repository  string      `json:"repository"`
	Result      string      `json:"result"` // "whole" or "damaged"
	Proved      string      `json:"proved"` // in words
	Snapshots   int         `json:"snapshots"`
	Trees       int         `json:"trees"`
	Blobs       int         `json:"blobs"`
	UnusedBlobs int         `json:"unused_blobs"`
	Packs       int         `json:"packs"`
	PackBytes   int64       `json:"pack_bytes"`
	PacksRead   int         `json:"packs_read"`
	BytesRead   int64       `json:"bytes_read"`
	NumErrors   int         `json:"num_errors"`
	Notices     int         `json:"notices"`
	BrokenPacks []format.ID `json:"broken_packs"`
	Seconds     float64     `json:"seconds"`
}

// checkRepository looks at a repository and says what it found.
func (a *app) checkRepository(cmd *cobra.Command, f dataFlags) error {
	choice, err := f.choice()
	if err != nil {
		return usageOf(cmd, err)
	}
	a.repo.noCache = true // copies prove nothing
	return a.withSession(cmd, repository.Shared, func(ctx context.Context, s *repository.Session) error {
		o := repository.CheckOptions{ReadData: f.all || choice != nil}
		if choice != nil {
			packs, err := listPacks(ctx, s.Repository().Backend())
			if err != nil {
				return err
			}
			chosen := choice(packs)
			o.Subset = func(id format.ID, _ int64) bool { return chosen[id] }
		}
		began := time.Now()
		var found []repository.Problem
		var stats repository.CheckStats
		err := a.work(func(say progress.Reporter) error {
			say.Phase("check", "Checking what the snapshots need")
			o.Progress = func(stats repository.CheckStats) { checkProgress(say, stats) }
			var err error
			stats, err = s.Check(ctx, o, func(p repository.Problem) { found = append(found, p) })
			return err
		})
		if err != nil {
			return err
		}
		return a.showRepositoryCheck(s.Repository(), found, stats, time.Since(began))
	})
}

func checkProgress(say progress.Reporter, s repository.CheckStats) {
	if s.ToRead > 0 {
		say.Update(progress.Counters{Files: int64(s.Read), FilesTotal: int64(s.ToRead), Bytes: s.ReadBytes})
		return
	}
	say.Update(progress.Counters{Files: int64(s.Trees)})
}

func (a *app) showRepositoryCheck(r *repository.Repository, found []repository.Problem, s repository.CheckStats, took time.Duration) error {
	m := repositoryCheckSummary{MessageType: "summary", Command: "check", ID: r.ID(), Repository: r.Location(), Result: "whole", Snapshots: s.Snapshots, Trees: s.Trees,
		Blobs: s.Blobs, UnusedBlobs: s.UnusedBlobs, Packs: s.Packs, PackBytes: s.PackBytes, PacksRead: s.Read, BytesRead: s.ReadBytes,
		NumErrors: s.Damage, Notices: s.Notices, BrokenPacks: s.DamagedPacks, Seconds: seconds(took)}
	if m.BrokenPacks == nil {
		m.BrokenPacks = []format.ID{}
	}
	var result error
	if s.Damage > 0 {
		m.Result, result = "damaged", reported{exitError}
	} else {
		m.Proved = provedOfRepository(s)
	}
	if a.json {
		for _, p := range found {
			a.emit(objectProblem{"problem", p.Severity.String(), p.Object, p.Err.Error()})
		}
		a.emit(m)
		return result
	}
	a.printf("Repository %s at %s\n", r.ID().Short(), r.Location())
	a.sentences("  %s, %s; %s in %s, %s\n", countSnapshots(s.Snapshots), progress.Count(int64(s.Trees), "folder", "folders"),
		progress.Count(int64(s.Blobs), "piece", "pieces"), progress.Count(int64(s.Packs), "pack", "packs"), progress.Size(s.PackBytes))
	a.printObjectProblems(found)
	if result != nil {
		a.sentences("  DAMAGED: %s.\n", progress.Count(int64(s.Damage), "thing is missing or wrong", "things are missing or wrong"))
		a.sentences("  Keep the repository as it is, and remove nothing from it (no forget, no prune) until this is mended.\n")
		return result
	}
	a.sentences("  %s\n", m.Proved)
	return nil
}

// printObjectProblems lists damage first, and not more than anybody reads.
func (a *app) printObjectProblems(found []repository.Problem) {
	for _, severity := range []repository.Severity{repository.Damage, repository.Notice} {
		shown, more := 0, int64(0)
		for _, p := range found {
			switch {
			case p.Severity != severity:
			case shown == shownProblems && !a.verbose:
				more++
			default:
				shown++
				a.printf("  %s: %s\n", severity, printable(p.Error()))
			}
		}
		if more > 0 {
			a.printf("  … and %s more (-v shows them)\n", progress.Count(more, severity.String(), severity.String()+"s"))
		}
	}
}

// provedOfRepository says what the check showed, and nothing beyond it.
func provedOfRepository(s repository.CheckStats) string {
	switch {
	case s.ToRead == 0:
		return "Proved: all that the snapshots need is listed, and its files have the right sizes. Their contents were not read: --read-data does."
	case s.ToRead < s.Packs:
		return fmt.Sprintf("Proved: all that the snapshots need is listed, and its files have the right sizes. Every byte of %d of the %d packs is as it was stored.", s.ToRead, s.Packs)
	}
	return "Proved: all that the snapshots need is there, and every byte of it is as it was stored."
}
