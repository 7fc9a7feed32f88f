package cli

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/backup"
	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/internal/recall"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/internal/station"
	"github.com/keepsake-backup/keepsake/keybag"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/snapshot"
)

// lastVersion is what a repository has of a phone.
type lastVersion struct {
	known  bool // there is one
	info   snapshot.Info
	meta   snapshot.Meta
	bag    [16]byte        // UUID of its keybag; zero when it could not be read
	sealed []snapshot.Info // the versions that need a password to be read
}

// lastVersionOf looks for the newest backup of a phone. One that is damaged does
// not stop the next.
func lastVersionOf(ctx context.Context, r *repository.Repository, udid string) (last lastVersion, err error) {
	s, err := r.Begin(ctx, repository.Unlocked, 0)
	if err != nil {
		return last, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	list, _, err := s.ReadableSnapshots(ctx)
	if err != nil {
		return last, err
	}
	for _, sn := range list {
		info := snapshot.Describe(sn)
		if info.Kind != snapshot.Backup || !strings.EqualFold(info.UDID, udid) {
			continue
		}
		if info.Sealed {
			last.sealed = append(last.sealed, info)
		}
		if !last.known || info.Time.After(last.info.Time) {
			last.known, last.info = true, info
		}
	}
	if !last.known {
		return last, nil
	}
	p, err := snapshot.Open(ctx, s, last.info.Snapshot)
	if err != nil {
		return last, nil // the backup begins anew beside it
	}
	last.meta = p.Meta()
	if bag, err := recall.Keybag(ctx, s, last.info); err == nil {
		last.bag = bag.UUID()
	}
	return last, nil
}

// backupWords finds the backup password of a phone: given, remembered, or typed.
type backupWords struct {
	run        *backupRun
	repo       *repository.Repository
	udid, name string // "" when a run is completed without the phone
	last       lastVersion

	typed secret.BackupPassword
	used  secret.BackupPassword // what was given last
	bag   [16]byte              // for that keybag
}

// early asks for the password of a phone that has no version here yet: somebody
// is there now, and may be gone when the phone has sent everything.
func (w *backupWords) early(ctx context.Context, say progress.Reporter) error {
	if _, given, err := w.run.f.password.given(w.run.app); given || err != nil {
		return err
	}
	if w.remembered() || !w.run.atTerminal() {
		return nil
	}
	say.Phase("", "")
	w.run.asking.Lock()
	defer w.run.asking.Unlock()
	fmt.Fprint(w.run.Stderr, progress.Wrap(fmt.Sprintf(`%s encrypts its backups. With the backup password they are stored in the clear inside the repository, which is encrypted itself: then versions take little room and can be looked into. It is needed this once. Without it (Enter) the backup is stored sealed, and "keepsake unseal" opens it later.
`, w.name), helpColumns))
	return w.ask(ctx, "Backup password of "+w.name+": ")
}

func (w *backupWords) ask(ctx context.Context, prompt string) error {
	fd, isTerminal := terminal(w.run.Stdin)
	if !isTerminal {
		return nil
	}
	b, err := readHidden(ctx, w.run.Stderr, fd, prompt)
	if err != nil {
		return fmt.Errorf("read backup password: %w", err)
	}
	w.typed = secret.NewBackupPassword(string(b))
	return nil
}

// remembered tells whether a password of this phone is.
func (w *backupWords) remembered() bool {
	list, err := w.run.station.Remembered()
	return err == nil && slices.ContainsFunc(list, func(r station.Remembered) bool {
		return r.Repository == w.repo.ID().String() && strings.EqualFold(r.UDID, w.udid)
	})
}

// get is asked when the phone's list has come, and its keybag is one whose keys
// no version has.
func (w *backupWords) get(ctx context.Context, bag [16]byte) (secret.BackupPassword, error) {
	w.bag = bag
	w.used = secret.BackupPassword{}
	if w.changed() {
		w.tellChanged()
	}
	password, given, err := w.run.f.password.given(w.run.app)
	switch {
	case err != nil:
		return password, err
	case given:
	case !w.typed.IsZero():
		password = w.typed
	default:
		if password, err = w.find(ctx, bag); err != nil {
			return password, err
		}
	}
	w.used = password
	return password, nil
}

// find recalls the password, or asks for it. Typing nothing is an answer, too.
func (w *backupWords) find(ctx context.Context, bag [16]byte) (secret.BackupPassword, error) {
	remembered, ok, err := w.run.station.Recall(w.key(bag), w.repo)
	if err != nil {
		w.run.mention(progress.Warn, err.Error())
	}
	if ok || !w.run.atTerminal() {
		return remembered, nil
	}
	w.run.asking.Lock()
	defer w.run.asking.Unlock()
	w.run.quietly()
	who := w.name
	if who == "" {
		who = "the iPhone"
	}
	err = w.ask(ctx, "Backup password of "+who+" (Enter: store it sealed): ")
	return w.typed, err
}

// wrong tells whether a version is sealed because the password does not open
// it.
func (w *backupWords) wrong(ctx context.Context, res *backup.RepositoryResult) bool {
	if !res.Sealed || w.used.IsZero() {
		return false
	}
	err := recall.WithKeybag(ctx, w.repo, snapshot.Describe(res.Snapshot), func(bag *keybag.Keybag) error { return bag.Unlock(ctx, w.used) })
	return errors.Is(err, keybag.ErrWrongPassword)
}

// changed tells whether the phone has another keybag than its last version.
func (w *backupWords) changed() bool {
	return w.last.known && w.last.bag != [16]byte{} && w.last.bag != w.bag
}

// tellChanged says what another backup password means for the versions that are
// there, while the old one may still be known.
func (w *backupWords) tellChanged() {
	w.run.mention(progress.Notice, w.changedText())
}

func (w *backupWords) changedText() string {
	text := fmt.Sprintf("The backup password of %s was changed or reset since %s: the new one is needed.", w.name, w.last.info.Time.Local().Format("2 January 2006, 15:04"))
	if !w.last.meta.Encrypted {
		text = fmt.Sprintf("%s encrypts its backups since the last one: its backup password is needed.", w.name)
	}
	if len(w.last.sealed) == 0 {
		return text + " What is here already needs none: its keys are kept in the repository."
	}
	var ids []string
	for _, info := range w.last.sealed {
		ids = append(ids, fmt.Sprintf("%s of %s", info.ID.Short(), info.Time.Local().Format(time.DateOnly)))
	}
	return text + fmt.Sprintf(" These versions are sealed, and the OLD password alone opens them; \"keepsake unseal\" while it is known: %s. The others need none.", strings.Join(ids, ", "))
}

// key is under what a password is remembered.
func (w *backupWords) key(bag [16]byte) station.Remembered {
	return station.Remembered{Repository: w.repo.ID().String(), Location: w.repo.Location(), UDID: w.udid, Name: w.name,
		Keybag: hex.EncodeToString(bag[:]), Saved: time.Now().UTC().Truncate(time.Second)}
}

// remember keeps the password that opened the new version, if that is wished.
func (w *backupWords) remember(ctx context.Context, sn repository.Snapshot) error {
	if !w.run.f.remember {
		return nil
	}
	password, bag := w.used, w.bag
	if password.IsZero() { // the last version had the keys
		var given bool
		var err error
		if password, given, err = w.run.f.password.given(w.run.app); err != nil {
			return err
		}
		if !given {
			return errors.New("the backup password was not needed, and is not remembered; \"keepsake password remember\" asks for it")
		}
		return recall.Remember(ctx, w.run.station, w.repo, snapshot.Describe(sn), password, time.Now())
	}
	return w.run.station.Remember(w.key(bag), w.repo, password)
}

// yes reads an answer; an empty one is what is proposed.
func yes(answer string, proposed bool) bool {
	if answer == "" {
		return proposed
	}
	return strings.EqualFold(answer, "y") || strings.EqualFold(answer, "yes")
}
