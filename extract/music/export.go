package music

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/outtree"
)

// top is the folder of the kind.
const top = "Music"

// Formats implements extract.Exporter.
func (*Reader) Formats() []extract.Format {
	return []extract.Format{{Name: "files", Title: "Files by artist and album, playlists as .m3u8"}}
}

// errNoFiles says why an export of a catalogue has nothing to export.
var errNoFiles = errors.New("the library is here and its files are not: they are in no backup of an iPhone, only in a media copy")

// Export implements extract.Exporter.
func (r *Reader) Export(ctx context.Context, src *extract.Source, o extract.ExportOptions, out *outtree.Tree, rep extract.Reporter) error {
	w := &writer{ctx: ctx, src: src, out: out, Reporter: rep, placed: map[string]string{}}
	if err := r.Read(ctx, src, o.Query, w); err != nil {
		return err
	}
	if w.gone > 0 && len(w.placed) == 0 {
		rep.Report(&extract.Problem{What: "the files of " + fmt.Sprint(w.gone) + " items", Err: errNoFiles})
	}
	if o.Query.Key != "" || o.Query.Table == tableFiles || o.Query.Group != "" && !strings.HasPrefix(o.Query.Group, playlistKey) {
		return nil
	}
	groups, err := r.Groups(ctx, src)
	if err != nil {
		return err
	}
	for _, g := range groups {
		if !strings.HasPrefix(g.Key, playlistKey) || o.Query.Group != "" && o.Query.Group != g.Key || g.Count == 0 {
			continue
		}
		if err := w.playlist(r, g); err != nil {
			return err
		}
	}
	return nil
}

// writer puts files into a tree as items are read.
type writer struct {
	ctx context.Context
	src *extract.Source
	out *outtree.Tree
	extract.Reporter
	placed map[string]string // by Key: path of the file in the tree
	gone   int               // items without a file
}

// Emit implements extract.Emitter.
func (w *writer) Emit(r extract.Record) error {
	m := r.(*Item)
	if m.File == "" {
		w.gone++
		return nil
	}
	at := append([]string{top}, m.at()...)
	if len(m.Contents) == 0 {
		return w.file(m, m.File, at)
	}
	for _, p := range m.Contents {
		below := strings.Split(strings.TrimPrefix(p, m.File+"/"), "/")
		if err := w.file(m, p, append(at[:len(at):len(at)], below...)); err != nil {
			return err
		}
	}
	return nil
}

// file writes one file. What cannot be read is reported, what cannot be written ends
// the export.
func (w *writer) file(m *Item, origin string, at []string) error {
	info, err := fs.Stat(w.src.FS, origin)
	if err == nil {
		var placed outtree.Placed
		placed, err = w.out.Put(w.ctx, outtree.File{Path: at, Key: "music/" + origin, Stamp: outtree.StampOf(info), ModTime: info.ModTime()}, outtree.Copy(w.src.FS, origin))
		if err == nil {
			w.placed[m.Key] = placed.Path
			return nil
		}
	}
	if host := (*outtree.HostError)(nil); w.ctx.Err() != nil || errors.As(err, &host) {
		return err
	}
	w.Report(&extract.Problem{What: origin, Err: err})
	return nil
}

// playlist writes an .m3u8 beside the files.
func (w *writer) playlist(r *Reader, g extract.Group) error {
	p := &playlist{where: func(m *Item) string { return w.placed[m.Key] }}
	if err := r.Read(w.ctx, w.src, extract.Query{Group: g.Key}, p); err != nil {
		return err
	}
	data := p.bytes(g)
	sum := sha256.Sum256(data)
	f := outtree.File{Path: []string{top, playlistFolder, g.Title + ".m3u8"}, Key: "music/" + g.Key, Stamp: hex.EncodeToString(sum[:8]), ModTime: g.Time, Document: true}
	_, err := w.out.Put(w.ctx, f, func(out io.Writer) error {
		_, err := out.Write(data)
		return err
	})
	return err
}

const playlistFolder = "Playlists"

// at are the names of folders and file under which people look for an item.
func (m *Item) at() []string {
	artist := first(m.AlbumArtist, m.Artist, "Unknown artist")
	name := m.Title
	if m.Track > 0 {
		name = fmt.Sprintf("%02d %s", m.Track, name)
		if m.Disc > 1 {
			name = fmt.Sprintf("%d-%s", m.Disc, name)
		}
	}
	if m.Protected {
		name += " (protected)"
	}
	name += strings.ToLower(path.Ext(m.named))
	switch m.Kind {
	case Song, MusicVideo, Other:
		return []string{artist, first(m.Album, "Unknown album"), name}
	case Podcast:
		return []string{"Podcasts", first(m.Album, m.Artist, "Unknown podcast"), name}
	case Audiobook:
		return []string{"Audiobooks", artist, name}
	case Show:
		return []string{"TV shows", first(m.Album, artist), name}
	}
	return []string{map[string]string{Film: "Films", Book: "Books", Ringtone: "Ringtones"}[m.Kind], name}
}

func first(list ...string) string {
	for _, s := range list {
		if s != "" {
			return s
		}
	}
	return ""
}

// playlist collects the lines of an .m3u8: UTF-8, each file with a line in front of
// it that says how long it plays and what it is.
type playlist struct {
	where func(m *Item) string // path of an item's file, Music/…; "" = not here
	b     bytes.Buffer
	quiet
}

// Emit implements extract.Emitter.
func (p *playlist) Emit(r extract.Record) error {
	m := r.(*Item)
	what := m.Title
	if m.Artist != "" {
		what = m.Artist + " - " + what
	}
	at := p.where(m)
	if at == "" {
		fmt.Fprintf(&p.b, "# not here: %s\n", what)
		return nil
	}
	length := -1
	if m.Seconds > 0 {
		length = int(m.Seconds + 0.5)
	}
	fmt.Fprintf(&p.b, "#EXTINF:%d,%s\n%s\n", length, what, path.Join("..", strings.TrimPrefix(at, top+"/")))
	return nil
}

func (p *playlist) bytes(g extract.Group) []byte {
	return append(fmt.Appendf(nil, "#EXTM3U\n#PLAYLIST:%s\n", g.Title), p.b.Bytes()...)
}

// Files implements extract.Filer. Files that no library knows are described by their
// tags, for which a few bytes of each are read.
func (r *Reader) Files(ctx context.Context, src *extract.Source, give func(extract.File) error) error {
	stopped := false
	err := r.Read(ctx, src, extract.Query{}, &shower{give: func(f extract.File) error {
		err := give(f)
		stopped = errors.Is(err, extract.ErrStop)
		return err
	}})
	if err != nil || stopped {
		return err
	}
	groups, err := r.Groups(ctx, src)
	if err != nil {
		return err
	}
	for _, g := range groups {
		if !strings.HasPrefix(g.Key, playlistKey) || g.Count == 0 {
			continue
		}
		err := give(extract.File{Path: []string{playlistFolder, g.Title + ".m3u8"}, Time: g.Time, Make: func(ctx context.Context, w io.Writer) error {
			p := &playlist{where: shown}
			if err := r.Read(ctx, src, extract.Query{Group: g.Key}, p); err != nil {
				return err
			}
			_, err := w.Write(p.bytes(g))
			return err
		}})
		if err != nil {
			return extract.Done(err)
		}
	}
	return nil
}

// shown is where an item is in a tree for looking, unless another has its name.
func shown(m *Item) string {
	if m.File == "" {
		return ""
	}
	at := top
	for _, name := range m.at() {
		at = path.Join(at, outtree.Escape(name))
	}
	return at
}

// shower gives items as files.
type shower struct {
	give func(extract.File) error
	quiet
}

// Emit implements extract.Emitter.
func (s *shower) Emit(r extract.Record) error {
	m := r.(*Item)
	switch {
	case len(m.Contents) > 0:
		for _, p := range m.Contents {
			if err := s.give(extract.File{Path: append(m.at(), strings.Split(strings.TrimPrefix(p, m.File+"/"), "/")...), Origin: p}); err != nil {
				return err
			}
		}
	case m.File != "":
		return s.give(extract.File{Path: m.at(), Origin: m.File})
	}
	return nil
}
