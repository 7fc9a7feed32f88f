package appdata

import (
	"context"
	"fmt"
	"time"
)

const voicemailDir = "Library/Voicemail/"

// Flags of a voicemail (content-schemas.md 5).
const (
	voicemailRecent  = 3
	voicemailOld     = 67
	voicemailDeleted = 75
)

func createVoicemail(ctx context.Context, w *world) error {
	r := w.rng("voicemail")
	// The one database that phones do not keep in WAL mode.
	f := dbFile{path: w.path(homeDomain, voicemailDir+"voicemail.db"), legacy: true, mtime: w.now.Add(-6 * time.Hour)}
	label := r.guid()
	err := build(ctx, f, func(d *db) {
		d.schema("voicemail.sql")
		for _, kv := range [][2]string{{"FilesCleaned", "1"}, {"_ClientVersion", "10"}, {"__CSDBRecordSequenceNumber", "1"}} {
			d.insert("_SqliteDatabaseProperties", "key", kv[0], "value", kv[1])
		}
		d.insert("map", "ROWID", 1, "account", "8900000000000000000", "label", label)
		for i, at := range r.moments(w.n.voicemails, span{w.begin(), w.now.Add(-6 * time.Hour)}) {
			d.fail(addVoicemail(w, d, r, i+1, at, label))
		}
		// One that is gone: its row moved to the other table, its file is no more.
		last := w.n.voicemails + 1
		at := w.now.AddDate(0, -2, 0)
		d.insert("deleted", "ROWID", last, "remote_uid", last, "date", at.Unix(), "token", "Complete", "sender", w.people[0].phone(),
			"callback_num", w.people[0].phone(), "duration", 7, "expiration", at.AddDate(0, 0, 30).Unix(), "trashed_date", cocoaSeconds(at), "flags", voicemailDeleted,
			"receiver", w.me.phone(), "label", label)
	})
	if err != nil {
		return err
	}
	return w.write(homeDomain, voicemailDir+"Greeting.amr", silentAMR(4), w.begin())
}

// addVoicemail writes a row, its sound and, for two of three, its transcript.
// Every fourth is in the trash, every fifth from a withheld number.
func addVoicemail(w *world, d *db, r *rng, id int, at time.Time, label string) error {
	seconds := r.between(2, 45)
	p := pick(r, w.people)
	flags, trashed, sender := voicemailOld, int64(0), any(p.phone())
	switch {
	case id%4 == 0:
		flags, trashed = voicemailDeleted, cocoaSeconds(at.Add(5*time.Hour))
	case id%4 == 3:
		flags = voicemailRecent
	}
	if id%5 == 0 {
		sender = nil
	}
	d.insert("voicemail", "ROWID", id, "remote_uid", 100+id, "date", at.Unix(), "token", "Complete", "sender", sender, "callback_num", sender,
		"duration", seconds, "expiration", at.AddDate(0, 0, 40).Unix(), "trashed_date", trashed, "flags", flags, "receiver", w.me.phone(), "label", label)
	if err := w.write(homeDomain, fmt.Sprintf("%s%d.amr", voicemailDir, id), silentAMR(seconds), at); err != nil {
		return err
	}
	if id%3 == 0 {
		return nil
	}
	t, err := voicemailTranscript("Hello, it is " + p.first + ". " + paragraph(r, 2))
	if err != nil {
		return err
	}
	return w.write(homeDomain, fmt.Sprintf("%s%d.transcript", voicemailDir, id), t, at.Add(30*time.Second))
}

// voicemailTranscript is a keyed archive of text and confidence (content-schemas.md 5).
func voicemailTranscript(text string) ([]byte, error) {
	a := newArchive()
	return a.encode(a.object([]string{"VMVoicemailTranscript", "NSObject"},
		field{"transcriptionString", a.add(text)}, field{"confidence", 0.86}))
}

func liveVoicemail(ctx context.Context, w *world, sp span) error {
	r := w.rng("voicemail live " + sp.label())
	at := r.moment(sp)
	f := dbFile{path: w.path(homeDomain, voicemailDir+"voicemail.db"), legacy: true, mtime: at}
	return ifThere(update(ctx, f, false, 0, func(d *db) {
		id := d.number("SELECT max(seq) FROM sqlite_sequence WHERE name IN ('voicemail', 'deleted')") + 1
		label := d.text("SELECT label FROM map ORDER BY ROWID LIMIT 1")
		if d.err == nil {
			d.fail(addVoicemail(w, d, r, int(id), at.Add(-time.Minute), label))
		}
	}))
}
