package virtualphone

import (
	"context"

	"github.com/keepsake-backup/keepsake/virtualphone/internal/contents"
	"github.com/keepsake-backup/keepsake/virtualphone/internal/state"
)

// Files makes the files that a new phone of cfg (Dir, Seed, Profile, IOS, DeviceName)
// has, without the phone: cfg.Dir/fs/<Domain>/… and cfg.Dir/media, the bytes that
// [Start] makes. With only it makes nothing but the kinds that it names: "photos",
// "media", "messages", "whatsapp", "contacts", "notes", "calendar", "safari", "calls",
// "reminders", "voice memos" and "voicemail". For those who read contents; it takes
// less than half of the time.
func Files(ctx context.Context, cfg Config, only ...string) error {
	s := state.DefaultSettings(cfg.Seed)
	if err := cfg.apply(&s); err != nil {
		return err
	}
	profile, err := contents.ParseProfile(cfg.Profile)
	if err != nil {
		return err
	}
	return contents.Generate(ctx, cfg.Dir, contents.Options{Seed: s.Seed, Profile: profile, IOS: s.IOS, DeviceName: s.DeviceName, Only: only})
}
