package backupagent

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/keepsake-backup/keepsake/itunesbackup"
)

// Where the phases of a run end on the way from 0 to 100 percent.
const (
	progressUpload   = 95.0
	progressManifest = 96.0
	progressMove     = 98.0
	progressRemove   = 99.0
)

// prepare is step 8: the folders on the host, before anything is put there,
// since some hosts do not make them by themselves.
func (b *backup) prepare(ctx context.Context) error {
	if err := b.hit(ctx, "prepare", 1); err != nil {
		return err
	}
	if b.oldFormat != "" {
		if err := b.move(ctx, []string{b.folder}, []string{b.oldFormat}, 0); err != nil {
			return err
		}
	}
	folders := []string{b.folder}
	for _, under := range []string{"", "Snapshot"} {
		if under != "" {
			folders = append(folders, b.at(under))
		}
		for _, shard := range shards() {
			folders = append(folders, b.at(under, shard))
		}
	}
	for _, f := range folders {
		if err := b.makeFolder(ctx, f, 0); err != nil {
			return err
		}
	}
	return b.saveStatus(ctx, itunesbackup.SnapshotUploading, 0)
}

// uploadChanges is step 9. Domains in which files changed under the phone's
// hands are scanned and sent again once; the second time the phone no longer
// looks whether they change.
func (b *backup) uploadChanges(ctx context.Context) error {
	changed, err := b.uploadPass(ctx, true)
	if err != nil || len(changed) == 0 {
		return err
	}
	if err := b.rescan(ctx, changed); err != nil {
		return err
	}
	_, err = b.uploadPass(ctx, false)
	return err
}

// uploadPass sends every changed file that the host does not have yet. It
// returns the domains of files that changed while they were read.
func (b *backup) uploadPass(ctx context.Context, check bool) (map[string]bool, error) {
	p := &pass{b: b, changed: map[string]bool{}}
	for _, e := range b.changes.entries {
		if e.kind != itunesbackup.FlagFile || e.done {
			continue
		}
		if s, ok := b.half.of(e); ok {
			e.stored, e.done = s, true
			continue
		}
		e.failed, e.kept = false, false
		p.todo = append(p.todo, e)
		p.total += e.size
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	p.loader = b.startLoader(ctx, p.todo, check)
	defer p.loader.stop()
	for len(p.todo) > 0 {
		n := min(batch, len(p.todo))
		if err := p.batch(ctx, p.todo[:n]); err != nil {
			return nil, err
		}
		p.todo = p.todo[n:]
	}
	return p.changed, nil
}

// pass is one way through the files to send.
type pass struct {
	b       *backup
	loader  *loader
	todo    []*entry
	total   int64 // bytes in all
	sent    int64
	changed map[string]bool // domains
}

func (p *pass) progress() float64 {
	if p.total > 0 {
		p.b.reached = max(p.b.reached, min(1, float64(p.sent)/float64(p.total))*progressUpload)
	}
	return p.b.reached
}

// batch sends up to 128 files in one exchange.
func (p *pass) batch(ctx context.Context, entries []*entry) error {
	size := int64(0)
	for _, e := range entries {
		size += e.size
	}
	u, err := p.b.link.upload(ctx, p.progress(), size)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := p.file(ctx, u, e); err != nil {
			return u.abandon(ctx, err)
		}
	}
	s, err := u.finish(ctx)
	if err != nil {
		return err
	}
	if err := uploadFailure(s, "Error uploading files"); err != nil {
		return err
	}
	return p.b.half.confirm()
}

// file sends one file as the loader delivers it.
func (p *pass) file(ctx context.Context, u *uploading, e *entry) error {
	b := p.b
	device, host := devicePath(e), b.at("Snapshot", e.id.Path())
	f := fileFault{}
	if fault, due := b.due("upload.file", 1); due {
		var err error
		if f, err = b.fileFault(ctx, u, fault, e, &device, &host); err != nil {
			return err
		}
	}
	if err := u.file(device, host); err != nil {
		return err
	}
	for first := true; ; first = false {
		piece, err := p.loader.next(ctx)
		if err != nil {
			return err
		}
		last, err := p.piece(ctx, u, e, piece, f, first)
		p.loader.release(piece)
		if err != nil || last {
			return err
		}
	}
}

// piece sends a piece of e, and its end when it is the last.
func (p *pass) piece(ctx context.Context, u *uploading, e *entry, piece piece, f fileFault, first bool) (bool, error) {
	b := p.b
	if len(piece.data) > frameHead && !f.skip {
		if err := p.count(ctx, u, piece.data); err != nil {
			return false, err
		}
		if f.broken != nil && first {
			return false, f.broken()
		}
		p.sent += int64(len(piece.data) - frameHead)
	}
	if !piece.last {
		return false, nil
	}
	failure := piece.err
	if f.err != nil {
		failure = f.err
	}
	if failure != nil {
		return true, p.failed(u, e, failure)
	}
	e.stored, e.done = piece.stored, true
	if f.code != 0 {
		return true, u.badCode(f.code)
	}
	if err := u.end(); err != nil {
		return true, err
	}
	return true, b.half.note(e)
}

// count sends a frame, looking for faults at "upload", which counts bytes: then
// the frame goes out in small parts, so that a cut comes where it was wanted.
func (p *pass) count(ctx context.Context, u *uploading, frame []byte) error {
	if !p.b.phone.Waits("upload") {
		return u.data(frame)
	}
	const part = 512
	rest := frame[frameHead:]
	small := make([]byte, frameHead+part)
	for len(rest) > 0 {
		n := copy(small[frameHead:], rest)
		rest = rest[n:]
		fault, due := p.b.due("upload", int64(n))
		if err := u.data(small[:frameHead+n]); err != nil {
			return err
		}
		if !due {
			continue
		}
		if err := u.w.Flush(); err != nil {
			return err
		}
		if err := p.b.act(ctx, fault); err != nil {
			return err
		}
	}
	return nil
}

// failed ends a file that could not be read, tells the host, and goes on. A
// file that was modified meanwhile gets another chance.
func (p *pass) failed(u *uploading, e *entry, cause error) error {
	e.failed = true
	row, ok := p.b.base.rows[e.id]
	e.kept = ok && itunesbackup.Flags(row.kind) == itunesbackup.FlagFile
	text := errnoText(cause)
	if errors.Is(cause, errModified) {
		p.changed[e.domain] = true
		text = "File modified while being read"
	}
	if err := u.fail(text); err != nil {
		return err
	}
	return p.b.half.forget(e)
}

// devicePath is where the phone says that it has read a file: below the mount
// point of its file-system snapshot, or a temporary copy for databases.
func devicePath(e *entry) string {
	under := func(root string) string { return root + "/" + e.rel }
	switch {
	case e.log:
		return under("/.b/6")
	case strings.HasPrefix(e.domain, "AppDomain-"):
		return under("/.ba/mobile/Containers/Data/Application/" + containerID(e.domain))
	case strings.HasPrefix(e.domain, "AppDomainGroup-"):
		return under("/.ba/mobile/Containers/Shared/AppGroup/" + containerID(e.domain))
	case strings.HasPrefix(e.domain, "AppDomainPlugin-"):
		return under("/.ba/mobile/Containers/Data/PluginKitPlugin/" + containerID(e.domain))
	case strings.HasPrefix(e.domain, "SysContainerDomain-"):
		return under("/.ba/containers/Data/System/" + containerID(e.domain))
	case strings.HasPrefix(e.domain, "SysSharedContainerDomain-"):
		return under("/.ba/containers/Shared/SystemGroup/" + containerID(e.domain))
	}
	if root, ok := domainRoots[e.domain]; ok {
		return under("/.ba/" + root)
	}
	return under("/.ba/mobile")
}

// domainRoots of backup-format.md 4.1, below /var.
var domainRoots = map[string]string{
	"HealthDomain":             "mobile/Library",
	"KeychainDomain":           "Keychains",
	"WirelessDomain":           "wireless",
	"SystemPreferencesDomain":  "preferences",
	"ManagedPreferencesDomain": "Managed Preferences",
	"RootDomain":               "root",
	"DatabaseDomain":           "db",
	"InstallDomain":            "installd",
	"MobileDeviceDomain":       "MobileDevice",
	"NetworkDomain":            "networkd",
	"ProtectedDomain":          "protected",
	"BooksDomain":              "mobile/Media/Books",
}

// containerID makes up the UUID of a container, always the same for a domain.
func containerID(domain string) string {
	id := itunesbackup.MakeFileID("container", domain)
	return strings.ToUpper(fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:16]))
}
