package appdata

import (
	"crypto/sha256"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/google/uuid"
)

// file is something sent with a message.
type file struct {
	name    string // as the sender called it
	uti     string
	mime    string
	data    []byte
	members map[string][]byte // a folder instead of a file: name → content
	absent  bool              // the row has a path, the phone has no file
	purged  bool              // the row has no path either
	sticker bool
	hidden  bool
	varPath bool   // path written as /var/mobile/… rather than ~/…
	guid    string // set by attach
}

// artwork keeps a few drawn pictures, so that thousands of attachments need
// not be drawn each.
type artwork struct {
	jpegs, pngs [][]byte
}

// newArtwork draws n pictures of each kind.
func newArtwork(r *rng, n int) (*artwork, error) {
	a := &artwork{}
	for range n {
		j, err := drawJPEG(r, 320, 240)
		if err != nil {
			return nil, fmt.Errorf("draw picture: %w", err)
		}
		p, err := drawPNG(r, 96, 160)
		if err != nil {
			return nil, fmt.Errorf("draw picture: %w", err)
		}
		a.jpegs, a.pngs = append(a.jpegs, j), append(a.pngs, p)
	}
	return a, nil
}

// attachment makes a file of a common kind and of the phone's usual size.
func (a *artwork) attachment(w *world, r *rng) file {
	size := r.between(w.n.minFile, w.n.maxFile)
	switch n := r.IntN(20); {
	case n < 12:
		return file{name: fmt.Sprintf("IMG_%04d.jpeg", r.IntN(10000)), uti: "public.jpeg", mime: "image/jpeg", data: a.jpeg(r, size)}
	case n < 16:
		return file{name: fmt.Sprintf("Screenshot %d.png", r.IntN(10000)), uti: "public.png", mime: "image/png", data: a.png(r, size)}
	case n < 18:
		return voiceMessage(r)
	case n < 19:
		return file{name: "Timetable.pdf", uti: "com.adobe.pdf", mime: "application/pdf", data: smallPDF(r, size)}
	}
	return contactFile(pick(r, w.people))
}

func (a *artwork) jpeg(r *rng, size int) []byte { return padJPEG(r, pick(r, a.jpegs), size) }
func (a *artwork) png(r *rng, size int) []byte  { return padPNG(r, pick(r, a.pngs), size) }

func voiceMessage(r *rng) file {
	return file{name: "Audio Message.amr", uti: "org.3gpp.adaptive-multi-rate-audio", mime: "audio/amr", data: silentAMR(r.between(2, 20))}
}

func contactFile(p person) file {
	card := strings.Join([]string{"BEGIN:VCARD", "VERSION:3.0", "N:" + p.last + ";" + p.first + ";;;", "FN:" + p.name(),
		"TEL;type=CELL:" + p.phone(), "EMAIL;type=HOME:" + p.mail(), "END:VCARD", ""}, "\r\n")
	return file{name: p.name() + ".vcf", uti: "public.vcard", mime: "text/vcard", data: []byte(card)}
}

// smallPDF makes a one-page document with a comment of random letters.
func smallPDF(r *rng, size int) []byte {
	const body = "%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n" +
		"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]>>endobj\n"
	xref := "xref\n0 4\n0000000000 65535 f \n0000000009 00000 n \n0000000052 00000 n \n0000000101 00000 n \n" +
		"trailer<</Size 4/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n"
	pad := fmt.Sprintf("%%%X\n", r.bytes(max(8, (size-len(body)-len(xref))/2)))
	return []byte(body + pad + fmt.Sprintf(xref, len(body)+len(pad)))
}

// attach adds files to a message: each is a part of its own, a U+FFFC in the
// text that carries the attachment's guid, before the text if there is any.
func (b *smsBook) attach(m *message, files ...file) {
	var runs []textRun
	for i := range files {
		files[i].guid = b.r.guid()
		if !m.fromMe {
			files[i].guid = fmt.Sprintf("at_%d_%s", i, files[i].guid)
		}
		runs = append(runs, textRun{"\ufffc", []attribute{
			{attrTransfer, files[i].guid}, {attrDirection, tsLong(-1)}, {attrPart, tsInt(len(m.files) + i)}}})
	}
	m.files = append(m.files, files...)
	m.parts = len(m.files)
	m.text = nil
	m.body = encodeBody(runs, !m.fromMe)
}

// attachText is attach with a text after the files.
func (b *smsBook) attachText(m *message, text string, files ...file) {
	b.attach(m, files...)
	var runs []textRun
	for i, f := range m.files {
		runs = append(runs, textRun{"\ufffc", []attribute{{attrTransfer, f.guid}, {attrDirection, tsLong(-1)}, {attrPart, tsInt(i)}}})
	}
	runs = append(runs, textRun{text, []attribute{{attrPart, tsInt(len(m.files))}}})
	m.body, m.parts = encodeBody(runs, !m.fromMe), len(m.files)+1
}

// addFile writes an attachment's row, its join and what is on disk.
func (b *smsBook) addFile(messageID int, m message, f file) {
	b.lastAtt++
	rel := attachmentPath(f)
	var filename any = "~/" + rel
	if f.varPath {
		filename = "/var/mobile/" + rel
	}
	state := 5 // transferred
	if f.purged {
		filename, state = nil, 0
	}
	size := len(f.data)
	for _, part := range f.members {
		size += len(part)
	}
	b.d.insert("attachment", "ROWID", b.lastAtt, "guid", f.guid, "created_date", cocoaSeconds(m.date), "start_date", cocoaSeconds(m.date),
		"filename", filename, "uti", f.uti, "mime_type", orNull(f.mime), "transfer_state", state, "is_outgoing", flag(m.fromMe),
		"transfer_name", f.name, "total_bytes", size, "is_sticker", flag(f.sticker), "hide_attachment", flag(f.hidden), "original_guid", f.guid)
	b.d.insert("message_attachment_join", "message_id", messageID, "attachment_id", b.lastAtt)
	if f.absent || f.purged || b.d.err != nil {
		return
	}
	b.d.fail(b.writeFile(rel, f, m.date))
}

func (b *smsBook) writeFile(rel string, f file, at time.Time) error {
	if f.members == nil {
		return b.w.write(mediaDomain, rel, f.data, at)
	}
	for name, data := range f.members {
		if err := b.w.write(mediaDomain, rel+"/"+name, data, at); err != nil {
			return err
		}
	}
	return nil
}

// attachmentPath is Library/SMS/Attachments/8a/10/<guid>/<name>: the second
// folder is the first's low digit, in decimal.
func attachmentPath(f file) string {
	h := sha256.Sum256([]byte(f.guid))
	if f.sticker {
		return path.Join("Library/SMS/StickerCache", f.guid, f.name)
	}
	return fmt.Sprintf("Library/SMS/Attachments/%02x/%02d/%s/%s", h[0], h[0]&15, f.guid, f.name)
}

// guidOf gives a fixed UUID for a name.
func guidOf(name string) string { return guidString(uuid.NewSHA1(uuid.NameSpaceURL, []byte(name))) }
