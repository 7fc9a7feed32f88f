package appdata

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/internal/plist"
)

var memoEntities = []entity{{name: "CloudRecording"}, {name: "DatabaseProperty", optional: true}, {name: "Folder"}, {name: "Recording"}}

// memosDir is where the release keeps voice memos (content-schemas.md 6).
func (w *world) memosDir() (domain, dir string) {
	if w.major >= 17 {
		return memosDomain, "Recordings/"
	}
	return mediaDomain, "Media/Recordings/"
}

func createMemos(ctx context.Context, w *world) error {
	r := w.rng("memos")
	domain, dir := w.memosDir()
	f := dbFile{path: w.path(domain, dir+"CloudRecordings.db"), autoVacuum: 2, mtime: w.now.Add(-20 * time.Hour)}
	return build(ctx, f, func(d *db) {
		d.schema("cloudrecordings.sql")
		m := newModel(r, memoEntities)
		folder := m.insert(d, "ZFOLDER", "Folder", "ZRANK", 0, "ZENCRYPTEDNAME", "Garden", "ZUUID", r.guid())
		for i, at := range r.moments(w.n.memos, span{w.begin(), w.now.Add(-20 * time.Hour)}) {
			d.fail(addMemo(w, d, r, m, i, at, folder))
		}
		m.writeTables(d, r, metadata{})
	})
}

// memoKind cycles: plain, named by the user in a folder, evicted to iCloud,
// deleted but not gone, edited.
const (
	memoAuto = iota
	memoNamed
	memoEvicted
	memoDeleted
	memoEdited
)

// addMemo writes a recording and its file.
func addMemo(w *world, d *db, r *rng, m *model, i int, at time.Time, folder int) error {
	kind := i % 5
	id := r.guid()
	name := at.Format("20060102 150405") + "-" + id[:8] + ".m4a"
	title, label := fmt.Sprintf("New Recording %d", i+1), at.Format("2006-01-02T15:04:05Z")
	var folderRef, evicted any
	path := any(name)
	switch kind {
	case memoNamed:
		title, folderRef = fmt.Sprintf("About the %s %d", pick(r, things), i+1), folder
		label = title
	case memoEvicted:
		path = nil
	case memoDeleted:
		evicted = cocoa(at.Add(48 * time.Hour))
	}
	var transcript []byte
	if w.major >= 18 && kind != memoAuto {
		t, err := memoTranscript(strings.SplitAfter(paragraph(r, 2), " "))
		if err != nil {
			return err
		}
		transcript = t
	}
	audio, err := memoAudio(transcript, r.bytes(r.between(64, 4096)))
	if err != nil {
		return err
	}
	sum := sha256.Sum256(audio)
	m.insert(d, "ZCLOUDRECORDING", "CloudRecording", "ZFLAGS", 0, "ZSHAREDFLAGS", 0, "ZFOLDER", folderRef, "ZDATE", cocoa(at),
		"ZDURATION", memoSeconds, "ZEVICTIONDATE", evicted, "ZLOCALDURATION", memoSeconds, "ZCUSTOMLABEL", label,
		"ZCUSTOMLABELFORSORTING", title, "ZENCRYPTEDTITLE", title, "ZPATH", path, "ZUNIQUEID", id, "ZAUDIODIGEST", sum[:])
	if kind == memoEvicted {
		return nil
	}
	domain, dir := w.memosDir()
	if err := w.write(domain, dir+name, audio, at.Add(time.Duration(memoSeconds)*time.Second)); err != nil {
		return err
	}
	if kind != memoEdited {
		return nil
	}
	return memoComposition(w, r, domain, dir+strings.TrimSuffix(name, ".m4a")+".composition/", title, at)
}

// memoComposition is the folder beside an edited recording: a manifest and the
// fragment it was made from.
func memoComposition(w *world, r *rng, domain, dir, title string, at time.Time) error {
	manifest, err := plist.Marshal(map[string]any{"RCSavedRecordingTitle": title, "RCComposedAVURL": "fragments/1.m4a"}, plist.Binary)
	if err != nil {
		return err
	}
	if err := w.write(domain, dir+"manifest.plist", manifest, at.Add(time.Minute)); err != nil {
		return err
	}
	audio, err := memoAudio(nil, r.bytes(64))
	if err != nil {
		return err
	}
	return w.write(domain, dir+"fragments/1.m4a", audio, at.Add(time.Minute))
}

func liveMemos(ctx context.Context, w *world, sp span) error {
	r := w.rng("memos live " + sp.label())
	domain, dir := w.memosDir()
	return liveUpdate(ctx, w, domain, dir+"CloudRecordings.db", sp, r, func(d *db) {
		m := loadModel(d)
		n := m.last["CloudRecording"]
		own := w.rng(fmt.Sprintf("memos live %s after %d", sp.label(), n))
		if d.err == nil {
			// The file ends a few seconds after the recording began.
			at := own.moment(span{sp.from, sp.to.Add(-2 * time.Minute)})
			d.fail(addMemo(w, d, own, m, n-n%5+memoNamed, at, 1))
		}
		m.saveMax(d)
	})
}
