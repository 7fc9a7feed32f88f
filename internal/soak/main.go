package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
)

func main() {
	days := flag.Int("days", 30, "how many days to live")
	seed := flag.Uint64("seed", 1, "of all that is left to chance")
	verbose := flag.Bool("v", false, "tell what the service says")
	child := flag.Bool("child", false, "be a service in a process of its own, as the parent says on standard input")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if *child {
		if err := serveChild(ctx, os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "soak:", err)
			os.Exit(1)
		}
		return
	}
	log := discard()
	if *verbose {
		log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	if err := inFolder(func(dir string) error { return soak(ctx, dir, *days, *seed, log, os.Stdout) }); err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		stop()
		os.Exit(1)
	}
}

// inFolder lets fn work in a folder that is removed afterwards.
func inFolder(fn func(dir string) error) error {
	dir, err := os.MkdirTemp("", "soak-")
	if err != nil {
		return err
	}
	return errors.Join(fn(dir), os.RemoveAll(dir))
}
