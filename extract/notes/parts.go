package notes

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/internal/sqlitefs"
)

// maxParts is how many attachments of a batch of notes are looked at.
const maxParts = 200_000

// part is a row of an attachment, or of a word that is one.
type part struct {
	row, note, parent int64
	id, uti           string
	inline            bool
	deleted           bool
	media             int64
	title, user       string
	summary, ocr      string
	alt, token        string
	url               string
	size              int64
	imageGeneration   string
	pdfGeneration     string
}

// parts are the attachments of a batch of notes.
type parts struct {
	byID     map[string]*part
	byNote   map[int64][]*part
	children map[int64][]*part // of galleries
}

func (p *parts) add(a *part) bool {
	if p.byID[a.id] != nil || a.id == "" || len(p.byID) >= maxParts {
		return false
	}
	p.byID[a.id] = a
	p.byNote[a.note] = append(p.byNote[a.note], a)
	if a.parent != 0 {
		p.children[a.parent] = append(p.children[a.parent], a)
	}
	return true
}

// attachments reads the rows of the attachments of notes. What fails is reported: the
// notes are given with what was read.
func (s *store) attachments(ctx context.Context, heads []*head, rep extract.Reporter) *parts {
	p := &parts{byID: map[string]*part{}, byNote: map[int64][]*part{}, children: map[int64][]*part{}}
	rowsOf := make([]int64, len(heads))
	for i, h := range heads {
		rowsOf[i] = h.row
	}
	list, args := marks(rowsOf)
	for _, c := range numbered(s.db, objects, "ZNOTE") {
		s.addParts(ctx, p, rep, "o."+c+" IN ("+list+")", args...)
	}
	var galleries []int64
	for _, a := range p.byID {
		if kindOf(a.uti, "") == KindGallery && len(galleries) < 10_000 {
			galleries = append(galleries, a.row)
		}
	}
	if len(galleries) > 0 {
		list, args := marks(galleries)
		for _, c := range numbered(s.db, objects, "ZPARENTATTACHMENT") {
			s.addParts(ctx, p, rep, "o."+c+" IN ("+list+")", args...)
		}
	}
	return p
}

// addParts reads rows of attachments and words that fulfil a condition.
func (s *store) addParts(ctx context.Context, p *parts, rep extract.Reporter, condition string, args ...any) {
	if ctx.Err() != nil {
		return
	}
	entities := "(" + s.is("ICAttachment", "ZTYPEUTI") + " OR " + s.is("ICInlineAttachment", "ZTYPEUTI1") + ")"
	query := "SELECT " + strings.Join([]string{"o.Z_PK", s.column(numbered(s.db, objects, "ZNOTE")...), s.column(numbered(s.db, objects, "ZPARENTATTACHMENT")...),
		limited(s.column("ZIDENTIFIER"), 300), limited(s.column(numbered(s.db, objects, "ZTYPEUTI")...), 300), s.column("ZMARKEDFORDELETION"), s.column("ZMEDIA"),
		limited(s.column("ZTITLE"), 500), limited(s.column("ZUSERTITLE"), 500), limited(s.column("ZSUMMARY"), 100_000), limited(s.column("ZOCRSUMMARY", "ZADDITIONALINDEXABLETEXT"), 100_000),
		limited(s.column("ZALTTEXT"), 10_000), limited(s.column("ZTOKENCONTENTIDENTIFIER"), 1000), limited(s.column("ZURLSTRING", "ZREMOTEFILEURLSTRING"), 8192), s.column("ZFILESIZE"),
		limited(s.column("ZFALLBACKIMAGEGENERATION"), 300), limited(s.column("ZFALLBACKPDFGENERATION"), 300)}, ", ") +
		" FROM " + objects + " o WHERE " + entities + " AND " + condition + " ORDER BY o.Z_PK"
	err := s.rows(ctx, func(r *sql.Rows) error {
		var a part
		var pk, note, parent, marked, media, size sqlitefs.Int
		var id, uti, title, user, summary, ocr, alt, token, url, image, pdf sqlitefs.Text
		if err := r.Scan(&pk, &note, &parent, &id, &uti, &marked, &media, &title, &user, &summary, &ocr, &alt, &token, &url, &size, &image, &pdf); err != nil {
			return s.db.Err(ctx, err)
		}
		a = part{row: pk.Int, note: note.Int, parent: parent.Int, id: id.String, uti: uti.String, inline: strings.HasPrefix(uti.String, inlinePrefix), deleted: marked.Bool(),
			media: media.Int, title: title.String, user: user.String, summary: summary.String, ocr: ocr.String, alt: alt.String, token: token.String, url: url.String,
			size: size.Int, imageGeneration: image.String, pdfGeneration: pdf.String}
		p.add(&a)
		return nil
	}, query, args...)
	if err != nil && ctx.Err() == nil {
		rep.Report(&extract.Problem{Kind: kind, What: "attachments", Err: fmt.Errorf("read attachments: %w", err)})
	}
}

// media is the row of a file.
type media struct {
	id, name, generation string
	values               []byte // ZENCRYPTEDVALUESJSON
	crypto               cryptoRow
	asset                cryptoRow // only vector and tag: of the file
}

func (s *store) mediaOf(ctx context.Context, pk int64) (m media, err error) {
	query := "SELECT " + strings.Join([]string{limited(s.column("ZIDENTIFIER"), 300), limited(s.column("ZFILENAME"), 1000), limited(s.column("ZGENERATION1", "ZGENERATION"), 300),
		s.column("ZENCRYPTEDVALUESJSON"), s.column("ZASSETCRYPTOINITIALIZATIONVECTOR"), s.column("ZASSETCRYPTOTAG"), s.cryptoColumns()}, ", ") +
		" FROM " + objects + " o WHERE o.Z_PK = ?"
	err = s.rows(ctx, func(r *sql.Rows) error {
		var id, name, generation sqlitefs.Text
		var values sqlitefs.Blob
		var n sqlitefs.Int
		if err := r.Scan(&id, &name, &generation, &values, &m.asset.iv, &m.asset.tag, &m.crypto.salt, &m.crypto.wrapped, &m.crypto.iv, &m.crypto.tag, &n); err != nil {
			return s.db.Err(ctx, err)
		}
		m.id, m.name, m.generation, m.values, m.crypto.iterations = id.String, name.String, generation.String, values, n.Int
		return nil
	}, query, pk)
	return m, err
}

// sealedPart is what the row of an attachment has of a locked note.
type sealedPart struct {
	values     []byte // ZENCRYPTEDVALUESJSON
	mergeable  []byte
	crypto     cryptoRow
	image, pdf cryptoRow // only vector and tag: of the fallbacks
}

// sealedOf reads the large columns of an attachment's row.
func (s *store) sealedOf(ctx context.Context, pk int64) (v sealedPart, err error) {
	query := "SELECT " + strings.Join([]string{s.column("ZENCRYPTEDVALUESJSON"), s.column(numbered(s.db, objects, "ZMERGEABLEDATA")...),
		s.column("ZFALLBACKIMAGECRYPTOINITIALIZATIONVECTOR"), s.column("ZFALLBACKIMAGECRYPTOTAG"), s.column("ZFALLBACKPDFCRYPTOINITIALIZATIONVECTOR"),
		s.column("ZFALLBACKPDFCRYPTOTAG"), s.cryptoColumns()}, ", ") + " FROM " + objects + " o WHERE o.Z_PK = ?"
	err = s.rows(ctx, func(r *sql.Rows) error {
		var values, mergeable sqlitefs.Blob
		var n sqlitefs.Int
		if err := r.Scan(&values, &mergeable, &v.image.iv, &v.image.tag, &v.pdf.iv, &v.pdf.tag, &v.crypto.salt, &v.crypto.wrapped, &v.crypto.iv, &v.crypto.tag, &n); err != nil {
			return s.db.Err(ctx, err)
		}
		v.values, v.mergeable, v.crypto.iterations = values, mergeable, n.Int
		return nil
	}, query, pk)
	return v, err
}

// preview is a row of a small picture.
type preview struct {
	id, generation string
	crypto         cryptoRow
}

// previewJoin is the condition that a small picture is one of an attachment's, by the
// table between them of iOS 9: its name and columns have numbers of entities; "" when
// there is none.
func (s *store) previewJoin() string {
	for _, t := range s.db.Tables() {
		if !strings.HasPrefix(t, "Z_") || !strings.HasSuffix(t, "PREVIEWIMAGES") {
			continue
		}
		var attachment, picture string
		for _, c := range s.db.Columns(t) {
			switch {
			case strings.HasSuffix(c, "ATTACHMENTS"):
				attachment = c
			case strings.HasSuffix(c, "PREVIEWIMAGES"):
				picture = c
			}
		}
		if attachment != "" && picture != "" {
			return "o.Z_PK IN (SELECT j." + sqlitefs.Quote(picture) + " FROM " + sqlitefs.Quote(t) + " j WHERE j." + sqlitefs.Quote(attachment) + " = ?)"
		}
	}
	return ""
}

// previewsOf are the small pictures of an attachment, the largest first.
func (s *store) previewsOf(ctx context.Context, pk int64) (list []preview, err error) {
	of := "o.ZATTACHMENT = ?"
	if !s.db.Has(objects, "ZATTACHMENT") {
		if of = s.previewJoin(); of == "" {
			return nil, nil
		}
	}
	query := "SELECT " + strings.Join([]string{limited(s.column("ZIDENTIFIER"), 300), limited(s.column("ZGENERATION", "ZGENERATION1"), 300), s.cryptoColumns()}, ", ") +
		" FROM " + objects + " o WHERE " + s.is("ICAttachmentPreviewImage", "ZSCALE") + " AND " + of + " ORDER BY coalesce(" + s.column("ZAPPEARANCETYPE") +
		", 0), coalesce(" + s.column("ZWIDTH") + ", 0) * coalesce(" + s.column("ZSCALE") + ", 1) DESC, o.Z_PK LIMIT 20"
	err = s.rows(ctx, func(r *sql.Rows) error {
		var id, generation sqlitefs.Text
		var n sqlitefs.Int
		var p preview
		if err := r.Scan(&id, &generation, &p.crypto.salt, &p.crypto.wrapped, &p.crypto.iv, &p.crypto.tag, &n); err != nil {
			return s.db.Err(ctx, err)
		}
		p.id, p.generation, p.crypto.iterations = id.String, generation.String, n.Int
		list = append(list, p)
		return nil
	}, query, pk)
	return list, err
}
