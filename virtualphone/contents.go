package virtualphone

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/keepsake-backup/keepsake/virtualphone/internal/contents"
	"github.com/keepsake-backup/keepsake/virtualphone/internal/services"
	"github.com/keepsake-backup/keepsake/virtualphone/internal/state"
)

// generate fills the folder of a new phone.
func generate(ctx context.Context, dir string, cfg Config, s state.Settings) error {
	profile, err := contents.ParseProfile(cfg.Profile)
	if err != nil {
		return err
	}
	o := contents.Options{Seed: s.Seed, Profile: profile, IOS: s.IOS, DeviceName: s.DeviceName}
	if err := contents.Generate(ctx, dir, o); err != nil {
		return fmt.Errorf("make the phone's files: %w", err)
	}
	return nil
}

// apps lists what is installed.
func (p *Phone) apps() ([]services.App, error) {
	list, err := contents.Apps(p.Dir())
	if err != nil {
		return nil, err
	}
	out := make([]services.App, len(list))
	for i, a := range list {
		out[i] = services.App{
			BundleID: a.BundleID, Name: a.Name, Version: a.Version, ShortVersion: a.ShortVersion, Path: a.Path,
			Container: a.Container, SINF: a.SINF, Metadata: a.Metadata, Icon: a.Icon, System: a.System,
		}
	}
	return out, nil
}

// Changes is what Use did to the phone, as sorted "Domain/path" texts.
type Changes struct {
	Added     []string `json:"added"`
	Modified  []string `json:"modified"`
	Removed   []string `json:"removed"`
	AppsAdded []string `json:"apps_added"` // bundle ids
}

// use lets a phone live for some days.
func use(ctx context.Context, st *state.Phone, days int) (Changes, error) {
	set := st.Settings()
	c, err := contents.Use(ctx, st.Dir(), contents.UseOptions{Seed: set.Seed, Days: days, IOS: set.IOS})
	if err != nil {
		return Changes{}, fmt.Errorf("use phone: %w", err)
	}
	return Changes{Added: c.Added, Modified: c.Modified, Removed: c.Removed, AppsAdded: c.AppsAdded}, nil
}

// digest writes "sha256  Domain/path" for all that a backup must bring back; an
// encrypted one brings more.
func digest(ctx context.Context, st *state.Phone, w io.Writer) error {
	return contents.Digest(ctx, st.Dir(), !st.BackupPassword().IsZero(), w)
}

// erase makes the phone as new but activated: no files, no pairings, no backup
// password, no passcode; showing the set-up screens. It stays the same phone.
func erase(st *state.Phone) error {
	if st.Settings().Profile != "" { // a phone made with Config.Empty has no contents to speak of
		if err := contents.Erase(st.Dir()); err != nil {
			return fmt.Errorf("erase phone: %w", err)
		}
	}
	if err := os.RemoveAll(filepath.Join(st.Dir(), agentFolder)); err != nil {
		return fmt.Errorf("erase phone: %w", err)
	}
	if err := st.Forget(); err != nil {
		return fmt.Errorf("erase phone: %w", err)
	}
	return st.Update(func(s *state.Settings) error {
		fresh := state.DefaultSettings(s.Seed)
		fresh.Profile, fresh.IOS, fresh.Build, fresh.KDFRounds, fresh.Trust = s.Profile, s.IOS, s.Build, s.KDFRounds, s.Trust
		fresh.Setup, fresh.ActivationAcked = state.SetupBusy, false
		*s = fresh
		return nil
	})
}
