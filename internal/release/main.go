// Command release builds what people download: one archive for each system, their
// checksums and, with a key, a signature. It is run by "make release".
//
//	dist/keepsake_v0.1.0_linux_amd64.tar.gz    keepsake, LICENSE, README.md, THIRD_PARTY.md, packaging/
//	dist/keepsake_v0.1.0_windows_amd64.zip     the same
//	dist/SHA256SUMS                            as sha256sum -c reads it
//	dist/SHA256SUMS.sig                        by ssh-keygen -Y sign, namespace "file"
//
// Whoever builds the same commit with the same Go gets the same bytes, wherever and
// whenever: no paths, times, owners or names of machines get into them. The version
// goes into the program through the linker.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// run does what the command line says.
func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("release", flag.ContinueOnError)
	var b build
	flags.StringVar(&b.version, "version", "", "the `VERSION`: v1.2.3, v1.2.3-rc.1")
	flags.StringVar(&b.out, "out", "dist", "the `DIR` for the archives; what it has of this version is replaced")
	flags.StringVar(&b.key, "key", "", "sign with the private SSH key in `FILE`")
	flags.StringVar(&b.goTool, "go", "go", "the go command")
	targets := flags.String("targets", strings.Join(allTargets, ","), "`OS/ARCH,…` to build for")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected %q", flags.Arg(0))
	}
	b.module, b.program, b.stamp = ".", "./cmd/keepsake", "github.com/keepsake-backup/keepsake/internal/cli.release"
	b.extras = []string{"LICENSE", "README.md", "THIRD_PARTY.md", "packaging/systemd", "packaging/udev"}
	for _, s := range strings.Split(*targets, ",") {
		t, err := parseTarget(s)
		if err != nil {
			return err
		}
		b.targets = append(b.targets, t)
	}
	if !goodVersion.MatchString(b.version) {
		return errors.New("say which version, as in -version v1.2.3")
	}
	return b.all(ctx)
}
