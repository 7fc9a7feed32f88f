package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/device"
	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/restore"
	"github.com/keepsake-backup/keepsake/service"
	"github.com/keepsake-backup/keepsake/snapshot"
	"github.com/keepsake-backup/keepsake/usbmux"
	"github.com/keepsake-backup/keepsake/virtualphone"
)

// finish checks what can be checked at the end only.
func (h *house) finish(ctx context.Context) error {
	for _, p := range h.people {
		h.checkPrompts(p)
	}
	if err := h.checkJobs(ctx); err != nil {
		return err
	}
	for _, p := range h.people {
		if err := h.checkVersions(ctx, p); err != nil {
			return fmt.Errorf("versions of %s: %w", p.who.Name, err)
		}
		if err := h.restore(ctx, p); err != nil {
			return fmt.Errorf("restore %s: %w", p.who.Name, err)
		}
	}
	return nil
}

// checkJobs looks for jobs that were lost, doubled or left open.
func (h *house) checkJobs(ctx context.Context) error {
	var all []service.Job
	for before := int64(0); ; {
		page, err := h.svc.Jobs(ctx, service.System, "", before, 100)
		if err != nil {
			return err
		}
		if len(page) == 0 {
			break
		}
		all = append(all, page...)
		before = page[len(page)-1].ID
	}
	byID := map[int64]service.Job{}
	last := map[string]service.Job{} // by phone, of those that need it
	for _, j := range slices.Backward(all) {
		byID[j.ID] = j
		h.tally[fmt.Sprintf("jobs: %s %s", j.Kind, j.State)]++
		if j.Ended.IsZero() {
			h.complain("job %d (%s of %s) is still %s", j.ID, j.Kind, j.Name, j.State)
		}
		if j.Kind != service.BackupJob && j.Kind != service.MediaJob || j.Started.IsZero() {
			continue
		}
		if before, ok := last[j.UDID]; ok && j.Started.Before(before.Ended) {
			h.complain("jobs %d and %d of %s ran at the same time", before.ID, j.ID, j.Name)
		}
		last[j.UDID] = j
		if j.Kind == service.BackupJob && (j.State == service.Done) != (j.Version != "") {
			h.complain("backup %d of %s is %s with version %q", j.ID, j.Name, j.State, j.Version)
		}
	}
	for _, id := range h.asked {
		if _, ok := byID[id]; !ok {
			h.complain("job %d, which somebody asked for, is lost", id)
		}
	}
	return nil
}

// repositoryOf opens the repository of a phone beside the service.
func (h *house) repositoryOf(ctx context.Context, p *person) (*repository.Repository, error) {
	udid, err := device.ParseUDID(p.phone.UDID())
	if err != nil {
		return nil, err
	}
	place, err := h.disk.Look(ctx, filepath.Join(h.dir, "backups"))
	if err != nil {
		return nil, err
	}
	return place.Open(ctx, udid, secret.NewRepositoryPassword(placePassword))
}

// checkVersions compares what the service lists with what the repository has.
func (h *house) checkVersions(ctx context.Context, p *person) (err error) {
	r, err := h.repositoryOf(ctx, p)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	s, err := r.Begin(ctx, repository.Unlocked, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	all, damaged, err := s.ReadableSnapshots(s.Context())
	if err != nil {
		return err
	}
	if len(damaged) > 0 {
		h.complain("%s: %d versions cannot be read", p.who.Name, len(damaged))
	}
	list, err := h.svc.Versions(ctx, service.System, p.phone.UDID())
	if err != nil {
		return err
	}
	listed := map[string]bool{}
	for _, v := range list {
		listed[v.ID] = true
	}
	stored := 0
	for _, sn := range all {
		info := snapshot.Describe(sn)
		if info.Kind != snapshot.Backup && info.Kind != snapshot.Media {
			continue
		}
		if stored++; !listed[sn.ID.String()] {
			h.complain("%s: the page does not list version %s", p.who.Name, sn.ID)
		}
	}
	if stored != len(list) {
		h.complain("%s: the page lists %d versions, the repository has %d", p.who.Name, len(list), stored)
	}
	return nil
}

// restore puts the newest version onto another phone, which then has to be as the
// first one was.
func (h *house) restore(ctx context.Context, p *person) (err error) {
	r, err := h.repositoryOf(ctx, p)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	s, err := r.Begin(ctx, repository.Shared, time.Minute)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	info, err := snapshot.Find(ctx, s, "latest")
	if err != nil {
		return err
	}
	sn, err := snapshot.Open(ctx, s, info.Snapshot)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, sn.Close()) }()
	got, err := h.onto(ctx, p, sn)
	if err != nil {
		return err
	}
	switch want := h.twins[info.ID.String()]; {
	case want == "":
		h.complain("%s: nobody has seen version %s being made", p.who.Name, info.ID)
	case got != want:
		h.complain("%s: version %s restores otherwise than it was:\n%s", p.who.Name, info.ID, differences(want, got))
	default:
		h.tally["restored, file for file"]++
	}
	return nil
}

// onto restores onto a new phone and gives what is on it then.
func (h *house) onto(ctx context.Context, p *person, sn *snapshot.Snapshot) (got string, err error) {
	server, err := virtualphone.Start(ctx, virtualphone.Config{Dir: filepath.Join(h.dir, "new", p.who.Name), Seed: 1000, Empty: true, KDFRounds: 1, RebootTime: 50 * time.Millisecond})
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	// Only a phone that shows its set-up takes everything (package restore).
	if err := server.Phones()[0].Erase(ctx); err != nil {
		return "", err
	}
	addr, err := usbmux.ParseAddress(server.Addr())
	if err != nil {
		return "", err
	}
	d, err := device.Open(ctx, device.Options{Mux: &usbmux.Client{Address: addr}})
	if err != nil {
		return "", err
	}
	defer d.Close()
	if err := d.Pair(ctx, device.PairOptions{}); err != nil {
		return "", err
	}
	var opt restore.Options
	if p.encrypted {
		opt.Password = secret.NewBackupPassword(backupPassword)
	}
	if _, err := restore.FromSnapshot(ctx, d, sn, opt, mute{}); err != nil {
		return "", err
	}
	phone := server.Phones()[0]
	if err := phone.Await(ctx, "restored", 1); err != nil {
		return "", err
	}
	return digest(ctx, &person{phone: phone})
}

// differences are the first lines of two digests that differ, and how many do.
func differences(want, got string) string {
	in := map[string]int{}
	for line := range strings.Lines(want) {
		in[line]++
	}
	for line := range strings.Lines(got) {
		in[line]--
	}
	var out strings.Builder
	n := 0
	for _, line := range slices.Sorted(maps.Keys(in)) {
		c := in[line]
		if c == 0 {
			continue
		}
		if n++; n <= 10 {
			out.WriteString(map[bool]string{true: "- ", false: "+ "}[c > 0] + line)
		}
	}
	return fmt.Sprintf("%d lines differ, such as\n%s", n, out.String())
}

// mute is a reporter that tells nobody.
type mute struct{}

func (mute) Phase(string, string)      {}
func (mute) Update(progress.Counters)  {}
func (mute) Say(progress.Kind, string) {}
func (mute) Close()                    {}
