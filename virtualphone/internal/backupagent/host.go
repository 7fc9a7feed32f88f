package backupagent

import (
	"bytes"
	"context"
	"fmt"
	"path"
	"strconv"

	"github.com/keepsake-backup/keepsake/devicelink"
	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/mobilebackup2"
)

const (
	// maxPlist bounds a property list of the host. Info.plist, the largest
	// known, has 9.5 MB.
	maxPlist = 64 << 20
	// batch is how many files a phone uploads, moves or removes in one message.
	batch = 128
)

// readSmall downloads a file into memory. What the host could not read comes
// back as such.
func (a *agent) readSmall(ctx context.Context, name string, progress float64) ([]byte, *hostError, error) {
	sink := &bytesSink{max: maxPlist}
	failed, err := a.link.download(ctx, []string{name}, progress, func(string) (fileSink, error) { return sink, nil })
	if err != nil {
		return nil, nil, err
	}
	return sink.buf.Bytes(), failed[name], nil
}

// readProperties downloads a Manifest.plist and checks its version. A file of
// no bytes or not a property list is the real error 205 of protocol.md 4.11.
func (a *agent) readProperties(ctx context.Context, name string, progress float64) (itunesbackup.ManifestPlist, error) {
	const text = "Error reading backup properties"
	data, failed, err := a.readSmall(ctx, name, progress)
	switch {
	case err != nil:
		return itunesbackup.ManifestPlist{}, err
	case failed != nil:
		return itunesbackup.ManifestPlist{}, readFailed(text, failed.mb())
	case len(data) == 0:
		return itunesbackup.ManifestPlist{}, readFailed(text, emptyProperties())
	}
	p, err := itunesbackup.ParseManifestPlist(data)
	if err != nil {
		return p, readFailed(text, malformed(err))
	}
	if v, err := strconv.ParseFloat(p.Version, 64); err != nil || v < 7.4 || v >= 11 {
		return p, readFailed(text, mbError(mobilebackup2.CodeVersion, fmt.Sprintf("Unsupported manifest version %q", p.Version)))
	}
	return p, nil
}

// listed is one entry of a folder on the host.
type listed struct {
	folder  bool
	regular bool
	size    int64
}

// list asks for the entries of a folder. Ask only for folders that are known
// to be there: a host may give up the job otherwise (protocol.md 7).
func (a *agent) list(ctx context.Context, name string, progress float64) (map[string]listed, error) {
	s, err := a.link.ask(ctx, devicelink.ContentsOfDirectory, name, map[string]any{}, progress)
	if err != nil {
		return nil, err
	}
	if e := s.failure(name); e != nil {
		return nil, readFailed("Error listing backup", e.mb())
	}
	return decodeListing(s.payload)
}

func decodeListing(payload any) (map[string]listed, error) {
	dict, ok := payload.(map[string]any)
	if !ok {
		return nil, protocolError("directory listing is no dictionary")
	}
	entries := make(map[string]listed, len(dict))
	for name, v := range dict {
		attrs, ok := v.(map[string]any)
		if !ok {
			return nil, protocolError("directory entry %q is no dictionary", name)
		}
		kind, _ := attrs[devicelink.KeyFileType].(string)
		size, _ := integer(attrs[devicelink.KeyFileSize])
		entries[name] = listed{kind == devicelink.TypeDirectory, kind == devicelink.TypeRegular, size}
	}
	return entries, nil
}

// makeFolder creates a folder; one that exists is fine.
func (a *agent) makeFolder(ctx context.Context, name string, progress float64) error {
	s, err := a.link.ask(ctx, devicelink.CreateDirectory, name, map[string]any{}, progress)
	if err != nil {
		return err
	}
	if s.code == devicelink.StatusExists {
		return nil
	}
	if e := s.failure(name); e != nil {
		return writeFailed("Error creating directory", e.mb())
	}
	return nil
}

// move renames files on the host.
func (a *agent) move(ctx context.Context, from, to []string, progress float64) error {
	name := devicelink.MoveItems
	if a.link.level < 200 {
		name = devicelink.MoveFiles
	}
	pairs := make(map[string]any, len(from))
	for i := range from {
		pairs[from[i]] = to[i]
	}
	s, err := a.link.ask(ctx, name, pairs, map[string]any{}, progress)
	if err != nil {
		return err
	}
	if e := s.failure(from[0]); e != nil {
		return writeFailed("Error moving files", e.mb())
	}
	return nil
}

// remove deletes on the host what may be missing already; text is what the
// phone says when that fails.
func (a *agent) remove(ctx context.Context, text string, names []string, progress float64) error {
	name := devicelink.RemoveItems
	if a.link.level < 200 {
		name = devicelink.RemoveFiles
	}
	s, err := a.link.ask(ctx, name, names, map[string]any{}, progress)
	if err != nil {
		return err
	}
	if s.onlyMissing() {
		return nil
	}
	return writeFailed(text, s.failure(names[0]).mb())
}

// freeSpace asks the host for its room. ok is false when it cannot tell.
func (a *agent) freeSpace(ctx context.Context) (free int64, ok bool, err error) {
	if a.link.level < 300 {
		return 0, false, nil
	}
	s, err := a.link.ask(ctx, devicelink.GetFreeDiskSpace)
	if err != nil || s.code != devicelink.StatusOK {
		return 0, false, err
	}
	free, ok = integer(s.payload)
	if ok && free < 0 {
		free = 1<<63 - 1 // an unsigned number beyond 64 bits signed
	}
	return free, ok, nil
}

// purge asks the host to make room and tells whether it says it did.
func (a *agent) purge(ctx context.Context, amount int64) (bool, error) {
	if a.link.level < 400 {
		return false, nil
	}
	const urgency = 4
	s, err := a.link.ask(ctx, devicelink.PurgeDiskSpace, amount, urgency)
	return err == nil && s.code == devicelink.StatusOK, err
}

// shards are the 256 folders of a backup, "00" to "ff".
func shards() []string {
	const digits = "0123456789abcdef"
	names := make([]string, 0, 256)
	for _, a := range digits {
		for _, b := range digits {
			names = append(names, string(a)+string(b))
		}
	}
	return names
}

// small is a property list on its way to the host.
func small(device, host string, data []byte) outgoing {
	return outgoing{device, host, int64(len(data)), bytes.NewReader(data)}
}

// stampedName is the name of a folder put aside: UDID-yyyyMMdd-HHmmss.
func (a *agent) stampedName(folder string) string {
	return path.Clean(folder) + a.now().UTC().Format("-20060102-150405")
}
