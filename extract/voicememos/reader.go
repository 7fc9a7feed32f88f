package voicememos

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/mp4"
)

// Reader reads voice memos. It keeps nothing of any source.
type Reader struct{}

// New makes a reader.
func New() *Reader { return &Reader{} }

var (
	_ extract.Exporter = (*Reader)(nil)
	_ extract.Filer    = (*Reader)(nil)
)

// Info implements extract.Extractor.
func (*Reader) Info() extract.Info {
	info := extract.Info{Kind: "voice-memos", Title: "Voice Memos", Groups: "folders", Tables: []extract.Table{{Name: tableName, Title: "Voice memos", Columns: columns}}}
	for _, f := range folders {
		for _, d := range databases {
			info.Paths = append(info.Paths, f+"/"+d, f+"/"+d+"-wal")
		}
		for _, ending := range sounds {
			info.Paths = append(info.Paths, f+"/*"+ending)
		}
		info.Paths = append(info.Paths, f+"/*.composition")
	}
	return info
}

// Groups implements extract.Extractor.
func (*Reader) Groups(ctx context.Context, src *extract.Source) ([]extract.Group, error) {
	l, err := load(ctx, src, quiet{})
	if err != nil {
		return nil, err
	}
	return l.groups, nil
}

// quiet leaves problems to be told by Read.
type quiet struct{}

func (quiet) Report(*extract.Problem) {}

// Read implements extract.Extractor. The oldest come first, those without a date at
// the end.
func (*Reader) Read(ctx context.Context, src *extract.Source, q extract.Query, out extract.Emitter) error {
	l, err := load(ctx, src, out)
	if err != nil {
		return err
	}
	page := &extract.Page{Query: q}
	if q.Newest {
		l.newestFirst()
	}
	for _, m := range l.memos {
		if q.Table != "" && q.Table != tableName || q.Group != "" && m.folderKey != q.Group || q.Key != "" && m.Key != q.Key {
			continue
		}
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		if page.Skip == 0 {
			m.complete(src, out, true)
		}
		if err := page.Emit(out, m); err != nil {
			return extract.Done(err)
		}
	}
	return nil
}

// list is all recordings of a source, without what is in their files.
type list struct {
	memos  []*Memo
	groups []extract.Group
}

// load reads the databases and lists the folders.
func load(ctx context.Context, src *extract.Source, rep extract.Reporter) (*list, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	found := places(src, rep)
	if len(found) == 0 {
		return nil, fmt.Errorf("voice memos: %w", extract.ErrAbsent)
	}
	l, groups := &list{}, map[string]int{}
	c := newCollection(found)
	var failed error
	opened, sounds := false, false
	for _, p := range found {
		sounds = sounds || p.hasSounds()
		for _, name := range databases {
			if !p.files[name] {
				continue
			}
			s, err := openStore(ctx, src, p, name, rep)
			if err == nil {
				opened = true
				for _, pk := range s.order {
					if g := s.folders[pk]; groups[g.Key] == 0 {
						l.groups = append(l.groups, g)
						groups[g.Key] = len(l.groups)
					}
				}
				err = s.read(ctx, c.next, func(m *Memo) {
					if m.Recorded.IsZero() {
						m.Recorded = p.date(src, m.base)
					}
					c.add(m)
				})
			}
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			if err != nil {
				failed = fmt.Errorf("read voice memos: %w", err)
				rep.Report(&extract.Problem{What: path.Join(p.dir, name), Err: err})
			}
		}
	}
	for _, p := range found {
		c.next()
		for _, m := range p.strays(c.named[p], src) {
			c.add(m)
		}
	}
	l.memos = c.memos
	if failed != nil && !opened && !sounds {
		return nil, failed
	}
	for _, m := range l.memos {
		if i := groups[m.folderKey]; i > 0 {
			g := &l.groups[i-1]
			g.Count++
			if m.Recorded.After(g.Time) {
				g.Time = m.Recorded
			}
		}
	}
	slices.SortFunc(l.memos, func(a, b *Memo) int {
		return cmp.Or(undated(a)-undated(b), a.Recorded.Compare(b.Recorded), strings.Compare(a.Key, b.Key))
	})
	return l, nil
}

func undated(m *Memo) int {
	if m.Recorded.IsZero() {
		return 1
	}
	return 0
}

// newestFirst turns those around that have a date.
func (l *list) newestFirst() {
	n := slices.IndexFunc(l.memos, func(m *Memo) bool { return m.Recorded.IsZero() })
	if n < 0 {
		n = len(l.memos)
	}
	slices.Reverse(l.memos[:n])
}

// complete fills in what is told by files: whether there is one, titles of edited
// ones, and with inside what is in the sound.
func (m *Memo) complete(src *extract.Source, rep extract.Reporter, inside bool) {
	problem := func(what string, err error) { rep.Report(&extract.Problem{What: what, Err: err}) }
	if m.base != "" {
		m.Edited = m.place.edits[stem(m.base)+".composition"]
		if m.place.files[m.base] {
			m.File = path.Join(m.place.dir, m.base)
		}
		m.Parts = m.place.parts(src, m.base)
	}
	switch {
	case m.File != "":
		m.Availability = Here
	case len(m.Parts) > 0:
		m.Availability = Parts
	case m.base == "":
		m.Availability = InCloud
	default:
		m.Availability = Missing
	}
	if m.untitled || m.Unlisted {
		if e, err := m.place.edit(src, m.base); err != nil {
			problem("the title of "+m.base, err)
		} else if t := title(e.Title); t != "" {
			m.Title = t
		}
	}
	if m.untitled = m.Title == ""; m.untitled {
		m.Title = "Recording"
		if !m.Recorded.IsZero() {
			m.Title = "Recording of " + m.Recorded.In(src.Local()).Format("2006-01-02 15:04:05")
		}
	}
	if m.File == "" {
		return
	}
	f, err := src.FS.Open(m.File)
	if err != nil {
		problem(m.File, err)
		return
	}
	defer f.Close()
	if err := m.look(f, inside); err != nil {
		problem(m.File, err)
	}
}

// look reads what is told by an open file.
func (m *Memo) look(f fs.File, inside bool) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	m.Bytes = info.Size()
	r, ok := f.(io.ReaderAt)
	if !ok || !inside {
		return nil
	}
	switch strings.ToLower(path.Ext(m.base)) {
	case ".m4a", ".qta":
	default:
		return nil
	}
	file := mp4.New(r, info.Size())
	if m.Seconds == 0 {
		if m.Seconds, err = file.Seconds(); err != nil {
			return err
		}
	}
	t, err := transcriptOf(file)
	if err != nil && !errors.Is(err, errNone) {
		return fmt.Errorf("transcript: %w", err)
	}
	m.Language, m.Transcript, m.Spoken = t.language, t.text, t.segments
	return nil
}
