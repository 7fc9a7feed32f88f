package appdata

import (
	"context"
	"encoding/json"
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
		t.add(noteRun{style: styleChecklist, indent: 2, todo: b.r.uuid(), done: s == styleDashed, text: "to be checked\n"})
	}
	t.line(styleSubheading, "Who comes")
	t.add(noteRun{style: styleBody, weight: 1, text: "Bold"}, noteRun{style: styleBody, text: ", "}, noteRun{style: styleBody, weight: 2, text: "italic"},
		noteRun{style: styleBody, text: ", "}, noteRun{style: styleBody, weight: 3, text: "both"}, noteRun{style: styleBody, underline: true, text: " underlined"},
		noteRun{style: styleBody, strike: true, text: " struck"}, noteRun{style: styleBody, text: " x"}, noteRun{style: styleBody, script: 1, text: "2"},
		noteRun{style: styleBody, text: " H"}, noteRun{style: styleBody, script: -1, text: "2"}, noteRun{style: styleBody, text: "O "},
		noteRun{style: styleBody, colour: true, text: "red "}, noteRun{style: styleBody, link: "https://www.example.org/walks", text: "a link 🥾"},
		noteRun{style: styleBody, text: "\n"})
	t.add(noteRun{style: styleBody, align: 1, text: "centred\n"}, noteRun{style: styleBody, align: 2, text: "to the right\n"},
		noteRun{style: styleBody, align: 3, text: "justified\n"}, noteRun{style: styleBody, quote: true, text: "a quotation\n"},
		noteRun{style: styleBody, quote: true, weight: 2, text: "of two lines\n"})
	t.line(styleMono, "ls -l | wc")
	t.line(styleMono, "\techo '<b>*not bold*</b>' # `date`")
	if b.w.major >= 18 {
		t.add(noteRun{style: styleBody, emphasis: 3, text: "marked"}, noteRun{style: styleBody, text: " and not\n"})
	}
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
	b.object("ICAttachment", pk, append(append([]any{"ZIDENTIFIER", id, "ZTYPEUTI", uti, "ZNOTE", note, "ZACCOUNT1", b.account, "ZMARKEDFORDELETION", 0,
		"ZCREATIONDATE", cocoa(t.when), "ZMODIFICATIONDATE", cocoa(t.when)}, missing([]any{"ZISPASSWORDPROTECTED", 0}, kv)...), kv...)...)
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

// rightToLeftTable is one whose first column is on the right.
func (b *noteBook) rightToLeftTable(t *noteText, note int) {
	data, err := encodeTableOf(b.r, t.when, [][]string{{"שם", "מספר"}, {"שלום", "1"}}, "CRTableColumnDirectionRightToLeft")
	b.d.fail(err)
	b.attachment(t, note, "com.apple.notes.table", "ZMERGEABLEDATA1", data)
}

// pictureNote has an image; if it is not there, it is only in iCloud. If it is, there
// is one of everything else, too.
func (b *noteBook) pictureNote(t *noteText, note int, there bool) {
	t.line(styleTitle, "The "+pick(b.r, places))
	pic, err := drawJPEG(b.r, 160, 120)
	b.d.fail(err)
	att, id := b.fileAttachment(t, note, "public.jpeg", "IMG_0042.jpeg", padJPEG(b.r, pic, b.w.n.minFile), there, "ZSIZEWIDTH", 160.0, "ZSIZEHEIGHT", 120.0)
	t.line(styleBody, paragraph(b.r, 1))
	if !there || b.d.err != nil {
		return
	}
	b.preview(t, att, id)
	b.everything(t, note)
}

// fileAttachment is one with a file of its own.
func (b *noteBook) fileAttachment(t *noteText, note int, uti, name string, data []byte, there bool, kv ...any) (pk int, id string) {
	media := b.m.next("ICMedia")
	pk, id = b.attachment(t, note, uti, append([]any{"ZMEDIA", media, "ZFILESIZE", len(data), "ZTITLE", name}, kv...)...)
	b.media(t, media, pk, name, data, there)
	return pk, id
}

// media writes the row of a file, and the file.
func (b *noteBook) media(t *noteText, pk, attachment int, name string, data []byte, there bool) {
	id, generation := b.r.guid(), "1_"+b.r.guid()
	b.object("ICMedia", pk, "ZIDENTIFIER", id, "ZFILENAME", name, "ZATTACHMENT1", attachment, "ZACCOUNT6", b.account, "ZMARKEDFORDELETION", 0, "ZGENERATION1", generation)
	if there && b.d.err == nil {
		b.d.fail(b.w.write(notesDomain, b.mediaDir(id, generation)+name, data, t.when))
	}
}

// mediaDir is where the file of a media row lies; since iOS 17 in a folder of its own
// for every version of it.
func (b *noteBook) mediaDir(id, generation string) string {
	dir := fmt.Sprintf("Accounts/%s/Media/%s/", b.home, id)
	if b.w.major >= 17 {
		dir += generation + "/"
	}
	return dir
}

// everything has a drawing, a scan of two pages, a document, a recording and a page of
// the web.
func (b *noteBook) everything(t *noteText, note int) {
	b.drawing(t, note)
	b.gallery(t, note)
	b.fileAttachment(t, note, "com.adobe.pdf", "Timetable.pdf", tinyPDF, true)
	sound, err := memoAudio(nil, b.r.bytes(64))
	b.d.fail(err)
	b.fileAttachment(t, note, "com.apple.m4a-audio", "Recording.m4a", sound, true, "ZDURATION", memoSeconds)
	b.attachment(t, note, "public.url", "ZURLSTRING", "https://www.example.org/timetable?line=7&day=2", "ZTITLE", "Timetable of line 7")
}

// drawing has no file that others read, but a picture of it.
func (b *noteBook) drawing(t *noteText, note int) {
	pic, err := drawPNG(b.r, 120, 90)
	b.d.fail(err)
	uti, generation := "com.apple.paper", "1_"+b.r.guid()
	if b.w.major < 15 {
		uti = "com.apple.drawing.2"
	}
	_, id := b.attachment(t, note, uti, "ZFALLBACKIMAGEGENERATION", generation, "ZSIZEWIDTH", 120.0, "ZSIZEHEIGHT", 90.0)
	rel := fmt.Sprintf("Accounts/%s/FallbackImages/%s/%s/FallbackImage.png", b.home, id, generation)
	if b.w.major < 17 {
		rel = fmt.Sprintf("Accounts/%s/FallbackImages/%s.jpg", b.home, id)
		pic, err = drawJPEG(b.r, 120, 90)
		b.d.fail(err)
	}
	b.d.fail(b.w.write(notesDomain, rel, pic, t.when))
}

// gallery is a scan of two pages: attachments in an attachment. Since iOS 17 the phone
// also keeps scans as a document [?].
func (b *noteBook) gallery(t *noteText, note int) {
	pages := []string{b.r.guid(), b.r.guid()}
	data, err := encodeGallery(b.r, pages)
	b.d.fail(err)
	parent, _ := b.attachment(t, note, "com.apple.notes.gallery", "ZMERGEABLEDATA1", data, "ZTITLE", "Scanned documents")
	for i, id := range pages {
		pic, err := drawJPEG(b.r, 90, 120)
		b.d.fail(err)
		pk, media := b.m.next("ICAttachment"), b.m.next("ICMedia")
		b.object("ICAttachment", pk, "ZIDENTIFIER", id, "ZTYPEUTI", "public.jpeg", "ZNOTE", note, "ZPARENTATTACHMENT", parent, "ZACCOUNT1", b.account, "ZMARKEDFORDELETION", 0,
			"ZMEDIA", media, "ZFILESIZE", len(pic), "ZOCRSUMMARY", "page "+fmt.Sprint(i+1))
		b.media(t, media, pk, fmt.Sprintf("Page %d.jpg", i+1), pic, true)
	}
	if b.w.major >= 17 {
		generation := "1_" + b.r.guid()
		_, id := b.attachment(t, note, "com.apple.paper.doc.scan", "ZFALLBACKPDFGENERATION", generation, "ZTITLE", "Letter")
		b.d.fail(b.w.write(notesDomain, fmt.Sprintf("Accounts/%s/FallbackPDFs/%s/%s/FallbackPDF.pdf", b.home, id, generation), tinyPDF, t.when))
	}
}

// tinyPDF is a document of one empty page.
var tinyPDF = []byte("%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n" +
	"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n")

// preview is the small picture the list shows.
func (b *noteBook) preview(t *noteText, attachment int, id string) {
	pk, name, generation := b.m.next("ICAttachmentPreviewImage"), id+"-1-192x144-0", "1_"+b.r.guid()
	pic, err := drawPNG(b.r, 192, 144)
	b.d.fail(err)
	kv := []any{"ZIDENTIFIER", name, "ZATTACHMENT", attachment, "ZWIDTH", 192.0, "ZHEIGHT", 144.0, "ZSCALE", 1.0, "ZVERSION", 1, "ZMARKEDFORDELETION", 0,
		"ZGENERATION", generation}
	rel := fmt.Sprintf("Accounts/%s/Previews/%s.png", b.home, name)
	if b.w.major >= 17 {
		rel = fmt.Sprintf("Accounts/%s/Previews/%s/%s/Preview.png", b.home, name, generation)
	}
	b.object("ICAttachmentPreviewImage", pk, kv...)
	b.d.fail(b.w.write(notesDomain, rel, pic, t.when))
}

const inlineUTI = "com.apple.notes.inlinetextattachment."

// word adds a word that is an object, and its place in the text.
func (b *noteBook) word(t *noteText, note int, uti, text, token string) string {
	pk, id := b.m.next("ICInlineAttachment"), b.r.guid()
	b.object("ICInlineAttachment", pk, "ZIDENTIFIER", id, "ZTYPEUTI1", inlineUTI+uti, "ZALTTEXT", text, "ZTOKENCONTENTIDENTIFIER", token, "ZNOTE1", note,
		"ZACCOUNT4", b.account, "ZMARKEDFORDELETION", 0)
	t.add(noteRun{style: styleBody, text: "\ufffc", attachment: id, uti: inlineUTI + uti})
	return id
}

// hashtagNote has words that are objects, in releases that have them.
func (b *noteBook) hashtagNote(t *noteText, note int) {
	t.line(styleTitle, "Things to repair")
	t.add(noteRun{style: styleBody, text: "For the "})
	if !b.words() {
		t.line(styleBody, "house: "+pick(b.r, things))
		return
	}
	id := b.word(t, note, "hashtag", "#house", "HOUSE")
	tag := b.m.next("ICHashtag")
	b.object("ICHashtag", tag, "ZIDENTIFIER", "hashtag-"+id, "ZDISPLAYTEXT", "house", "ZSTANDARDIZEDCONTENT", "HOUSE", "ZACCOUNT3", b.account, "ZMARKEDFORDELETION", 0)
	t.add(noteRun{style: styleBody, text: ": " + pick(b.r, things) + "\n"}, noteRun{style: styleBody, text: "Ask "})
	b.word(t, note, "mention", "@"+pick(b.r, givenNames), "_"+fmt.Sprintf("%x", b.r.bytes(16)))
	t.add(noteRun{style: styleBody, text: ", see "})
	other := b.d.text("SELECT ZIDENTIFIER FROM ZICCLOUDSYNCINGOBJECT WHERE Z_ENT=? ORDER BY Z_PK LIMIT 1", b.m.num["ICNote"])
	b.word(t, note, "link", "the first note", "applenotes:note/"+strings.ToLower(other)+"?ownerIdentifier=_0")
	t.line(styleBody, ".")
}

// lockedNote is in the password form: salt, count and wrapped key in the note's
// row, vector and tag in both rows. A table and a picture in it are locked, too.
func (b *noteBook) lockedNote(t *noteText, pk int) {
	lock, err := newNoteLock(b.r)
	b.d.fail(err)
	t.line(styleTitle, "Locked "+pick(b.r, things))
	t.line(styleBody, "The spare key is under the "+pick(b.r, things)+".")
	b.lockedTable(t, pk, lock)
	b.lockedPicture(t, pk, lock)
	plain, err := t.encode()
	b.d.fail(err)
	l, err := lock.seal(b.r, plain)
	b.d.fail(err)
	data := b.m.insert(b.d, "ZICNOTEDATA", "ICNoteData", "ZNOTE", pk, "ZDATA", l.data, "ZCRYPTOINITIALIZATIONVECTOR", l.iv, "ZCRYPTOTAG", l.tag)
	b.noteRow(pk, data, t, b.folders.notes, t.title(), "", append([]any{"ZISPASSWORDPROTECTED", 1, "ZPASSWORDHINT", noteHint}, l.columns()...)...)
}

// lockedTable has its cells in the encrypted values of its row.
func (b *noteBook) lockedTable(t *noteText, note int, lock noteLock) {
	table, err := encodeTable(b.r, t.when, [][]string{{"Door", "Code"}, {"Garage", "4711"}})
	b.d.fail(err)
	values, err := json.Marshal(map[string]any{"mergeableData": table})
	b.d.fail(err)
	l, err := lock.seal(b.r, values)
	b.d.fail(err)
	b.attachment(t, note, "com.apple.notes.table", append([]any{"ZISPASSWORDPROTECTED", 1, "ZENCRYPTEDVALUESJSON", l.data}, l.columns()...)...)
}

// lockedPicture has a file named by its identifier.
func (b *noteBook) lockedPicture(t *noteText, note int, lock noteLock) {
	pic, err := drawJPEG(b.r, 120, 90)
	b.d.fail(err)
	l, err := lock.seal(b.r, pic)
	b.d.fail(err)
	values, err := json.Marshal(map[string]any{"filename": "Safe.jpeg"})
	b.d.fail(err)
	v, err := lock.seal(b.r, values)
	b.d.fail(err)
	media, id, generation := b.m.next("ICMedia"), b.r.guid(), "1_"+b.r.guid()
	att, _ := b.attachment(t, note, "public.jpeg", append([]any{"ZISPASSWORDPROTECTED", 1, "ZMEDIA", media, "ZFILESIZE", len(pic)}, v.columns()...)...)
	kv := append([]any{"ZIDENTIFIER", id, "ZATTACHMENT1", att, "ZACCOUNT6", b.account, "ZMARKEDFORDELETION", 0, "ZGENERATION1", generation, "ZISPASSWORDPROTECTED", 1,
		"ZENCRYPTEDVALUESJSON", v.data, "ZASSETCRYPTOINITIALIZATIONVECTOR", l.iv, "ZASSETCRYPTOTAG", l.tag}, v.columns()...)
	// One key opens the values and the file, each with a vector of its own.
	b.object("ICMedia", media, kv...)
	if b.d.err == nil {
		b.d.fail(b.w.write(notesDomain, b.mediaDir(id, generation)+id, l.data, t.when))
	}
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
