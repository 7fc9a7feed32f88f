//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"

	"github.com/keepsake-backup/keepsake/internal/bench/corpus"
)

// What is measured is made by processes of their own. The kernel counts into a
// program's peak memory what the process that started it ever used, so this one
// stays small.

// selfRole runs one of the roles of this program.
func (b *bench) selfRole(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, b.self, args...)
	cmd.Stderr = os.Stderr
	return cmd.Run()
}

func (b *bench) makeCorpus(ctx context.Context, kind corpus.Kind, dir string, size corpus.Size, n int) error {
	return b.selfRole(ctx, "corpus", string(kind), dir, strconv.FormatInt(size.Bytes, 10), strconv.Itoa(size.Files), strconv.Itoa(n))
}

// corpusRole makes versions of a corpus:
//
//	corpus KIND DIR BYTES FILES VERSIONS
func corpusRole(ctx context.Context, args []string) error {
	n, err := numbers(args[2:], 3)
	if err != nil {
		return err
	}
	return corpus.Make(ctx, corpus.Kind(args[0]), args[1], corpus.Size{Bytes: n[0], Files: int(n[1])}, int(n[2]))
}

// databaseRole makes a database, or lets it live a day, or packs it:
//
//	database make FILE BYTES
//	database day FILE NUMBER
//	database vacuum FILE 0
func databaseRole(ctx context.Context, args []string) error {
	n, err := numbers(args[2:], 1)
	if err != nil {
		return err
	}
	switch args[0] {
	case "make":
		return corpus.Database(ctx, args[1], n[0], 7)
	case "day":
		return corpus.Day(ctx, args[1], uint64(n[0]))
	case "vacuum":
		return corpus.Vacuum(ctx, args[1])
	}
	return fmt.Errorf("database: what is %q?", args[0])
}

func numbers(args []string, n int) ([]int64, error) {
	if len(args) != n {
		return nil, fmt.Errorf("%d numbers, want %d", len(args), n)
	}
	list := make([]int64, n)
	for i, a := range args {
		var err error
		if list[i], err = strconv.ParseInt(a, 10, 64); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// crowdRole makes the phone below a folder one that is used a lot:
//
//	crowd DIR PHOTOS PEOPLE MESSAGES
func crowdRole(ctx context.Context, args []string) error {
	n, err := numbers(args[1:], 3)
	if err != nil {
		return err
	}
	if n[0] > 0 {
		if err := corpus.Library(ctx, args[0], int(n[0])); err != nil {
			return err
		}
	}
	if n[1] > 0 {
		if err := corpus.Crowd(ctx, args[0], int(n[1])); err != nil {
			return err
		}
	}
	if n[2] > 0 {
		return corpus.Talk(ctx, args[0], int(n[2]))
	}
	return nil
}
