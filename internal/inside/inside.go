// Package inside makes what readers of content need, an [extract.Source], of what
// people have: a version in a repository, or a folder of iTunes.
package inside

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/apps"
	"github.com/keepsake-backup/keepsake/extract/contacts"
	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/snapshot"
)

// OfSnapshot looks into a version, which must be open as long as the source is used.
// A sealed one has to be unlocked first.
func OfSnapshot(ctx context.Context, p *snapshot.Snapshot) *extract.Source {
	info, meta := p.Info(), p.Meta()
	return &extract.Source{
		FS: p.FS(ctx),
		Device: extract.Device{UDID: info.UDID, Name: info.Name, Product: meta.ProductType, IOS: meta.ProductVersion, Time: info.Time,
			Apps: appsOf(p.Session().FS(ctx, p.Tree()), "_ios")},
		Zone: time.Local, ReadNames: contacts.ReadNames,
	}
}

// OfMedia looks into a media copy: music, and the camera roll as it was then.
func OfMedia(ctx context.Context, s *repository.Session, info snapshot.Info) (*extract.Source, error) {
	fsys, err := fs.Sub(s.FS(ctx, *info.Tree), info.UDID)
	if err != nil {
		return nil, fmt.Errorf("look inside: %w", err)
	}
	return &extract.Source{FS: fsys, Zone: time.Local, Device: extract.Device{UDID: info.UDID, Name: info.Name, IOS: info.IOS, Time: info.Time}}, nil
}

// OfBackup looks into a folder of iTunes. An encrypted one has to be unlocked first.
// fallback is when the backup was made, if the folder does not tell.
func OfBackup(ctx context.Context, b *itunesbackup.Backup, fallback time.Time) (*extract.Source, error) {
	fsys, err := b.FS(ctx)
	if err != nil {
		return nil, fmt.Errorf("look inside: %w", err)
	}
	src := &extract.Source{FS: fsys, Zone: time.Local, ReadNames: contacts.ReadNames, Device: extract.Device{Time: fallback}}
	if manifest := b.ManifestPlist(); manifest.Applications != nil {
		src.Device.Apps = apps.Installed(nil, nil, manifest.Applications)
	}
	// A folder without a readable Info.plist still has its files.
	if info, err := b.InfoPlist(); err == nil {
		src.Device = extract.Device{UDID: strings.ToUpper(info.UniqueIdentifier), Name: info.DeviceName, Product: info.ProductType,
			IOS: info.ProductVersion, Time: info.LastBackupDate, Apps: apps.Installed(info.Applications, info.InstalledApplications, b.ManifestPlist().Applications)}
		if src.Device.Time.IsZero() {
			src.Device.Time = fallback
		}
	}
	return src, nil
}

// maxPlist bounds the property lists that are read here, in bytes: Info.plist holds the
// icons of all apps.
const maxPlist = 128 << 20

// appsOf reads which apps a version lists. Without the lists, apps are known by their
// folders only.
func appsOf(fsys fs.FS, folder string) []extract.App {
	var info itunesbackup.InfoPlist
	var manifest itunesbackup.ManifestPlist
	src := &extract.Source{FS: fsys}
	if data, err := src.ReadFile(path.Join(folder, "Info.plist"), maxPlist); err == nil {
		if parsed, err := itunesbackup.ParseInfoPlist(data); err == nil {
			info = parsed
		}
	}
	if data, err := src.ReadFile(path.Join(folder, "Manifest.plist"), maxPlist); err == nil {
		if parsed, err := itunesbackup.ParseManifestPlist(data); err == nil {
			manifest = parsed
		}
	}
	return apps.Installed(info.Applications, info.InstalledApplications, manifest.Applications)
}
