package backup

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/keepsake-backup/keepsake/afc"
	"github.com/keepsake-backup/keepsake/device"
	"github.com/keepsake-backup/keepsake/installationproxy"
	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/springboard"
)

const (
	appsPatience  = 2 * time.Minute  // for apps and icons, altogether
	mediaPatience = 30 * time.Second // for the files over AFC
	iconWorkers   = 4
	maxMediaFile  = 16 << 20
	maxIcons      = 64 << 20 // bytes of all icons together
)

// infoJob makes the contents of Info.plist (protocol.md 4.11) while the phone
// prepares: it is needed only when the phone commits. Only what lockdown says is
// indispensable; apps, icons and media files that cannot be had are left out.
type infoJob struct {
	info itunesbackup.InfoPlist
	warn func(string)
	stop context.CancelFunc
	done chan struct{}
}

// gather starts the job. stop ends it early.
func gather(ctx context.Context, phone Phone, media *afc.Client, values map[string]any, warn func(string)) *infoJob {
	ctx, cancel := context.WithCancel(ctx)
	j := &infoJob{info: infoFrom(phone.UDID().String(), values, time.Now()), warn: warn, done: make(chan struct{})}
	j.stop = func() {
		cancel()
		<-j.done
	}
	go func() {
		defer close(j.done)
		var parts sync.WaitGroup
		parts.Go(func() { j.settings(ctx, phone, values) })
		parts.Go(func() { j.media(ctx, media) })
		apps, icons := j.apps(ctx, phone)
		parts.Wait()
		j.addApps(apps, icons)
	}()
	return j
}

// wait gives Info.plist as XML.
func (j *infoJob) wait(ctx context.Context) ([]byte, error) {
	select {
	case <-j.done:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	data, err := j.info.Marshal()
	if err != nil {
		return nil, fmt.Errorf("make Info.plist: %w", err)
	}
	return data, nil
}

// infoFrom takes over what the phone says of itself.
func infoFrom(udid string, values map[string]any, now time.Time) itunesbackup.InfoPlist {
	text := func(key string) string { s, _ := values[key].(string); return s }
	var guid [16]byte
	rand.Read(guid[:]) // never fails
	return itunesbackup.InfoPlist{
		Applications:     map[string]any{},
		BuildVersion:     text("BuildVersion"),
		ProductVersion:   text("ProductVersion"),
		ProductType:      text("ProductType"),
		ProductName:      device.ModelName(text("ProductType")),
		DeviceName:       text("DeviceName"),
		DisplayName:      text("DeviceName"),
		GUID:             strings.ToUpper(hex.EncodeToString(guid[:])),
		ICCID:            text("IntegratedCircuitCardIdentity"),
		IMEI:             text("InternationalMobileEquipmentIdentity"),
		IMEI2:            text("InternationalMobileEquipmentIdentity2"),
		MEID:             text("MobileEquipmentIdentifier"),
		PhoneNumber:      text("PhoneNumber"),
		SerialNumber:     text("SerialNumber"),
		TargetIdentifier: udid,
		TargetType:       "Device",
		UniqueIdentifier: strings.ToUpper(udid),
		LastBackupDate:   now.UTC().Truncate(time.Second),
		ITunesVersion:    "10.0.1",
		ITunesSettings:   map[string]any{},
		ITunesFiles:      map[string][]byte{},
	}
}

// settings asks for the two sub-dictionaries about iTunes, unless the phone
// gave them with its values.
func (j *infoJob) settings(ctx context.Context, phone Phone, values map[string]any) {
	settings, ok := values["com.apple.iTunes"].(map[string]any)
	if !ok {
		// Absent on most phones: an empty dictionary says the same.
		settings, _ = phone.Values(ctx, "com.apple.iTunes")
	}
	if len(settings) > 0 {
		j.info.ITunesSettings = settings
	}
	sub, _ := values["com.apple.mobile.iTunes"].(map[string]any)
	version, ok := sub["MinITunesVersion"].(string)
	if !ok {
		v, _ := phone.Get(ctx, "com.apple.mobile.iTunes", "MinITunesVersion")
		version, ok = v.(string)
	}
	if ok && version != "" {
		j.info.ITunesVersion = version
	}
}

const (
	mediaFolder = "/iTunes_Control/iTunes/"
	booksFile   = "/Books/iBooksData2.plist"
)

// mediaFiles are those below mediaFolder that a backup keeps (protocol.md 4.9).
var mediaFiles = []string{"ApertureAlbumPrefs", "IC-Info.sidb", "IC-Info.sidv", "PhotosFolderAlbums", "PhotosFolderName", "PhotosFolderPrefs",
	"VoiceMemos.plist", "iPhotoAlbumPrefs", "iTunesApplicationIDs", "iTunesPrefs", "iTunesPrefs.plist"}

func (j *infoJob) media(ctx context.Context, media *afc.Client) {
	ctx, cancel := context.WithTimeout(ctx, mediaPatience)
	defer cancel()
	for _, name := range append([]string{booksFile}, mediaFiles...) {
		p := name
		if name != booksFile {
			p = mediaFolder + name
		}
		data, err := media.ReadFile(ctx, p, maxMediaFile)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil && ctx.Err() != nil:
			return
		case err != nil:
			j.warn(fmt.Sprintf("Info.plist lacks %s: %v", p, err))
		case name == booksFile:
			j.info.IBooksData2 = data
		default:
			j.info.ITunesFiles[name] = data
		}
	}
}

// apps lists the apps, and fetches the icons of those from the App Store.
func (j *infoJob) apps(ctx context.Context, phone Phone) ([]installationproxy.App, map[string][]byte) {
	ctx, cancel := context.WithTimeout(ctx, appsPatience)
	defer cancel()
	conn, err := phone.StartService(ctx, installationproxy.Service)
	if err != nil {
		j.lacks(ctx, "the list of apps", err)
		return nil, nil
	}
	proxy := installationproxy.New(conn)
	defer proxy.Close()
	apps, err := proxy.Browse(ctx, installationproxy.AttrBundleID, installationproxy.AttrSINF, installationproxy.AttrMetadata)
	if err != nil {
		j.lacks(ctx, "the list of apps", err)
		return nil, nil
	}
	var ids []string
	for _, a := range apps {
		if fromStore(a) {
			ids = append(ids, a.BundleID)
		}
	}
	return apps, j.icons(ctx, phone, ids)
}

func fromStore(a installationproxy.App) bool { return len(a.SINF) > 0 && len(a.Metadata) > 0 }

// icons fetches over a few connections at once: each icon costs the phone some
// milliseconds of drawing, and there may be hundreds.
func (j *infoJob) icons(ctx context.Context, phone Phone, ids []string) map[string][]byte {
	var (
		mu    sync.Mutex // guards what is below
		icons = map[string][]byte{}
		total int
		first error
	)
	work := make(chan string)
	var workers sync.WaitGroup
	fetch := func() error {
		conn, err := phone.StartService(ctx, springboard.Service)
		if err != nil {
			return err
		}
		board := springboard.New(conn)
		defer board.Close()
		for id := range work {
			png, err := board.IconPNG(ctx, id)
			var refused *springboard.RefusedError
			if err != nil && !errors.As(err, &refused) {
				return err
			}
			mu.Lock()
			if total += len(png); len(png) > 0 && total <= maxIcons {
				icons[id] = png
			}
			mu.Unlock()
		}
		return nil
	}
	for range min(iconWorkers, len(ids)) {
		workers.Go(func() {
			if err := fetch(); err != nil {
				mu.Lock()
				if first == nil {
					first = err
				}
				mu.Unlock()
				for range work {
				} // the others may still work; none must wait for this one
			}
		})
	}
	for _, id := range ids {
		work <- id
	}
	close(work)
	workers.Wait()
	if first != nil {
		j.lacks(ctx, "some app icons", first)
	}
	return icons
}

func (j *infoJob) lacks(ctx context.Context, what string, err error) {
	if !errors.Is(ctx.Err(), context.Canceled) { // not when the run is over
		j.warn(fmt.Sprintf("Info.plist lacks %s: %v", what, err))
	}
}

// addApps fills the two keys about apps (protocol.md 13.1).
func (j *infoJob) addApps(apps []installationproxy.App, icons map[string][]byte) {
	for _, a := range apps {
		j.info.InstalledApplications = append(j.info.InstalledApplications, a.BundleID)
		if !fromStore(a) {
			continue
		}
		entry := map[string]any{"ApplicationSINF": a.SINF, "iTunesMetadata": a.Metadata}
		if png := icons[a.BundleID]; png != nil {
			entry["PlaceholderIcon"] = png
		}
		j.info.Applications[a.BundleID] = entry
	}
	slices.Sort(j.info.InstalledApplications)
	j.info.InstalledApplications = slices.Compact(j.info.InstalledApplications)
	maps.DeleteFunc(j.info.Applications, func(id string, _ any) bool { return id == "" })
}
