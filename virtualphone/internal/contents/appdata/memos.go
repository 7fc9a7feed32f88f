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
	switch {
	case w.major >= 17:
		return memosDomain, "Recordings/"
	case w.major == 14: // the other place of iOS 12 to 16
		return mediaDomain, "Library/Recordings/"
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
		odd := w.rng("odd memos")
		for _, kind := range []int{memoUntitled, memoLayered, memoSilent} {
			d.fail(addMemoOf(w, d, odd, m, kind, kind, odd.moment(span{w.begin(), w.now.Add(-20 * time.Hour)}), folder))
		}
		d.fail(strayMemo(w, odd))
		m.writeTables(d, r, metadata{})
	})
}

// memoKind cycles: plain, named by the user in a folder, evicted to iCloud,
// deleted but not gone, edited. Of the others there is one each: without a title
// in the database, recorded in layers (QuickTime since iOS 18), and one in which
// nobody speaks.
const (
	memoAuto = iota
	memoNamed
	memoEvicted
	memoDeleted
	memoEdited
	memoUntitled
	memoLayered
	memoSilent
)

// addMemo writes a recording and its file.
func addMemo(w *world, d *db, r *rng, m *model, i int, at time.Time, folder int) error {
	return addMemoOf(w, d, r, m, i, i%5, at, folder)
}

func addMemoOf(w *world, d *db, r *rng, m *model, i, kind int, at time.Time, folder int) error {
	id := r.guid()
	name := at.Format("20060102 150405") + "-" + id[:8] + memoEnding(w, kind)
	text := fmt.Sprintf("New Recording %d", i+1)
	title, sorted, label := any(text), any(text), at.Format("2006-01-02T15:04:05Z")
	var folderRef, evicted any
	path := any(name)
	switch kind {
	case memoNamed:
		text = fmt.Sprintf("About the %s %d", pick(r, things), i+1)
		title, sorted, label, folderRef = text, text, text, folder
	case memoEvicted:
		path = nil
	case memoDeleted:
		evicted = cocoa(at.Add(48 * time.Hour))
	case memoUntitled:
		text, title, sorted = fmt.Sprintf("Where the %s is", pick(r, things)), nil, nil
	}
	audio, err := memoSound(w, r, kind)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(audio)
	m.insert(d, "ZCLOUDRECORDING", "CloudRecording", "ZFLAGS", 0, "ZSHAREDFLAGS", 0, "ZFOLDER", folderRef, "ZDATE", cocoa(at),
		"ZDURATION", memoSeconds, "ZEVICTIONDATE", evicted, "ZLOCALDURATION", memoSeconds, "ZCUSTOMLABEL", label,
		"ZCUSTOMLABELFORSORTING", sorted, "ZENCRYPTEDTITLE", title, "ZPATH", path, "ZUNIQUEID", id, "ZAUDIODIGEST", sum[:])
	if kind == memoEvicted {
		return nil
	}
	domain, dir := w.memosDir()
	if err := w.write(domain, dir+name, audio, at.Add(time.Duration(memoSeconds)*time.Second)); err != nil {
		return err
	}
	if kind != memoEdited && kind != memoUntitled {
		return nil
	}
	return memoComposition(w, r, domain, dir+strings.TrimSuffix(name, ".m4a")+".composition/", text, id, at)
}

// memoEnding is how the file's name ends.
func memoEnding(w *world, kind int) string {
	if kind == memoLayered && w.major >= 18 {
		return ".qta"
	}
	return ".m4a"
}

// memoSound makes the file, since iOS 18 with what was said in it.
func memoSound(w *world, r *rng, kind int) ([]byte, error) {
	var transcript []byte
	var err error
	switch {
	case w.major < 18 || kind == memoAuto:
	case kind == memoSilent:
		transcript, err = memoTranscript(nil)
	default:
		transcript, err = memoTranscript(strings.SplitAfter(paragraph(r, 2), " "))
	}
	if err != nil {
		return nil, err
	}
	filler := r.bytes(r.between(64, 4096))
	if memoEnding(w, kind) == ".qta" {
		return memoQuickTime(transcript, filler)
	}
	return memoAudio(transcript, filler)
}

// strayMemo is a recording that the database does not know, with the picture of
// its sound that the app keeps beside some.
func strayMemo(w *world, r *rng) error {
	domain, dir := w.memosDir()
	at := r.moment(span{w.begin(), w.now.Add(-20 * time.Hour)})
	name := at.Format("20060102 150405")
	audio, err := memoAudio(nil, r.bytes(64))
	if err != nil {
		return err
	}
	if err := w.write(domain, dir+name+".m4a", audio, at); err != nil {
		return err
	}
	return w.write(domain, dir+name+"-track0.waveform", r.bytes(256), at)
}

// memoComposition is the folder beside an edited recording: a manifest and the
// fragment it was made from.
func memoComposition(w *world, r *rng, domain, dir, title, id string, at time.Time) error {
	manifest, err := plist.Marshal(map[string]any{"RCSavedRecordingTitle": title, "RCSavedRecordingUUID": id, "RCSavedRecordingCreationDate": at, "RCComposedAVURL": "fragments/1.m4a"}, plist.Binary)
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
