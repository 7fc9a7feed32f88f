package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/keepsake-backup/keepsake/backup"
	"github.com/keepsake-backup/keepsake/device"
	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/keybag"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/backend/location"
	"github.com/keepsake-backup/keepsake/repository/format"
)

// Phones on a cable of USB 2, which are most, give 20 to 40 MB a second.
const (
	slowPhone = 20_000_000
	fastPhone = 40_000_000
)

// predict says what is to come, before the phone asks for the passcode. It is a
// service: what cannot be found out is not said.
func (run *backupRun) predict(ctx context.Context, p *prepared, encrypts bool, say progress.Reporter) {
	ctx, cancel := context.WithTimeout(ctx, askPhone)
	defer cancel()
	if p.last.known && !p.last.meta.Sealed && !run.f.full {
		say.Say(progress.Notice, fmt.Sprintf("The last backup of %s is of %s (%s); now comes what has changed.",
			p.name, p.last.info.Time.Local().Format("2 January 2006, 15:04"), progress.Size(p.last.meta.StoredBytes)))
		return
	}
	most := p.last.meta.StoredBytes
	if usage, err := p.phone.DiskUsage(ctx); err == nil && !p.last.known {
		most = used(usage)
	}
	if most <= 0 {
		return
	}
	say.Say(progress.Notice, expectation(p.name, most, encrypts))
	at, err := location.Parse(p.repo.Location())
	if err != nil || at.Kind != location.Local {
		return
	}
	free, err := freeSpace(ctx, at.Path)
	waits := encrypts && run.f.spool == "" // on the same disk: the backup itself says what it needs
	if err == nil && free < most && !waits {
		say.Say(progress.Warn, fmt.Sprintf("On the disk of the backups %s are free, %s may be needed. If there is not room enough nothing is damaged: make room and start again.",
			progress.Size(free), progress.Size(most)))
	}
}

// used is how much there is on a phone, in bytes: the most that it could send.
func used(u device.DiskUsage) int64 {
	if u.DataCapacity < u.DataAvailable {
		return 0
	}
	return int64(u.DataCapacity - u.DataAvailable)
}

func expectation(name string, most int64, encrypts bool) string {
	text := fmt.Sprintf("A full backup: %s are used on %s, of which apps and the system stay out. By cable it takes up to %s, or %s with a slow one.",
		progress.Size(most), name, progress.Took(time.Duration(most/fastPhone)*time.Second), progress.Took(time.Duration(most/slowPhone)*time.Second))
	if encrypts {
		text += " Until the phone has sent its list, what it sent waits beside the repository, encrypted as it came: that needs as much room, this once."
	}
	return text
}

// showNew tells of a repository that was just made, and how to get at it after
// a fire.
func (run *backupRun) showNew(at location.Location, r *repository.Repository) {
	if run.json {
		run.emit(initMessage{"initialized", r.ID(), r.Location()})
		return
	}
	k := newKit(at)
	k.add(r, nil)
	run.printf("%s\n", k.text())
	run.sentences("Keep this sheet, and the password with it: print it, or write it down. To see it once more:\n  keepsake recovery-kit -r %s\n\n", quoteShell(at.String()))
}

// done is a backup that is a version now.
type done struct {
	run   *backupRun
	res   *backup.RepositoryResult
	repo  *repository.Repository
	home  location.Location // what the user calls the place
	first bool              // of this phone
	wrong bool              // it is sealed because the backup password does not open it
	media *mediaSummary     // of the copy that followed; nil if there was none
}

type backupSummary struct {
	MessageType string          `json:"message_type"` // "summary"
	Command     string          `json:"command"`
	UDID        string          `json:"udid"`
	Name        string          `json:"name"`
	SnapshotID  format.ID       `json:"snapshot_id"`
	Repository  string          `json:"repository"`
	Full        bool            `json:"full"`
	Encrypted   bool            `json:"encrypted"`
	Sealed      bool            `json:"sealed"`
	SealedWhy   string          `json:"sealed_why,omitempty"`
	Files       int64           `json:"files"` // received in the last run
	Bytes       int64           `json:"bytes"`
	Kept        int64           `json:"kept"` // files received by runs that were interrupted
	Removed     int64           `json:"removed"`
	TotalBytes  uint64          `json:"total_bytes"`  // of the version
	DataAdded   int64           `json:"data_added"`   // new in the repository, before compression
	StoredBytes int64           `json:"stored_bytes"` // the same, as stored
	SpoolPeak   int64           `json:"spool_peak"`
	Started     time.Time       `json:"started"`
	Seconds     float64         `json:"seconds"`
	Phases      []phaseMessage  `json:"phases,omitempty"`
	Unread      []unreadMessage `json:"unreadable,omitempty"`
}

func (d *done) summary() backupSummary {
	res := d.res
	m := backupSummary{MessageType: "summary", Command: "backup", UDID: res.UDID, Name: res.Name, SnapshotID: res.Snapshot.ID, Repository: d.repo.Location(),
		Full: res.Full, Encrypted: res.Encrypted, Sealed: res.Sealed, SealedWhy: res.Why, Files: res.Files, Bytes: res.Bytes, Kept: res.Kept, Removed: res.Removed,
		DataAdded: res.Added.DataAdded, StoredBytes: res.Added.Stored, SpoolPeak: res.SpoolPeak,
		Started: res.Started.UTC().Truncate(time.Millisecond), Seconds: seconds(res.Duration)}
	if res.Snapshot.Summary != nil {
		m.TotalBytes = res.Snapshot.Summary.TotalBytesProcessed
	}
	for _, p := range res.Phases {
		m.Phases = append(m.Phases, phaseMessage{p.Name, seconds(p.Duration)})
	}
	for _, u := range res.Unread {
		m.Unread = append(m.Unread, unreadMessage{u.DevicePath, u.FileID, u.Text})
	}
	return m
}

// showDone tells what a backup brought and what to do next.
func (a *app) showDone(d *done) error {
	if d == nil {
		return nil
	}
	m := d.summary()
	if a.json {
		a.emit(m)
	}
	what := "only what changed"
	if m.Full {
		what = "everything"
	}
	a.sentences("%s is backed up: %s, %s received (%s) in %s.\n", m.Name, progress.Count(m.Files, "file", "files"), progress.Size(m.Bytes), what, progress.Took(duration(m.Seconds)))
	if m.Kept > 0 {
		a.sentences("%s had arrived before the interruption.\n", progress.Count(m.Kept, "file", "files"))
	}
	a.sentences("Snapshot %s: %s, for which the repository grew by %s. It is in %s\n", m.SnapshotID.Short(), progress.Size(int64(m.TotalBytes)), progress.Size(m.StoredBytes), m.Repository)
	d.showEncryption(m)
	if a.verbose {
		for _, p := range m.Phases {
			a.printf("  %-12s %s\n", p.Name, progress.Took(duration(p.Seconds)))
		}
		a.printf("  %-12s %s\n", "spool", progress.Size(m.SpoolPeak))
	}
	err := a.showUnread(m.Unread)
	if d.wrong {
		err = &hintError{err: fmt.Errorf("store the backup of %s in clear: %w; it is whole, and stored sealed", m.Name, keybag.ErrWrongPassword),
			hint: fmt.Sprintf("\"keepsake unseal %s\" with the right password: that set for encrypted backups of this iPhone, not its passcode", m.SnapshotID.Short())}
	}
	if d.media != nil {
		if incomplete := a.showMedia(*d.media); err == nil {
			err = incomplete
		}
	}
	if d.first {
		a.sentences("Next, to restore it onto a virtual phone and compare everything:\n  keepsake rehearse latest:%s -r %s\n", m.UDID, quoteShell(d.home.String()))
	}
	return err
}

// showEncryption says what the version holds, as far as encryption decides it.
func (d *done) showEncryption(m backupSummary) {
	switch {
	case d.wrong:
	case m.Sealed:
		d.run.sentences("It is sealed, as encrypted as it came: %s. \"keepsake unseal %s\" opens it: that saves room and lets you look inside.\n",
			orElse(m.SealedWhy, "the backup password is not known"), m.SnapshotID.Short())
	case !m.Encrypted:
		d.run.sentences("The phone does not encrypt its backups: this one lacks %s.\n", onlyEncrypted)
	}
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
