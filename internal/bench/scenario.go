//go:build linux

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/keepsake-backup/keepsake/virtualphone"
)

// scenario is one state of a phone, and what is done with it again and again.
type scenario struct {
	name, title string
	// profile of the phone's contents; "" leaves it to fill.
	profile string
	fill    func(fsDir string) error
	// again measures a second backup, of a phone that has not changed.
	again bool
	tls   bool // compare with one TLS stream to disk
	asked bool // runs only when it is named: it takes long
}

func (b *bench) phoneStudies() []study {
	var list []study
	for _, s := range b.scenarios() {
		list = append(list, study{s.name, "phone", s.asked, func(ctx context.Context) error { return b.scenario(ctx, s) }})
	}
	return list
}

func (b *bench) scenarios() []scenario {
	files := int(8 * b.scale)
	return []scenario{
		{name: "large", title: fmt.Sprintf("Large files: %d × 512 MiB, first backup", max(files, 1)), tls: true,
			fill: func(dir string) error {
				return fillFiles(filepath.Join(dir, "CameraRollDomain/Media/DCIM/100APPLE"), max(files, 1), func(*rand.Rand) int { return 512 << 20 })
			}},
		{name: "small", title: fmt.Sprintf("Small files: %d of 0.5 to 8 KB, first backup", int(1e5*b.scale)),
			fill: func(dir string) error {
				return fillFiles(filepath.Join(dir, "AppDomain-org.example.notes/Documents"), int(1e5*b.scale), func(r *rand.Rand) int { return 512 + r.IntN(7680) })
			}},
		{name: "huge", title: "Huge phone: 500,000 rows, a file over 4 GiB, first backup", profile: "huge", asked: true},
		{name: "unchanged", title: "Nothing changed: second backup of the typical phone", profile: "typical", again: true},
	}
}

// fillFiles makes n files of random bytes, 1,000 to a folder.
func fillFiles(dir string, n int, size func(*rand.Rand) int) error {
	random := rand.New(rand.NewPCG(1, 2))
	var seed [32]byte
	bytes := rand.NewChaCha8(seed)
	for i := range n {
		sub := filepath.Join(dir, fmt.Sprintf("%03d", i/1000))
		if err := os.MkdirAll(sub, 0o755); err != nil {
			return err
		}
		f, err := os.Create(filepath.Join(sub, fmt.Sprintf("file%06d.dat", i)))
		if err != nil {
			return err
		}
		if _, err := io.CopyN(f, bytes, int64(size(random))); err != nil {
			return errors.Join(err, f.Close())
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	return nil
}

// phoneRole is the virtual phone of a scenario:
//
//	phone DIR PROFILE    prints the ready line; ends with its standard input
func phoneRole(ctx context.Context, args []string) error {
	return servePhones(ctx, virtualphone.Config{Dir: args[0], Seed: 7, Profile: args[1], Empty: args[1] == "", KDFRounds: 1000})
}

func servePhones(ctx context.Context, cfg virtualphone.Config) error {
	s, err := virtualphone.Start(ctx, cfg)
	if err != nil {
		return err
	}
	if err := json.NewEncoder(os.Stdout).Encode(s.Ready()); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	return s.Close()
}

// phonesRole is several phones of one profile:
//
//	phones DIR PROFILE COUNT
func phonesRole(ctx context.Context, args []string) error {
	n, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	return servePhones(ctx, virtualphone.Config{Dir: args[0], Seed: 7, Profile: args[1], Count: n, KDFRounds: 1000})
}

// startPhone runs phoneRole and returns where it listens.
func (b *bench) startPhone(ctx context.Context, dir string, s scenario) (ready virtualphone.Ready, stop func() error, err error) {
	r, stop, err := b.startRole(ctx, "phone", dir, s.profile)
	if err != nil {
		return ready, nil, err
	}
	if err := json.Unmarshal(r.first, &ready); err != nil {
		return ready, nil, errors.Join(err, stop())
	}
	return ready, stop, nil
}

func (b *bench) contenders() []contender {
	return []contender{
		{name: "idevicebackup2", args: func(_, dir string) []string { return []string{"idevicebackup2", "backup", dir} }},
		{name: "keepsake", args: func(_, dir string) []string { return []string{b.keepsake, "-q", "backup", "--folder", dir} }},
		{name: "keepsake, fsync per file", args: func(_, dir string) []string {
			return []string{b.keepsake, "-q", "backup", "--sync-each-file", "--folder", dir}
		}},
		{name: "keepsake into null sink", args: func(addr, _ string) []string { return []string{b.self, "sink", addr} }},
	}
}

func (b *bench) scenario(ctx context.Context, s scenario) (err error) {
	home := filepath.Join(b.dir, s.name)
	phoneDir := filepath.Join(home, "phone")
	if err := os.MkdirAll(home, 0o755); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(home)) }()
	log, err := os.Create(filepath.Join(b.dir, s.name+".log"))
	if err != nil {
		return err
	}
	defer log.Close()
	ready, stop, err := b.startPhone(ctx, phoneDir, s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	if s.fill != nil {
		if err := s.fill(filepath.Join(phoneDir, "fs")); err != nil {
			return err
		}
	}
	env := []string{"USBMUXD_SOCKET_ADDRESS=" + ready.Socket}
	if _, err := measure(ctx, log, env, b.keepsake, "pair"); err != nil {
		return err
	}

	var names []string
	all := map[string][]result{}
	var bytes int64
	add := func(name string, r result) {
		if all[name] == nil {
			names = append(names, name)
		}
		all[name] = append(all[name], r)
	}
	for run := range b.runsOr(5) + 1 { // the first round only warms up
		for _, c := range b.contenders() {
			if s.again && c.name == "keepsake into null sink" {
				continue // it has nothing that could be unchanged
			}
			target := filepath.Join(home, "to", strconv.Itoa(run), c.name)
			if err := os.MkdirAll(target, 0o700); err != nil {
				return err
			}
			if s.again {
				if _, err := measure(ctx, log, env, c.args(ready.Socket, target)...); err != nil {
					return err
				}
			}
			settle()
			r, err := measure(ctx, log, env, c.args(ready.Socket, target)...)
			if err != nil {
				return err
			}
			if run > 0 {
				add(c.name, r)
			}
			if c.name == "keepsake" {
				if bytes, err = treeSize(target); err != nil {
					return err
				}
			}
			if err := os.RemoveAll(target); err != nil {
				return err
			}
		}
		if s.tls {
			r, err := b.tlsToDisk(ctx, log, bytes, filepath.Join(home, "stream"))
			if err != nil {
				return err
			}
			if run > 0 {
				add("one TLS stream to disk, fsync", r)
			}
		}
	}
	table(s.title, bytes, names, all)
	return nil
}

func (b *bench) tlsToDisk(ctx context.Context, log *os.File, bytes int64, file string) (result, error) {
	sender := exec.CommandContext(ctx, b.self, "tls-send", strconv.FormatInt(bytes, 10))
	sender.Stderr = log
	out, err := sender.StdoutPipe()
	if err != nil {
		return result{}, err
	}
	if err := sender.Start(); err != nil {
		return result{}, err
	}
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return result{}, errors.Join(err, sender.Wait())
	}
	settle()
	r, err := measure(ctx, log, nil, b.self, "tls-save", addr[:len(addr)-1], file)
	return r, errors.Join(err, sender.Wait(), os.Remove(file))
}

// settle writes out what earlier runs left in the page cache, so that no run
// pays for another.
func settle() { syscall.Sync() }

func treeSize(dir string) (total int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		total += info.Size()
		return err
	})
	return total, err
}
