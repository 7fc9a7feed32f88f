package restore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/keybag"
)

// LeftOut is what of a backup the phone does not get to see.
type LeftOut struct {
	Apps    []string // bundle IDs
	Domains []string // whole domains, those of Apps included
	// Groups are shared folders (domains) that by their names belong to one of
	// Apps and no other. They are not left out: no backup says who else uses them.
	Groups []string
	// Damaged are single files, "domain/relative/path", the first 1000 of them.
	Damaged      []string
	DamagedFiles int64
	Rows         int64 // of the index, everything together

	partly map[string]bool // domains that lack single files
	ids    map[itunesbackup.FileID]struct{}
}

// maxDamaged bounds the list of files; the count goes on.
const maxDamaged = 1000

// Any tells whether the restore is a partial one.
func (l LeftOut) Any() bool { return l.Rows > 0 || len(l.Apps) > 0 || len(l.Domains) > 0 }

func (l LeftOut) has(id itunesbackup.FileID) bool {
	_, ok := l.ids[id]
	return ok
}

// lacks tells whether a part of domain, or all of it, is left out.
func (l LeftOut) lacks(domain string) bool {
	return l.partly[domain] || slices.Contains(l.Domains, domain)
}

// Partial tells whether something may be left out.
func (o Options) Partial() bool {
	return len(o.LeaveOutApps) > 0 || len(o.LeaveOutDomains) > 0 || o.SkipDamaged
}

// leaveOut puts a view in the place of the backup that lacks what the options
// say. Nothing of it touches a disk.
func (p *preflight) leaveOut(ctx context.Context) error {
	if !p.opt.Partial() || p.report.Blocked() {
		return nil
	}
	var damaged []damagedRow
	if p.opt.SkipDamaged {
		var err error
		if damaged, err = p.findDamage(ctx); err != nil || p.report.Blocked() {
			return err
		}
	}
	if len(damaged) == 0 && len(p.opt.LeaveOutApps)+len(p.opt.LeaveOutDomains) == 0 {
		return nil // nothing is damaged: the restore is a whole one
	}
	p.rep.Phase("leave_out", "Leaving parts of the backup out")
	index, err := openIndex(ctx, p.fsys, p.backup, maxIndex)
	var no *notPartialError
	if errors.As(err, &no) {
		p.report.add(checkLeftOut, Blocker, no.Error(), "Restore all of it, or another version.")
		return nil
	}
	if err != nil {
		return fmt.Errorf("leave out parts of the backup: %w", err)
	}
	changed, err := p.drop(ctx, index, damaged)
	if err = errors.Join(err, index.Close()); err != nil {
		return fmt.Errorf("leave out parts of the backup: %w", err)
	}
	if changed == nil {
		return nil // there is a blocker
	}
	return p.reopen(ctx, &view{FS: p.fsys, changed: changed, hidden: p.report.LeftOut.ids})
}

// reopen goes on with a view. The password has been proven, and to derive its
// key takes seconds, so that the keys are handed over.
func (p *preflight) reopen(ctx context.Context, v *view) error {
	var keys map[keybag.Class]keybag.Key
	list := p.backup.ManifestPlist()
	if list.IsEncrypted && list.ManifestKey != nil { // iOS 10.0 wants the password
		var err error
		if keys, err = p.backup.Keybag().FileKeys(); err != nil {
			return fmt.Errorf("open what is left of the backup: %w", err)
		}
	}
	p.fsys = v
	if err := p.open(ctx); err != nil {
		return err
	}
	unlock := func() error { return p.backup.Unlock(ctx, p.opt.Password) }
	if keys != nil {
		unlock = func() error { return p.backup.UnlockKeys(ctx, keys) }
	}
	if err := unlock(); err != nil {
		return fmt.Errorf("open what is left of the backup: %w", err)
	}
	return nil
}

// drop takes everything that is to be left out from the index and gives the
// files of the backup that are different then; nil when it cannot be done.
func (p *preflight) drop(ctx context.Context, index *editedIndex, damaged []damagedRow) (map[string][]byte, error) {
	out := &p.report.LeftOut
	out.partly, out.ids = map[string]bool{}, map[itunesbackup.FileID]struct{}{}
	domains, err := index.domains(ctx)
	if err != nil {
		return nil, err
	}
	names := newAppNames(p.info, p.backup.ManifestPlist(), domains)
	if !p.chooseDomains(names, domains) {
		return nil, nil
	}
	for _, domain := range out.Domains {
		if err := index.dropDomain(ctx, domain, out); err != nil {
			return nil, err
		}
	}
	for _, row := range damaged {
		if slices.Contains(out.Domains, row.domain) {
			continue
		}
		if err := index.dropRow(ctx, row.id, out); err != nil {
			return nil, err
		}
		out.partly[row.domain] = true
		if out.DamagedFiles++; len(out.Damaged) < maxDamaged {
			out.Damaged = append(out.Damaged, row.key)
		}
	}
	db, err := index.bytes(ctx)
	if err != nil {
		return nil, err
	}
	changed := map[string][]byte{itunesbackup.ManifestName: db}
	if len(out.Apps) == 0 {
		return changed, nil
	}
	return changed, p.dropApps(names, changed)
}

// chooseDomains fills in what is left out as a whole. False: there is a blocker.
func (p *preflight) chooseDomains(names *appNames, domains map[string]int64) bool {
	out := &p.report.LeftOut
	whole := map[string]bool{}
	for _, id := range slices.Compact(slices.Sorted(slices.Values(p.opt.LeaveOutApps))) {
		if !names.known[id] {
			p.report.add(checkLeftOut, Blocker, fmt.Sprintf("the backup has no app %q to leave out", id), "Give its bundle ID, such as net.example.Maps: \"keepsake restore --dry-run --json\" lists all of them.")
			return false
		}
		out.Apps = append(out.Apps, id)
	}
	for domain := range domains {
		switch owner := names.owner(domain); {
		case !slices.Contains(out.Apps, owner):
		case strings.HasPrefix(domain, groupDomain):
			out.Groups = append(out.Groups, domain)
		default:
			whole[domain] = true
		}
	}
	for _, domain := range p.opt.LeaveOutDomains {
		if _, ok := domains[domain]; !ok {
			p.report.add(checkLeftOut, Blocker, fmt.Sprintf("the backup has no domain %q to leave out", domain), "A domain is what stands before the first slash of a file's name, such as CameraRollDomain or AppDomain-net.example.Maps.")
			return false
		}
		whole[domain] = true
	}
	out.Domains = slices.Sorted(maps.Keys(whole))
	out.Groups = slices.DeleteFunc(out.Groups, func(d string) bool { return whole[d] })
	slices.Sort(out.Groups)
	return true
}

// dropApps takes the apps from both property lists, so that they are neither
// fetched nor expected.
func (p *preflight) dropApps(names *appNames, changed map[string][]byte) error {
	gone := func(id string) bool { return slices.Contains(p.report.LeftOut.Apps, names.ownerOf(id)) }
	list := p.backup.ManifestPlist()
	list.Applications = maps.Clone(list.Applications)
	maps.DeleteFunc(list.Applications, func(id string, _ any) bool {
		return !slices.Contains(p.report.LeftOut.Groups, groupDomain+id) && gone(id)
	})
	data, err := list.Marshal()
	if err != nil {
		return err
	}
	changed[itunesbackup.ManifestListName] = data
	if p.infoErr != nil { // none, or nobody can read it
		return nil
	}
	info := p.info
	info.InstalledApplications = slices.DeleteFunc(slices.Clone(info.InstalledApplications), gone)
	info.Applications = maps.Clone(info.Applications)
	maps.DeleteFunc(info.Applications, func(id string, _ any) bool { return gone(id) })
	if data, err = info.Marshal(); err != nil {
		return err
	}
	changed[itunesbackup.InfoName] = data
	return nil
}

// damagedRow is a row whose content cannot be restored.
type damagedRow struct {
	id          string // as the index has it
	domain, key string
}

// findDamage reads everything. It gives the rows to leave out, or blocks when
// they cannot all be named.
func (p *preflight) findDamage(ctx context.Context) ([]damagedRow, error) {
	v, err := p.verify(ctx, true)
	if err != nil {
		return nil, err
	}
	rows := map[string]damagedRow{}
	failures := int64(0)
	for _, problem := range v.Problems {
		if problem.Severity != itunesbackup.Failure {
			continue
		}
		failures++
		if err := p.damaged(ctx, rows, problem.Path); err != nil {
			return nil, err
		}
	}
	if failures < v.Failures {
		p.report.add(checkLeftOut, Blocker, fmt.Sprintf("%s are damaged: too many to leave them out one by one", progress.Count(v.Failures, "file", "files")), "Restore another version, or leave out the domains that are hit most.")
		return nil, nil
	}
	for name := range p.lacks {
		if id, err := itunesbackup.ParseFileID(name); err == nil {
			if err := p.damagedID(ctx, rows, id); err != nil {
				return nil, err
			}
		}
	}
	// A row that cannot be read is a file that cannot be restored.
	for r, err := range p.backup.Records(ctx) {
		var row *itunesbackup.RowError
		switch {
		case errors.As(err, &row) && !errors.Is(err, itunesbackup.ErrPlaceholder):
			rows[row.ID] = damagedRow{row.ID, r.Domain, row.Domain + "/" + row.Path}
		case err != nil && row == nil:
			return nil, fmt.Errorf("check backup: %w", err)
		}
	}
	list := slices.Collect(maps.Values(rows))
	slices.SortFunc(list, func(a, b damagedRow) int { return strings.Compare(a.key+a.id, b.key+b.id) })
	return list, nil
}

// damaged adds the row that a problem is about. What it does not find stays
// wrong, and blocks when the rest is checked.
func (p *preflight) damaged(ctx context.Context, rows map[string]damagedRow, about string) error {
	domain, relative, _ := strings.Cut(about, "/")
	if id, err := itunesbackup.ParseFileID(relative); err == nil && id.Path() == about {
		return p.damagedID(ctx, rows, id)
	}
	return p.addRow(rows)(p.backup.Find(ctx, domain, relative))
}

func (p *preflight) damagedID(ctx context.Context, rows map[string]damagedRow, id itunesbackup.FileID) error {
	return p.addRow(rows)(p.backup.Get(ctx, id))
}

func (p *preflight) addRow(rows map[string]damagedRow) func(itunesbackup.Record, bool, error) error {
	return func(r itunesbackup.Record, found bool, err error) error {
		var row *itunesbackup.RowError
		switch {
		case errors.As(err, &row): // found below, with all of its kind
		case err != nil:
			return fmt.Errorf("check backup: %w", err)
		case found:
			rows[r.ID.String()] = damagedRow{r.ID.String(), r.Domain, r.Key()}
		}
		return nil
	}
}
