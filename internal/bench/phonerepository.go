//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/keepsake-backup/keepsake/virtualphone"
)

// backupPassword of every encrypted phone measured.
const backupPassword = "measured too"

// route is one way from the phone to something that keeps versions.
type route struct {
	name string
	// backup and restore are commands, given the folder that the route owns;
	// restore is nil when the route is not measured in it.
	backup  func(home, udid string) []string
	restore func(home, udid string) []string
}

const (
	folderAlone  = "idevicebackup2 alone"
	folderRestic = "idevicebackup2, then restic"
	intoRepo     = "keepsake into a repository"
)

// routes of a phone. What keepsake and restic keep beside the repository lies in
// the route's own folder, too.
func (b *bench) routes() []route {
	return []route{
		{folderAlone,
			func(home, _ string) []string { return []string{"idevicebackup2", "backup", home} },
			func(home, _ string) []string {
				return []string{"idevicebackup2", "--password", backupPassword, "restore", "--system", "--no-reboot", "--remove", home}
			}},
		{folderRestic,
			func(home, _ string) []string {
				return []string{"sh", "-c", `idevicebackup2 backup "$0/folder" && restic -q -r "$0/repo" backup --host bench "$0/folder"`, home}
			}, nil},
		{intoRepo,
			func(home, _ string) []string {
				return []string{b.keepsake, "-q", "backup", filepath.Join(home, "repo")}
			},
			func(home, udid string) []string {
				return []string{b.keepsake, "-q", "restore", "latest", "-r", filepath.Join(home, "repo", udid), "--no-reboot", "--yes"}
			}},
	}
}

// prepare makes what the route expects to be there.
func (r route) prepare(ctx context.Context, log *os.File, home string, env []string) error {
	for _, dir := range []string{"folder", "state", "cache", "tmp"} {
		if err := os.MkdirAll(filepath.Join(home, dir), 0o700); err != nil {
			return err
		}
	}
	if r.name != folderRestic {
		return nil
	}
	_, err := measure(ctx, log, env, "restic", "-q", "-r", filepath.Join(home, "repo"), "init")
	return err
}

func routeEnv(home string) []string {
	return []string{"RESTIC_PASSWORD=" + password, "RESTIC_CACHE_DIR=" + filepath.Join(home, "cache"), "KEEPSAKE_PASSWORD=" + password, "BACKUP_PASSWORD=" + backupPassword,
		"KEEPSAKE_STATE=" + filepath.Join(home, "state"), "XDG_CACHE_HOME=" + filepath.Join(home, "cache"), "TMPDIR=" + filepath.Join(home, "tmp")}
}

// measuredPhone is a virtual phone in a process of its own, paired, and what a
// study needs of it.
type measuredPhone struct {
	dir, udid string
	env       []string
	stop      func() error
	control   *virtualphone.Control
}

func (b *bench) newMeasuredPhone(ctx context.Context, log *os.File, dir, profile string, encrypted bool) (p *measuredPhone, err error) {
	ready, stop, err := b.startPhone(ctx, dir, scenario{profile: profile})
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, stop())
		}
	}()
	p = &measuredPhone{dir: dir, udid: ready.Devices[0].UDID, env: []string{"USBMUXD_SOCKET_ADDRESS=" + ready.Socket}, stop: stop}
	if p.control, err = virtualphone.OpenControl(dir, p.udid); err != nil {
		return nil, err
	}
	if _, err := measure(ctx, log, p.env, b.keepsake, "pair"); err != nil {
		return nil, err
	}
	if encrypted {
		_, err = measure(ctx, log, append(p.env, "BACKUP_PASSWORD_NEW="+backupPassword), b.keepsake, "encryption", "on")
	}
	return p, err
}

func (b *bench) phoneRepositoryStudies() []study {
	var list []study
	for _, c := range []struct {
		name, profile string
		encrypted     bool
		asked         bool
	}{
		{"plain", "typical", false, false}, {"encrypted", "typical", true, false}, {"huge-plain", "huge", false, true}, {"huge-encrypted", "huge", true, true},
	} {
		title := fmt.Sprintf("The %s phone, not encrypted, into a repository", c.profile)
		if c.encrypted {
			title = fmt.Sprintf("The %s phone, encrypted, into a repository", c.profile)
		}
		list = append(list, study{c.name, "phone-repository", c.asked, func(ctx context.Context) error { return b.phoneRepository(ctx, c.name, title, c.profile, c.encrypted) }})
	}
	return append(list, study{"days", "phone-repository", false, b.days})
}

// phoneRepository measures the first backup, an unchanged one and a restore.
func (b *bench) phoneRepository(ctx context.Context, name, title, profile string, encrypted bool) (err error) {
	home := filepath.Join(b.dir, name)
	if err := os.MkdirAll(home, 0o755); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(home)) }()
	log, err := os.Create(filepath.Join(b.dir, name+".log"))
	if err != nil {
		return err
	}
	defer log.Close()
	b.phase("%s: making the phone", name)
	phone, err := b.newMeasuredPhone(ctx, log, filepath.Join(home, "phone"), b.profileOr(profile), encrypted)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, phone.stop()) }()

	first, again, back := map[string][]result{}, map[string][]result{}, map[string][]result{}
	var names, restorers []string
	var bytes int64
	for _, r := range b.routes() {
		names = append(names, r.name)
		if r.restore != nil {
			restorers = append(restorers, r.name)
		}
	}
	for run := range b.runsOr(3) {
		for i := range b.routes() {
			r := b.routes()[(i+run)%len(names)] // nobody is always the first
			b.phase("%s: run %d, %s", name, run+1, r.name)
			dir := filepath.Join(home, "to", strconv.Itoa(run), strconv.Itoa(i))
			env := append(phone.env, routeEnv(dir)...)
			if err := r.prepare(ctx, log, dir, env); err != nil {
				return err
			}
			settle()
			m, err := measure(ctx, log, env, r.backup(dir, phone.udid)...)
			if err != nil {
				return err
			}
			first[r.name] = append(first[r.name], m)
			if r.name == folderAlone {
				if bytes, err = treeSize(filepath.Join(dir, phone.udid)); err != nil {
					return err
				}
			}
			settle()
			if m, err = measure(ctx, log, env, r.backup(dir, phone.udid)...); err != nil {
				return err
			}
			again[r.name] = append(again[r.name], m)
			if r.restore != nil {
				if m, err = b.restoreErased(ctx, log, phone, env, r.restore(dir, phone.udid)); err != nil {
					return err
				}
				back[r.name] = append(back[r.name], m)
			}
			if err := os.RemoveAll(dir); err != nil {
				return err
			}
		}
	}
	table(title+": first backup, "+where(b.dir), bytes, names, first)
	table(title+": nothing changed", bytes, names, again)
	table(title+": restore onto the erased phone", bytes, restorers, back)
	return nil
}

// restoreErased measures a restore and leaves the phone as it was: the same
// contents, set up, and paired.
func (b *bench) restoreErased(ctx context.Context, log *os.File, phone *measuredPhone, env, args []string) (result, error) {
	if err := phone.control.Erase(ctx); err != nil {
		return result{}, err
	}
	if _, err := measure(ctx, log, env, b.keepsake, "pair"); err != nil {
		return result{}, err
	}
	settle()
	m, err := measure(ctx, log, env, args...)
	if err != nil {
		return result{}, err
	}
	if err := phone.control.Reboot(ctx); err != nil {
		return result{}, err
	}
	if err := phone.control.FinishSetup(ctx); err != nil {
		return result{}, err
	}
	_, err = measure(ctx, log, env, b.keepsake, "pair")
	return m, err
}

// profileOr takes the small phone instead when everything is to be small.
func (b *bench) profileOr(profile string) string {
	if b.scale < 0.2 {
		return "small"
	}
	return profile
}

// days counts the bytes that each of 30 daily versions of an encrypted phone
// adds, by three ways of keeping versions, and what a changed password adds.
func (b *bench) days(ctx context.Context) (err error) {
	home := filepath.Join(b.dir, "days")
	if err := os.MkdirAll(home, 0o755); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(home)) }()
	log, err := os.Create(filepath.Join(b.dir, "days.log"))
	if err != nil {
		return err
	}
	defer log.Close()
	phone, err := b.newMeasuredPhone(ctx, log, filepath.Join(home, "phone"), b.profileOr("typical"), true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, phone.stop()) }()

	days := 30
	if b.scale < 0.2 {
		days = 5
	}
	ways := []*kept{{name: intoRepo}, {name: "restic of the idevicebackup2 folder"}, {name: "hard-linked copies of the folder"}}
	ours, theirs := filepath.Join(home, "ours"), filepath.Join(home, "theirs")
	folder := filepath.Join(theirs, "folder")
	env := append(phone.env, routeEnv(ours)...)
	resticEnv := append(phone.env, routeEnv(theirs)...)
	repo := filepath.Join(theirs, "repo")
	for _, r := range b.routes()[1:] {
		dir := ours
		if r.name == folderRestic {
			dir = theirs
		}
		if err := r.prepare(ctx, log, dir, append(phone.env, routeEnv(dir)...)); err != nil {
			return err
		}
	}
	var before map[string]fileStamp
	version := func() (err error) {
		sizes := [3]int64{}
		sizes[0], err = b.grownBy(filepath.Join(ours, "repo"), func() error {
			_, err := measure(ctx, log, env, b.keepsake, "-q", "backup", filepath.Join(ours, "repo"))
			return err
		})
		if err != nil {
			return err
		}
		if _, err := measure(ctx, log, phone.env, "idevicebackup2", "backup", folder); err != nil {
			return err
		}
		sizes[1], err = b.grownBy(repo, func() error {
			_, err := measure(ctx, log, resticEnv, "restic", "-q", "-r", repo, "backup", "--host", "bench", folder)
			return err
		})
		if err != nil {
			return err
		}
		now, err := stamps(filepath.Join(folder, phone.udid))
		if err != nil {
			return err
		}
		for name, s := range now {
			if before[name] != s {
				sizes[2] += s.size
			}
		}
		before = now
		for i, w := range ways {
			w.versions = append(w.versions, sizes[i])
		}
		return nil
	}
	if err := version(); err != nil {
		return err
	}
	var media []int64
	for day := range days {
		changes, err := phone.control.Use(ctx, 1)
		if err != nil {
			return err
		}
		n, err := newMedia(phone.dir, changes)
		if err != nil {
			return err
		}
		media = append(media, n)
		if err := version(); err != nil {
			return err
		}
		b.phase("days: day %d of %d: keepsake %s, restic %s, links %s; new pictures %s", day+1, days, size(last(ways[0].versions)), size(last(ways[1].versions)), size(last(ways[2].versions)), size(n))
	}
	const other = "another password"
	if _, err := measure(ctx, log, append(phone.env, "BACKUP_PASSWORD="+backupPassword, "BACKUP_PASSWORD_NEW="+other), b.keepsake, "encryption", "change"); err != nil {
		return err
	}
	for i := range env {
		if strings.HasPrefix(env[i], "BACKUP_PASSWORD=") {
			env[i] = "BACKUP_PASSWORD=" + other
		}
	}
	if err := version(); err != nil {
		return err
	}
	printDays(fmt.Sprintf("Space: %d daily versions of the %s phone, encrypted; then another backup password", days, b.profileOr("typical")), ways, media)
	return nil
}

// kept is one way of keeping versions, and the bytes that each version added.
type kept struct {
	name     string
	versions []int64 // the first, the days, the one with another password
}

// grownBy is how much a folder grows while work runs, in bytes.
func (b *bench) grownBy(dir string, work func() error) (int64, error) {
	size := func() (int64, error) {
		n, err := treeSize(dir)
		if errors.Is(err, fs.ErrNotExist) {
			return 0, nil
		}
		return n, err
	}
	before, err := size()
	if err != nil {
		return 0, err
	}
	if err := work(); err != nil {
		return 0, err
	}
	after, err := size()
	return after - before, err
}

// fileStamp tells a file that was written from one that was left alone.
type fileStamp struct {
	inode       uint64
	mtime, size int64
}

func stamps(dir string) (map[string]fileStamp, error) {
	all := map[string]fileStamp{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		st, ok := info.Sys().(*syscall.Stat_t)
		if !ok {
			return errors.New("no inode number")
		}
		all[path] = fileStamp{st.Ino, info.ModTime().UnixNano(), info.Size()}
		return nil
	})
	return all, err
}

// pictures are the names of what cannot be made smaller, whether the camera took
// it or a message brought it.
var pictures = []string{".heic", ".jpg", ".jpeg", ".png", ".gif", ".mov", ".mp4", ".m4a", ".caf"}

// newMedia is the size of the day's new pictures and films, which nobody can
// keep in less.
func newMedia(phoneDir string, changes virtualphone.Changes) (total int64, err error) {
	for _, name := range changes.Added {
		if !slices.Contains(pictures, strings.ToLower(filepath.Ext(name))) {
			continue
		}
		info, err := os.Stat(filepath.Join(phoneDir, "fs", filepath.FromSlash(name)))
		if errors.Is(err, fs.ErrNotExist) {
			continue // gone again on the same day
		}
		if err != nil {
			return 0, err
		}
		if info.Mode().IsRegular() {
			total += info.Size()
		}
	}
	return total, nil
}

func last(list []int64) int64 { return list[len(list)-1] }

func printDays(title string, ways []*kept, media []int64) {
	sum := func(list []int64) (total int64) {
		for _, n := range list {
			total += n
		}
		return total
	}
	days := len(media)
	fmt.Printf("\n### %s\n\n| way | first version | added by %d days | of that beyond new pictures | a day beyond them | another password |\n|---|---|---|---|---|---|\n", title, days)
	beyond := make([]int64, len(ways))
	for i, w := range ways {
		added := sum(w.versions[1 : 1+days])
		beyond[i] = max(added-sum(media), 0)
		fmt.Printf("| %s | %s | %s | %s | %s | %s |\n", w.name, size(w.versions[0]), size(added), size(beyond[i]), size(beyond[i]/int64(days)), size(last(w.versions)))
	}
	fmt.Printf("\n- New pictures and films of these days: %s.\n", size(sum(media)))
	for i, w := range ways[1:] {
		fmt.Printf("- Beyond them keepsake adds %.1f %% of what %s add (aim: at most 10 %%).\n", 100*float64(beyond[0])/float64(max(beyond[i+1], 1)), w.name)
	}
	fmt.Printf("- Another password adds %.2f %% of the first version (aim: less than 2 %%).\n", 100*float64(last(ways[0].versions))/float64(ways[0].versions[0]))
}
