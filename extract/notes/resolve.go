package notes

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strings"
)

// opener opens what is in a locked note.
type opener struct {
	ring   *keyring
	note   cryptoRow // salt and iterations for rows that have none
	locked bool
	shut   bool // the note could not be opened
}

func (o *opener) row(c cryptoRow) cryptoRow {
	if len(c.salt) == 0 || c.iterations == 0 {
		c.salt, c.iterations = o.note.salt, o.note.iterations
	}
	return c
}

// file gives what opens a file whose vector and tag are in asset; nil, false when
// nothing does.
func (o *opener) file(ctx context.Context, c, asset cryptoRow) (*sealedFile, bool) {
	if o.shut {
		return nil, false
	}
	key, err := o.ring.key(ctx, o.row(c))
	if err != nil || len(asset.iv) == 0 {
		return nil, false
	}
	return &sealedFile{key: key, iv: asset.iv, tag: asset.tag}, true
}

// values are what ZENCRYPTEDVALUESJSON has, as far as it is used.
type values struct {
	Mergeable []byte `json:"mergeableData"`
	Title     string `json:"title"`
	Summary   string `json:"summary"`
	Filename  string `json:"filename"`
	URL       string `json:"urlString"`
}

func (o *opener) values(ctx context.Context, c cryptoRow, data []byte) (v values) {
	if !o.locked || o.shut || len(data) == 0 {
		return v
	}
	plain, err := o.ring.open(ctx, o.row(c), data)
	if err != nil || json.Unmarshal(plain, &v) != nil {
		return values{}
	}
	return v
}

// maxLookups is how many attachments of one note are looked for one by one: those that
// the rows of the note do not name.
const maxLookups = 200

// resolver finds the attachments of one note.
type resolver struct {
	*store
	ctx     context.Context //nolint:containedctx // it lives no longer than the call
	n       *Note
	parts   *parts
	open    *opener
	done    map[string]*Attachment
	lookups int
	quick   bool // of files only, and no previews of what has one
}

// resolve puts attachments in their places in a note.
func (s *store) resolve(ctx context.Context, n *Note, p *parts, o *opener) {
	r := &resolver{store: s, ctx: ctx, n: n, parts: p, open: o, done: map[string]*Attachment{}}
	r.document(n.Body)
	for _, a := range p.byNote[n.row] {
		if !a.deleted && a.parent == 0 && r.done[a.id] == nil {
			n.Attachments = append(n.Attachments, r.attachment(a))
		}
	}
}

// document resolves the runs of a body or cell.
func (r *resolver) document(d Document) {
	d.runs(func(run *Run) {
		if run.Ref == "" {
			return
		}
		a := r.done[run.Ref]
		if a == nil {
			a = r.named(run.Ref, run.uti)
			r.n.Attachments = append(r.n.Attachments, a)
		}
		run.attachment = a
		if a.Inline() {
			run.Text = a.Text
		}
	})
}

// named gives the attachment of an identifier; one without a row is missing.
func (r *resolver) named(id, uti string) *Attachment {
	p := r.parts.byID[id]
	if p == nil && r.lookups < maxLookups {
		r.lookups++
		found := &parts{byID: map[string]*part{}, byNote: map[int64][]*part{}, children: map[int64][]*part{}}
		r.addParts(r.ctx, found, silent{}, "o.ZIDENTIFIER = ?", id)
		p = found.byID[id]
	}
	if p != nil {
		return r.attachment(p)
	}
	a := &Attachment{Key: id, Kind: kindOf(uti, ""), Type: uti}
	a.Missing = !a.Inline()
	r.done[id] = a
	return a
}

// attachment reads all about an attachment.
func (r *resolver) attachment(p *part) *Attachment {
	a := &Attachment{Key: p.id, Type: p.uti, Title: cmp.Or(p.user, p.title), URL: p.url, Size: p.size}
	r.done[p.id] = a
	if p.inline {
		a.Kind, a.Text = kindOf(p.uti, ""), p.alt
		if a.Kind == KindNoteLink || a.Kind == KindMention {
			a.URL = p.token
		}
		return a
	}
	var m media
	var err error
	if p.media != 0 {
		if m, err = r.mediaOf(r.ctx, p.media); err != nil {
			a.Error = err.Error()
		}
		m.name = cmp.Or(r.open.values(r.ctx, m.crypto, m.values).Filename, m.name)
	}
	a.Kind, a.Name = kindOf(p.uti, cmp.Or(m.name, p.title)), path.Base("/"+m.name)
	if m.name == "" {
		a.Name = ""
	}
	a.Text = p.ocr
	var sealed sealedPart
	if r.open.locked || a.Kind == KindTable || a.Kind == KindGallery || a.Kind.pictured() {
		if sealed, err = r.sealedOf(r.ctx, p.row); err != nil {
			a.Error = err.Error()
		}
	}
	if v := r.open.values(r.ctx, sealed.crypto, sealed.values); r.open.locked {
		a.Title, a.URL = cmp.Or(a.Title, v.Title), cmp.Or(a.URL, v.URL)
		if len(v.Mergeable) > 0 {
			sealed.mergeable = v.Mergeable
		}
	}
	switch a.Kind {
	case KindTable:
		r.table(a, sealed.mergeable)
	case KindGallery:
		r.gallery(a, p, sealed.mergeable)
	default:
		r.files(a, p, m, sealed)
	}
	return a
}

func (r *resolver) table(a *Attachment, data []byte) {
	if len(data) == 0 {
		a.Missing = true
		return
	}
	t, err := parseTable(data)
	if err != nil {
		a.Error = fmt.Sprintf("read table: %v", err)
	}
	if a.Table = t; t == nil {
		return
	}
	for _, row := range t.Rows {
		for _, cell := range row {
			r.document(cell)
		}
	}
}

func (r *resolver) gallery(a *Attachment, p *part, data []byte) {
	var ids []string
	if len(data) > 0 {
		var err error
		if ids, err = parseGallery(data); err != nil {
			a.Error = fmt.Sprintf("read gallery: %v", err)
		}
	}
	add := func(c *part) {
		if len(a.Items) < maxItems && r.done[c.id] == nil && kindOf(c.uti, "") != KindGallery {
			a.Items = append(a.Items, r.attachment(c))
		}
	}
	for _, id := range ids {
		if c := r.parts.byID[id]; c != nil {
			add(c)
		}
	}
	for _, c := range r.parts.children[p.row] {
		if !c.deleted {
			add(c)
		}
	}
	a.Missing = len(a.Items) == 0
}

// errNoFile says that none of the places where a file could be has one.
var errNoFile = errors.New("no such file")

// files finds the file of an attachment, else a picture of it, and its preview.
func (r *resolver) files(a *Attachment, p *part, m media, sealed sealedPart) {
	if m.id != "" {
		if file, err := r.mediaFile(m); err == nil {
			a.Path = file
			r.seal(a, m.crypto, m.asset)
		} else {
			a.Missing = true
		}
	}
	if a.Path == "" {
		if file, asset, ok := r.fallback(p, sealed); ok {
			a.Path, a.StandIn = file, true
			r.seal(a, sealed.crypto, asset)
		}
	}
	if a.Kind != KindLink && !(r.quick && a.Path != "") {
		r.preview(a, p)
	}
	if a.Path == "" && a.Preview != "" && (a.Kind.pictured() || a.Missing && a.Kind == KindImage) {
		a.Path, a.StandIn, a.sealed = a.Preview, true, a.sealedPreview
	}
	if a.Kind.pictured() && a.Path == "" {
		a.Missing = true
	}
	if a.Path != "" && a.Name == "" {
		a.Name = defaultName(a)
	}
}

// seal notes how an encrypted file opens.
func (r *resolver) seal(a *Attachment, c, asset cryptoRow) {
	if !r.open.locked {
		return
	}
	if len(asset.iv) == 0 {
		asset = c
	}
	sealed, ok := r.open.file(r.ctx, c, asset)
	a.Sealed, a.sealed, a.shut = true, sealed, !ok
}

func (r *resolver) preview(a *Attachment, p *part) {
	list, err := r.previewsOf(r.ctx, p.row)
	if err != nil {
		return
	}
	for _, v := range list {
		file, err := r.previewFile(v)
		if err != nil {
			continue
		}
		if r.open.locked {
			sealed, ok := r.open.file(r.ctx, v.crypto, v.crypto)
			if !ok {
				continue
			}
			a.sealedPreview = sealed
		}
		a.Preview = file
		return
	}
}

// defaultName is what a file is called that has no name of its own.
func defaultName(a *Attachment) string {
	name := cmp.Or(a.Title, strings.ToUpper(string(a.Kind[:1]))+string(a.Kind[1:]))
	ext := path.Ext(strings.TrimSuffix(a.Path, ".encrypted"))
	if strings.EqualFold(path.Ext(name), ext) {
		return name
	}
	return name + ext
}
