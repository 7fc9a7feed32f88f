package photos

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/outtree"
	"github.com/keepsake-backup/keepsake/extract/thumbnail"
)

// Names of the formats.
const (
	formatOriginals = "originals"
	formatJPEG      = "jpeg"
)

// Formats implements extract.Exporter.
func (*Reader) Formats() []extract.Format {
	return []extract.Format{
		{Name: formatOriginals, Title: "Originals, with what is known about them beside (.xmp)"},
		{Name: formatJPEG, Title: "The same, with HEIC pictures as JPEG"},
	}
}

// Layouts of an export.
const (
	layoutDate  = "date"
	layoutAlbum = "album"
)

// Export implements extract.Exporter:
//
//	Photos/2026/2026-03/IMG_0001.HEIC        byte for byte, with the time of the picture
//	                    IMG_0001.MOV         its film, of a Live Photo
//	                    IMG_0001 (edited).jpg
//	                    IMG_0001.AAE         the recipe of the edit
//	                    IMG_0001.HEIC.xmp    what is known about it
//	Photos/Hidden/…, Photos/Recently Deleted/…
//	Photos/photos.json                       all of it, with the paths
//	Photos/Not in this backup.txt            those whose original is in iCloud or elsewhere
//
// Of those the small picture is taken that the backup may have: "IMG_0016 (small).jpg".
//
// By albums, there are the folders of the phone instead of dates, and a photo that is
// in two albums is there twice.
func (r *Reader) Export(ctx context.Context, src *extract.Source, o extract.ExportOptions, out *outtree.Tree, rep extract.Reporter) error {
	if o.Layout != "" && o.Layout != layoutDate && o.Layout != layoutAlbum {
		return fmt.Errorf("export photos: no layout %q: there are %s and %s", o.Layout, layoutDate, layoutAlbum)
	}
	if rep == nil {
		rep = ignore{}
	}
	e := &exporting{Reporter: rep, ctx: ctx, src: src, small: r.small, out: out, jpeg: o.Format == formatJPEG, names: namer{}, placed: map[string][]string{}, sum: sha256.New()}
	if o.Layout == layoutAlbum {
		l, err := openLibrary(ctx, src, cameraRoll)
		if err == nil {
			e.tree, err = l.albumTree(ctx)
		}
		if err != nil {
			e.tree = &albumTree{}
			rep.Report(&extract.Problem{What: "albums", Err: err})
		}
	}
	if err := r.Read(ctx, src, o.Query, e); err != nil {
		return err
	}
	if err := e.notHere(o); err != nil {
		return err
	}
	return e.index(r, o)
}

// noLines keeps a name on its line.
var noLines = strings.NewReplacer("\t", " ", "\n", " ", "\r", " ")

// notHere writes the list of what could not be taken, if there is any: an owner should
// not find out years later that the originals were somewhere else.
func (e *exporting) notHere(o extract.ExportOptions) error {
	if e.absent.Len() == 0 {
		return nil
	}
	n := bytes.Count(e.absent.Bytes(), []byte("\n"))
	text := fmt.Sprintf("Originals that were not in the backup: %d\n\n%s", n, e.absent.Bytes())
	f := outtree.File{
		Path: []string{"Photos", "Not in this backup.txt"}, Document: true, Stamp: digest([]byte(text)), ModTime: e.src.Device.Time,
		Key: strings.Join([]string{"photos/absent", o.Layout, o.Query.Table, o.Query.Group, o.Query.Key}, "/"),
	}
	_, err := e.out.Put(e.ctx, f, func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	})
	return err
}

// exporting writes each photo that is read.
type exporting struct {
	extract.Reporter
	ctx    context.Context //nolint:containedctx // of one Export
	src    *extract.Source
	small  *thumbnail.Maker
	out    *outtree.Tree
	jpeg   bool
	tree   *albumTree // nil: by date
	names  namer
	placed map[string][]string // by key: where its files are
	sum    hash.Hash           // of all records and places
	absent bytes.Buffer        // lines about originals that are not in the backup
}

// Emit implements extract.Emitter.
func (e *exporting) Emit(rec extract.Record) error {
	p := rec.(*Photo)
	for _, dir := range e.folders(p) {
		if err := e.photo(p, dir); err != nil {
			return err
		}
	}
	if where := p.Whereabouts(); where != "" {
		at := ""
		if t := p.when(e.src.Local()); !t.IsZero() {
			at = t.Format("2006-01-02 15:04")
		}
		fmt.Fprintf(&e.absent, "%s\t%s\t%s\n", noLines.Replace(p.Name), at, where)
	}
	line, err := json.Marshal(exported{p, e.placed[p.Key]})
	if err != nil {
		return err
	}
	_, err = e.sum.Write(append(line, '\n'))
	return err
}

// folders are where a photo goes, with what tells one copy from another.
func (e *exporting) folders(p *Photo) []folder {
	if e.tree == nil || p.Deleted || p.Hidden || p.table == tableShared {
		return []folder{{names: p.dateFolder(e.src.Local())}}
	}
	var list []folder
	for _, a := range p.Albums {
		if names := e.tree.path(a.Key); names != nil {
			list = append(list, folder{names, "/album/" + a.Key})
		}
	}
	if list == nil {
		return []folder{{append([]string{noAlbumFolder}, p.dateFolder(e.src.Local())...), "/album"}}
	}
	return list
}

type folder struct {
	names []string
	key   string
}

// photo writes the files of one photo into a folder.
func (e *exporting) photo(p *Photo, dir folder) error {
	wanted, _ := p.exportName()
	name, first := e.names.name(dir.names, wanted, p.Key), ""
	for _, part := range p.parts() {
		at, err := e.part(p, dir, name, part)
		if err != nil {
			return err
		}
		if at == "" {
			continue
		}
		if first == "" {
			// An earlier run may have called it otherwise: the rest follows.
			first = outtree.Unescape(path.Base(at))
			if base(first) != "" && part.role == roleOriginal {
				name = base(first)
			}
		}
		e.placed[p.Key] = append(e.placed[p.Key], at)
	}
	if first == "" {
		return nil
	}
	text, err := p.xmp()
	if err != nil {
		return err
	}
	at, err := e.put(dir, first+".xmp", p, "xmp", digest(text), true, func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	})
	if err != nil || at == "" {
		return err
	}
	e.placed[p.Key] = append(e.placed[p.Key], at)
	return nil
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:12])
}

// part writes one file; "" is given where it cannot be read, which is reported.
func (e *exporting) part(p *Photo, dir folder, name string, part part) (string, error) {
	info, err := fs.Stat(e.src.FS, part.origin)
	if err != nil {
		e.Report(&extract.Problem{What: part.origin, Err: err})
		return "", nil
	}
	stamp, key := outtree.StampOf(info), string(part.role)
	if part.role == roleEdited || part.role == roleSidecar { // of which there are several
		key += "/" + path.Base(part.origin)
	}
	if ending := strings.ToLower(path.Ext(part.suffix)); e.jpeg && (ending == ".heic" || ending == ".heif") {
		converted := name + strings.TrimSuffix(part.suffix, path.Ext(part.suffix)) + ".jpg"
		at, err := e.write(dir, converted, p, key+"/jpeg", stamp, false, func(w io.Writer) error { return e.small.JPEG(e.ctx, e.src.FS, part.origin, w) })
		if !errors.Is(err, extract.ErrNoPreview) {
			return at, e.judge(part.origin, err)
		}
		e.notConverted(part.origin, err)
	}
	return e.put(dir, name+part.suffix, p, key, stamp, false, outtree.Copy(e.src.FS, part.origin))
}

// notConverted reports a picture that stays a HEIC; a program that is missing, once.
func (e *exporting) notConverted(origin string, err error) {
	if errors.Is(err, thumbnail.ErrNotInstalled) {
		e.jpeg = false
		origin = "HEIC pictures"
	}
	e.Report(&extract.Problem{What: origin, Err: fmt.Errorf("the original is taken: %w", err)})
}

// put writes a file; what cannot be read is reported and left out.
func (e *exporting) put(dir folder, name string, p *Photo, key, stamp string, document bool, write func(io.Writer) error) (string, error) {
	at, err := e.write(dir, name, p, key, stamp, document, write)
	return at, e.judge(name, err)
}

func (e *exporting) write(dir folder, name string, p *Photo, key, stamp string, document bool, write func(io.Writer) error) (string, error) {
	placed, err := e.out.Put(e.ctx, outtree.File{
		Path: append(append([]string{"Photos"}, dir.names...), name), Key: "photos/" + p.Key + dir.key + "/" + key, Stamp: stamp,
		ModTime: p.when(e.src.Local()), Document: document,
	}, write)
	return placed.Path, err
}

// judge passes on errors after which there is no use in going on, and reports others.
func (e *exporting) judge(what string, err error) error {
	var host *outtree.HostError
	if err == nil || e.ctx.Err() != nil || errors.As(err, &host) {
		return err
	}
	e.Report(&extract.Problem{What: what, Err: err})
	return nil
}

// exported is a line of photos.json.
type exported struct {
	*Photo
	Exported []string `json:"exported,omitempty"`
}

// index writes photos.json. The records are read again: kept, they would take more
// memory than everything else.
func (e *exporting) index(r *Reader, o extract.ExportOptions) error {
	f := outtree.File{
		Path: []string{"Photos", "photos.json"}, Document: true, Stamp: hex.EncodeToString(e.sum.Sum(nil)[:12]),
		Key: strings.Join([]string{"photos/index", o.Layout, o.Query.Table, o.Query.Group, o.Query.Key}, "/"),
	}
	if !e.src.Device.Time.IsZero() {
		f.ModTime = e.src.Device.Time
	}
	_, err := e.out.Put(e.ctx, f, func(w io.Writer) error {
		i := &indexing{w: w, placed: e.placed}
		if _, err := io.WriteString(w, "["); err != nil {
			return err
		}
		if err := r.Read(e.ctx, e.src, o.Query, i); err != nil {
			return err
		}
		_, err := io.WriteString(w, "\n]\n")
		return err
	})
	return err
}

type indexing struct {
	ignore
	w      io.Writer
	placed map[string][]string
	n      int
}

// Emit implements extract.Emitter.
func (i *indexing) Emit(rec extract.Record) error {
	p := rec.(*Photo)
	var line bytes.Buffer
	if i.n > 0 {
		line.WriteByte(',')
	}
	i.n++
	line.WriteByte('\n')
	enc := json.NewEncoder(&line)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(exported{p, i.placed[p.Key]}); err != nil {
		return err
	}
	_, err := i.w.Write(bytes.TrimRight(line.Bytes(), "\n"))
	return err
}
