package backup

import (
	"os"

	"github.com/keepsake-backup/keepsake/backup/internal/journal"
)

// committing tells whether the phone has begun to move files to their places.
func (u *unfinished) committing() bool { return u.moving >= 0 }

// rewind takes the run back to the moment before the phone began to commit, in
// the journal: what was moved lies in Snapshot again, and Status.plist says
// "uploading". All that had arrived is kept. The phone, which has notes of its own
// until it has finished, goes on from there and sends what is missing. Afterwards
// the run has to be loaded anew.
func (f *runFolder) rewind(h *runHead, moving int) error {
	old, err := f.root.OpenFile(journalName, os.O_RDWR, 0)
	if err != nil {
		return hostError("open", f.path, err)
	}
	fill := func(to *journal.Journal) error {
		n := 0
		from, _, err := journal.Open(old, h.Key[:journal.KeySize], f.udid, func(r journal.Record) error {
			defer func() { n++ }()
			if n >= moving {
				switch r.Kind {
				case journal.Put:
					r = journal.Record{Kind: journal.Void}
				case journal.Mkdir, journal.Rename, journal.Remove, journal.Finished:
					return nil
				}
			}
			return to.Later(r)
		})
		if err != nil {
			old.Close()
			return err
		}
		return from.Close()
	}
	if err := f.createJournal(h, fill); err != nil {
		return hostError("write", f.path, err)
	}
	return nil
}
