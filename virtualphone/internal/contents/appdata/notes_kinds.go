package appdata

import (
	"context"
	"fmt"
	"strings"
	"time"
)

func (b *noteBook) plainNote(t *noteText) {
	t.line(styleTitle, "Notes on the "+pick(b.r, things))
	for range b.r.between(1, 4) {
		t.line(styleBody, paragraph(b.r, b.r.between(1, 4)))
	}
}

// richNote has every paragraph style and every look of letters.
func (b *noteBook) richNote(t *noteText) {
	t.line(styleTitle, "A plan for "+pick(b.r, weekdays))
	t.line(styleHeading, "What we need")
	for _, s := range []int{styleDotted, styleDashed, styleNumbered} {
		t.line(s, "one "+pick(b.r, things))
		t.add(noteRun{style: s, indent: 1, text: "and another " + pick(b.r, things) + "\n"})
	}
	t.line(styleSubheading, "Who comes")
	t.add(noteRun{style: styleBody, weight: 1, text: "Bold"}, noteRun{style: styleBody, text: ", "}, noteRun{style: styleBody, weight: 2, text: "italic"},
		noteRun{style: styleBody, text: ", "}, noteRun{style: styleBody, weight: 3, text: "both"}, noteRun{style: styleBody, underline: true, text: " underlined"},
		noteRun{style: styleBody, strike: true, text: " struck"}, noteRun{style: styleBody, text: " x"}, noteRun{style: styleBody, script: 1, text: "2"},
		noteRun{style: styleBody, text: " H"}, noteRun{style: styleBody, script: -1, text: "2"}, noteRun{style: styleBody, text: "O "},
		noteRun{style: styleBody, colour: true, text: "red "}, noteRun{style: styleBody, link: "https://www.example.org/walks", text: "a link 🥾"},
		noteRun{style: styleBody, text: "\n"})
	t.add(noteRun{style: styleBody, align: 1, text: "centred\n"}, noteRun{style: styleBody, quote: true, text: "a quotation\n"})
	t.line(styleMono, "ls -l | wc")
}

func (b *noteBook) checklist(t *noteText) {
	t.line(styleTitle, "Packing")
	for i := range b.r.between(3, 8) {
		t.add(noteRun{style: styleChecklist, indent: i % 2, todo: b.r.uuid(), done: i%3 == 0, text: pick(b.r, things) + "\n"})
	}
	t.line(styleBody, "That is all.")
}

// attachment adds an ICAttachment row and its place in the text.
func (b *noteBook) attachment(t *noteText, note int, uti string, kv ...any) (pk int, id string) {
	pk, id = b.m.next("ICAttachment"), b.r.guid()
	b.object("ICAttachment", pk, append([]any{"ZIDENTIFIER", id, "ZTYPEUTI", uti, "ZNOTE", note, "ZACCOUNT1", b.account, "ZMARKEDFORDELETION", 0,
		"ZISPASSWORDPROTECTED", 0, "ZCREATIONDATE", cocoa(t.when), "ZMODIFICATIONDATE", cocoa(t.when)}, kv...)...)
	t.add(noteRun{style: styleBody, text: "\ufffc", attachment: id, uti: uti}, noteRun{style: styleBody, text: "\n"})
	return pk, id
}

func (b *noteBook) tableNote(t *noteText, note int) {
	t.line(styleTitle, "Who brings what")
	cells := [][]string{{"Name", "Dish", "Until"}}
	for range b.r.between(2, 5) {
		cells = append(cells, []string{pick(b.r, givenNames), pick(b.r, foods) + " 🥧", ""})
	}
	cells[1][2] = pick(b.r, weekdays)
	data, err := encodeTable(b.r, t.when, cells)
	b.d.fail(err)
	b.attachment(t, note, "com.apple.notes.table", "ZMERGEABLEDATA1", data, "ZSUMMARY", "Name\nDish\nUntil")
	t.line(styleBody, "Add yourselves.")
}

// pictureNote has an image; if it is not there, it is only in iCloud.
func (b *noteBook) pictureNote(t *noteText, note int, there bool) {
	t.line(styleTitle, "The "+pick(b.r, places))
	media := b.m.next("ICMedia")
	pic, err := drawJPEG(b.r, 160, 120)
	b.d.fail(err)
	att, id := b.attachment(t, note, "public.jpeg", "ZMEDIA", media, "ZFILESIZE", len(pic), "ZSIZEWIDTH", 160.0, "ZSIZEHEIGHT", 120.0, "ZTITLE", "IMG_0042.jpeg")
	t.line(styleBody, paragraph(b.r, 1))
	mediaID, generation := b.r.guid(), "1_"+b.r.guid()
	dir := fmt.Sprintf("Accounts/%s/Media/%s/", b.home, mediaID)
	kv := []any{"ZIDENTIFIER", mediaID, "ZFILENAME", "IMG_0042.jpeg", "ZATTACHMENT1", att, "ZACCOUNT6", b.account, "ZMARKEDFORDELETION", 0}
	if b.w.major >= 17 {
		kv, dir = append(kv, "ZGENERATION1", generation), dir+generation+"/"
	}
	b.object("ICMedia", media, kv...)
	if !there || b.d.err != nil {
		return
	}
	b.d.fail(b.w.write(notesDomain, dir+"IMG_0042.jpeg", padJPEG(b.r, pic, b.w.n.minFile), t.when))
	b.preview(t, att, id)
}

// preview is the small picture the list shows.
func (b *noteBook) preview(t *noteText, attachment int, id string) {
	pk, name, generation := b.m.next("ICAttachmentPreviewImage"), id+"-1-192x144-0", "1_"+b.r.guid()
	pic, err := drawPNG(b.r, 192, 144)
	b.d.fail(err)
	kv := []any{"ZIDENTIFIER", name, "ZATTACHMENT", attachment, "ZWIDTH", 192.0, "ZHEIGHT", 144.0, "ZSCALE", 1.0, "ZVERSION", 1, "ZMARKEDFORDELETION", 0}
	rel := fmt.Sprintf("Accounts/%s/Previews/%s.png", b.home, name)
	if b.w.major >= 17 {
		kv = append(kv, "ZGENERATION", generation)
		rel = fmt.Sprintf("Accounts/%s/Previews/%s/%s/Preview.png", b.home, name, generation)
	}
	b.object("ICAttachmentPreviewImage", pk, kv...)
	b.d.fail(b.w.write(notesDomain, rel, pic, t.when))
}

// hashtagNote has an inline attachment: a word that is an object.
func (b *noteBook) hashtagNote(t *noteText, note int) {
	t.line(styleTitle, "Things to repair")
	pk, id := b.m.next("ICInlineAttachment"), b.r.guid()
	const uti = "com.apple.notes.inlinetextattachment.hashtag"
	b.object("ICInlineAttachment", pk, "ZIDENTIFIER", id, "ZTYPEUTI1", uti, "ZALTTEXT", "#house", "ZTOKENCONTENTIDENTIFIER", "HOUSE", "ZNOTE1", note,
		"ZACCOUNT4", b.account, "ZMARKEDFORDELETION", 0)
	tag := b.m.next("ICHashtag")
	b.object("ICHashtag", tag, "ZIDENTIFIER", "hashtag-"+id, "ZDISPLAYTEXT", "house", "ZSTANDARDIZEDCONTENT", "HOUSE", "ZACCOUNT3", b.account, "ZMARKEDFORDELETION", 0)
	t.add(noteRun{style: styleBody, text: "For the "}, noteRun{style: styleBody, text: "\ufffc", attachment: id, uti: uti},
		noteRun{style: styleBody, text: ": " + pick(b.r, things) + "\n"})
}

// lockedNote is in the password form: salt, count and wrapped key in the note's
// row, vector and tag in both rows.
func (b *noteBook) lockedNote(t *noteText, pk int) {
	t.line(styleTitle, "Locked "+pick(b.r, things))
	t.line(styleBody, "The spare key is under the "+pick(b.r, things)+".")
	plain, err := t.encode()
	b.d.fail(err)
	l, err := lockBody(b.r, plain)
	b.d.fail(err)
	data := b.m.insert(b.d, "ZICNOTEDATA", "ICNoteData", "ZNOTE", pk, "ZDATA", l.data, "ZCRYPTOINITIALIZATIONVECTOR", l.iv, "ZCRYPTOTAG", l.tag)
	b.noteRow(pk, data, t, b.folders.notes, t.title(), "", "ZISPASSWORDPROTECTED", 1, "ZPASSWORDHINT", noteHint, "ZCRYPTOITERATIONCOUNT", noteIterations,
		"ZCRYPTOSALT", l.salt, "ZCRYPTOWRAPPEDKEY", l.wrappedKey, "ZCRYPTOINITIALIZATIONVECTOR", l.iv, "ZCRYPTOTAG", l.tag)
}

// accountKeyNote is in the form whose key lies elsewhere.
func (b *noteBook) accountKeyNote(t *noteText, pk int) {
	t.line(styleTitle, "Locked with the phone")
	body, err := accountKeyBody(b.r)
	b.d.fail(err)
	iv, tag := b.r.bytes(16), b.r.bytes(16)
	data := b.m.insert(b.d, "ZICNOTEDATA", "ICNoteData", "ZNOTE", pk, "ZDATA", body, "ZCRYPTOINITIALIZATIONVECTOR", iv, "ZCRYPTOTAG", tag)
	b.noteRow(pk, data, t, b.folders.notes, t.title(), "", "ZISPASSWORDPROTECTED", 1, "ZCRYPTOITERATIONCOUNT", 0, "ZCRYPTOWRAPPEDKEY", b.r.bytes(16),
		"ZCRYPTOINITIALIZATIONVECTOR", iv, "ZCRYPTOTAG", tag)
}

// openNotes takes up an existing store.
func openNotes(w *world, d *db, r *rng) *noteBook {
	b := &noteBook{w: w, d: d, r: r, m: loadModel(d)}
	b.account = int(d.number("SELECT Z_PK FROM ZICCLOUDSYNCINGOBJECT WHERE Z_ENT=? ORDER BY Z_PK LIMIT 1", b.m.num["ICAccount"]))
	b.home = d.text("SELECT ZIDENTIFIER FROM ZICCLOUDSYNCINGOBJECT WHERE Z_PK=?", b.account)
	folder := func(where, what string) int {
		return int(d.number("SELECT Z_PK FROM ZICCLOUDSYNCINGOBJECT WHERE Z_ENT=? AND "+where+"=? ORDER BY Z_PK LIMIT 1", b.m.num["ICFolder"], what))
	}
	b.folders = noteFolders{folder("ZIDENTIFIER", "DefaultFolder-CloudKit"), folder("ZIDENTIFIER", "TrashFolder-CloudKit"), folder("ZTITLE2", "Garden")}
	return b
}

// liveNotes rewrites an ordinary note's body under its old title.
func liveNotes(ctx context.Context, w *world, sp span) error {
	r := w.rng("notes live " + sp.label())
	at := r.moment(sp)
	f := dbFile{path: w.path(notesDomain, noteStore), autoVacuum: 2, mtime: at}
	return ifThere(update(ctx, f, true, w.seed^uint64(sp.to.Unix()), func(d *db) {
		b := openNotes(w, d, r)
		pk := d.number(`SELECT Z_PK FROM ZICCLOUDSYNCINGOBJECT WHERE Z_ENT=? AND ZISPASSWORDPROTECTED=0 AND ZFOLDER=? AND ZTITLE1 LIKE 'Notes on the %'
			ORDER BY abs(Z_PK-?), Z_PK LIMIT 1`, b.m.num["ICNote"], b.folders.notes, r.IntN(1000))
		if pk == 0 {
			return
		}
		t := &noteText{when: at, id: r.uuid()}
		t.line(styleTitle, d.text("SELECT ZTITLE1 FROM ZICCLOUDSYNCINGOBJECT WHERE Z_PK=?", pk))
		t.line(styleBody, "Changed on "+at.Format("2 January 2006")+".")
		t.line(styleBody, strings.TrimSpace(paragraph(r, 3)))
		body, err := t.encode()
		d.fail(err)
		d.exec("UPDATE ZICNOTEDATA SET ZDATA=?, Z_OPT=Z_OPT+1 WHERE ZNOTE=?", body, pk)
		d.exec("UPDATE ZICCLOUDSYNCINGOBJECT SET ZMODIFICATIONDATE1=?, ZSNIPPET=?, ZWIDGETSNIPPET=?, Z_OPT=Z_OPT+1 WHERE Z_PK=?",
			cocoa(at.Truncate(time.Second)), t.snippet(), t.snippet(), pk)
	}))
}
