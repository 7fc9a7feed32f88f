package appdata

import (
	"context"
	"fmt"
	"strings"
	"time"
)

const noteStore = "NoteStore.sqlite"

// noteEntities are those of iOS 17.3; later models have one more before
// ICAttachment, which the seed decides.
var noteEntities = []entity{{name: "ICCloudState"}, {name: "ICCloudSyncingObject"}, {name: "ICAccountData", super: "ICCloudSyncingObject"},
	{name: "ICActivityEvent", super: "ICCloudSyncingObject", optional: true}, {name: "ICAttachment", super: "ICCloudSyncingObject"},
	{name: "ICAttachmentPreviewImage", super: "ICCloudSyncingObject"}, {name: "ICDeviceMigrationState", super: "ICCloudSyncingObject"},
	{name: "ICHashtag", super: "ICCloudSyncingObject"}, {name: "ICInlineAttachment", super: "ICCloudSyncingObject"},
	{name: "ICLegacyTombstone", super: "ICCloudSyncingObject"}, {name: "ICMedia", super: "ICCloudSyncingObject"},
	{name: "ICNote", super: "ICCloudSyncingObject"}, {name: "ICNoteContainer", super: "ICCloudSyncingObject"},
	{name: "ICAccount", super: "ICNoteContainer"}, {name: "ICFolder", super: "ICNoteContainer"}, {name: "ICInvitation"},
	{name: "ICLocation"}, {name: "ICAttachmentLocation", super: "ICLocation"}, {name: "ICNoteData"}, {name: "ICNoteParticipant"},
	{name: "ICServerChangeToken"}}

// entitiesOf leaves out what older releases do not have.
func entitiesOf(major int) []entity {
	var list []entity
	for _, e := range noteEntities {
		if major >= 15 || e.name != "ICHashtag" && e.name != "ICInlineAttachment" {
			list = append(list, e)
		}
	}
	return list
}

// noteBook writes notes and what belongs to them.
type noteBook struct {
	w       *world
	d       *db
	r       *rng
	m       *model
	account int
	home    string // ZIDENTIFIER of the account, a folder name
	folders noteFolders
}

type noteFolders struct{ notes, trash, garden int }

func createNotes(ctx context.Context, w *world) error {
	r := w.rng("notes")
	times := r.moments(w.n.notes, span{w.begin(), w.now.Add(-26 * time.Hour)})
	f := dbFile{path: w.path(notesDomain, noteStore), autoVacuum: 2, mtime: times[len(times)-1]}
	err := build(ctx, f, func(d *db) {
		d.schema("notestore.sql")
		noteColumns(d, w.major)
		m := newModel(r, entitiesOf(w.major))
		for i, name := range []string{"CHANGE", "TRANSACTION", "TRANSACTIONSTRING"} {
			m.add(entity{name: name}, 16001+i)
		}
		b := &noteBook{w: w, d: d, r: r, m: m}
		b.containers()
		for i, at := range times[:len(times)-1] {
			b.note(i, at)
		}
		b.history(times[0])
		m.writeTables(d, r, metadata{})
	})
	if err != nil {
		return err
	}
	// The newest note is only in the log, as on a phone whose Notes is open.
	f.mtime = w.now.Add(-25 * time.Hour)
	return update(ctx, f, true, w.seed, func(d *db) {
		b := openNotes(w, d, r)
		b.note(0, times[len(times)-1])
		b.m.saveMax(d)
	})
}

// noteColumns turns the iOS 17.3 table into that of other releases, by the
// columns that tell them apart (content-schemas.md 7).
func noteColumns(d *db, major int) {
	for _, since := range []struct {
		major   int
		columns []string
	}{
		{14, []string{"ZLASTOPENEDDATE"}},
		{15, []string{"ZACCOUNT5", "ZNOTE1", "ZSMARTFOLDERQUERYJSON", "ZTYPEUTI1", "ZALTTEXT", "ZTOKENCONTENTIDENTIFIER"}},
		{16, []string{"ZACCOUNT6", "ZACCOUNT7", "ZACCOUNT8", "ZCREATIONDATE3"}},
		{17, []string{"ZGENERATION", "ZGENERATION1", "ZPAPERBUNDLEGENERATION", "ZFALLBACKIMAGEGENERATION", "ZFALLBACKPDFGENERATION",
			"ZFALLBACKPDFCRYPTOTAG", "ZFALLBACKPDFCRYPTOINITIALIZATIONVECTOR"}},
	} {
		if major >= since.major {
			continue
		}
		for _, c := range since.columns {
			d.exec("DROP INDEX IF EXISTS ZICCLOUDSYNCINGOBJECT_" + c + "_INDEX")
			d.exec("ALTER TABLE ZICCLOUDSYNCINGOBJECT DROP COLUMN " + c)
		}
	}
	if major >= 18 {
		d.exec("ALTER TABLE ZICCLOUDSYNCINGOBJECT ADD COLUMN ZUNAPPLIEDENCRYPTEDRECORDDATA BLOB")
	}
	if major >= 26 {
		d.exec("ALTER TABLE ZICCLOUDSYNCINGOBJECT ADD COLUMN ZATTRIBUTEDSNIPPET BLOB")
	}
}

// renamed gives what older releases call columns of 17.3; "" is a column they do
// not have. Which account column is a note's is known (content-schemas.md 7), those of
// other entities are guessed in its likeness.
func renamed(major int, ent string) map[string]string {
	m := map[string]string{}
	if major < 17 {
		for _, c := range []string{"ZGENERATION", "ZGENERATION1", "ZFALLBACKIMAGEGENERATION", "ZFALLBACKPDFGENERATION"} {
			m[c] = ""
		}
	}
	if major < 16 {
		m["ZCREATIONDATE3"], m["ZACCOUNT6"], m["ZACCOUNT7"], m["ZACCOUNT8"] = "ZCREATIONDATE1", "ZACCOUNT3", "ZACCOUNT4", "ZACCOUNT5"
		if ent == "ICInlineAttachment" {
			m["ZACCOUNT4"] = "ZACCOUNT2"
		}
	}
	if major < 15 {
		m["ZACCOUNT6"], m["ZACCOUNT7"], m["ZACCOUNT8"], m["ZSMARTFOLDERQUERYJSON"] = "ZACCOUNT2", "ZACCOUNT3", "ZACCOUNT4", ""
	}
	return m
}

// named gives columns as the release calls them.
func (b *noteBook) named(ent string, kv []any) []any {
	names := renamed(b.w.major, ent)
	if len(names) == 0 {
		return kv
	}
	var out []any
	for i := 0; i+1 < len(kv); i += 2 {
		name, ok := kv[i].(string)
		if other, changed := names[name]; ok && changed {
			name = other
		}
		if name != "" {
			out = append(out, name, kv[i+1])
		}
	}
	return out
}

// words tells whether the release has words that are objects: tags, mentions, links.
func (b *noteBook) words() bool { return b.w.major >= 15 }

// object adds a row of any kind of syncing object with the columns all have.
func (b *noteBook) object(ent string, pk int, kv ...any) {
	state := b.m.insert(b.d, "ZICCLOUDSTATE", "ICCloudState", "ZCURRENTLOCALVERSION", 1, "ZINCLOUD", 1, "ZLATESTVERSIONSYNCEDTOCLOUD", 1,
		"ZCLOUDSYNCINGOBJECT", pk, "Z2_CLOUDSYNCINGOBJECT", b.m.num[ent], "ZLOCALVERSIONDATE", cocoa(b.w.now.Add(-48*time.Hour)))
	b.m.insertAs(b.d, "ZICCLOUDSYNCINGOBJECT", ent, pk, b.named(ent, append([]any{"ZISSHAREDIRTY", 0, "ZMINIMUMSUPPORTEDNOTESVERSION", 0,
		"ZNEEDSINITIALFETCHFROMCLOUD", 0, "ZCLOUDSTATE", state, "ZSERVERRECORDDATA", b.r.bytes(96)}, kv...))...)
}

// containers writes the account, with the check value of its password, and
// its folders, one inside another, one smart, and the trash.
func (b *noteBook) containers() {
	b.account, b.home = b.m.next("ICAccount"), b.r.guid()
	salt := b.r.bytes(16)
	verifier, err := wrapWithPassword(salt, b.r.bytes(16))
	b.d.fail(err)
	b.object("ICAccount", b.account, "ZCRYPTOITERATIONCOUNT", noteIterations, "ZISPASSWORDPROTECTED", 1, "ZMARKEDFORDELETION", 0, "ZACCOUNTTYPE", 1,
		"ZOWNER", b.account, "ZNAME", "iCloud", "ZIDENTIFIER", b.home, "ZPASSWORDHINT", noteHint, "ZCRYPTOSALT", salt, "ZCRYPTOVERIFIER", verifier,
		"ZUSERRECORDNAME", fmt.Sprintf("_%x", b.r.bytes(16)), "ZACCOUNTNAMEFORACCOUNTLISTSORTING", "1_iCloud")
	folder := func(id, title string, kind int, parent any, smart any) int {
		pk := b.m.next("ICFolder")
		b.object("ICFolder", pk, "ZCRYPTOITERATIONCOUNT", 0, "ZISPASSWORDPROTECTED", 0, "ZMARKEDFORDELETION", 0, "ZIDENTIFIER", id, "ZTITLE2", title,
			"ZFOLDERTYPE", kind, "ZOWNER", b.account, "ZACCOUNT8", b.account, "ZPARENT", parent, "ZSORTORDER", pk, "ZSMARTFOLDERQUERYJSON", smart,
			"ZACCOUNTNAMEFORACCOUNTLISTSORTING", "1_iCloud")
		return pk
	}
	b.folders.notes = folder("DefaultFolder-CloudKit", "Notes", 0, nil, nil)
	b.folders.trash = folder("TrashFolder-CloudKit", "Recently Deleted", 1, nil, nil)
	outer := folder(b.r.guid(), "House", 0, nil, nil)
	b.folders.garden = folder(b.r.guid(), "Garden", 0, outer, nil)
	if b.w.major >= 15 {
		folder(b.r.guid(), "Checklists", 3, nil, `{"entity":"note","type":{"checklists":{}}}`)
	}
	b.m.insert(b.d, "ZICSERVERCHANGETOKEN", "ICServerChangeToken", "ZDATABASESCOPE", 2, "ZACCOUNT", b.account, "ZOWNERNAME", "__defaultOwner__",
		"ZZONENAME", "Notes", "ZCKSERVERCHANGETOKENDATA", b.r.bytes(64))
}

// noteKinds is how many kinds of note there are; they take turns.
const noteKinds = 12

// note writes the i-th note: its kind is i modulo [noteKinds].
func (b *noteBook) note(i int, at time.Time) {
	pk := b.m.next("ICNote")
	t := &noteText{when: at, id: b.r.uuid()}
	folder, extra := b.folders.notes, []any(nil)
	switch i % noteKinds {
	case 0:
		b.plainNote(t)
	case 1:
		b.richNote(t)
	case 2:
		b.checklist(t)
		extra = []any{"ZHASCHECKLIST", 1, "ZHASCHECKLISTINPROGRESS", 1}
		folder = b.folders.garden
	case 3:
		b.tableNote(t, pk)
	case 4:
		b.pictureNote(t, pk, true)
	case 5:
		b.lockedNote(t, pk)
		return
	case 6:
		b.plainNote(t)
		folder = b.folders.trash
	case 7:
		b.accountKeyNote(t, pk)
		return
	case 8:
		b.hashtagNote(t, pk)
		extra = []any{"ZISPINNED", 1, "ZSERVERSHAREDATA", b.r.bytes(64)}
	case 9:
		b.pictureNote(t, pk, false)
	case 10:
		t.line(styleTitle, pick(b.r, otherScripts))
		t.line(styleBody, strings.Join(otherScripts, " "))
		b.rightToLeftTable(t, pk)
		folder = b.folders.garden
	case 11:
		t.line(styleTitle, "Marked for deletion")
		extra = []any{"ZMARKEDFORDELETION", 1}
	}
	body, err := t.encode()
	b.d.fail(err)
	b.row(pk, t, folder, body, extra...)
}

// row writes the note's row and its body's.
func (b *noteBook) row(pk int, t *noteText, folder int, body []byte, extra ...any) {
	data := b.m.insert(b.d, "ZICNOTEDATA", "ICNoteData", "ZNOTE", pk, "ZDATA", body)
	b.noteRow(pk, data, t, folder, t.title(), t.snippet(), extra...)
}

func (b *noteBook) noteRow(pk, data int, t *noteText, folder int, title, snippet string, extra ...any) {
	defaults := []any{"ZCRYPTOITERATIONCOUNT", 0, "ZISPASSWORDPROTECTED", 0, "ZMARKEDFORDELETION", 0, "ZHASCHECKLIST", 0, "ZHASCHECKLISTINPROGRESS", 0, "ZISPINNED", 0}
	kv := []any{"ZIDENTIFIER", b.r.guid(), "ZTITLE1", title, "ZSNIPPET", orNull(snippet), "ZWIDGETSNIPPET", orNull(snippet), "ZNOTEDATA", data,
		"ZFOLDER", folder, "ZACCOUNT7", b.account, "ZCREATIONDATE3", cocoa(t.when.Add(-20 * time.Minute)), "ZMODIFICATIONDATE1", cocoa(t.when),
		"ZFOLDERMODIFICATIONDATE", cocoa(t.when.Add(-20 * time.Minute)), "ZLASTVIEWEDMODIFICATIONDATE", cocoa(t.when), "ZATTACHMENTVIEWTYPE", 0,
		"ZISSYSTEMPAPER", 0, "ZPAPERSTYLETYPE", 1}
	b.object("ICNote", pk, append(append(kv, missing(defaults, extra)...), extra...)...)
}

// missing gives the pairs of a whose column b does not name.
func missing(a, b []any) []any {
	var out []any
	for i := 0; i+1 < len(a); i += 2 {
		named := false
		for j := 0; j+1 < len(b); j += 2 {
			named = named || a[i] == b[j]
		}
		if !named {
			out = append(out, a[i], a[i+1])
		}
	}
	return out
}

// history writes a little of Core Data's persistent history.
func (b *noteBook) history(at time.Time) {
	for _, s := range []string{"com.apple.mobilenotes", "MobileNotes", "ViewContext"} {
		b.m.insert(b.d, "ATRANSACTIONSTRING", "TRANSACTIONSTRING", "ZNAME", s)
	}
	for i := range 5 {
		tx := b.m.insert(b.d, "ATRANSACTION", "TRANSACTION", "ZBUNDLEIDTS", 1, "ZPROCESSIDTS", 2, "ZCONTEXTNAMETS", 3, "ZTIMESTAMP", cocoa(at)+float64(i))
		b.m.insert(b.d, "ACHANGE", "CHANGE", "ZCHANGETYPE", 0, "ZENTITY", b.m.num["ICNote"], "ZENTITYPK", i+1, "ZTRANSACTIONID", tx)
	}
}
