package voicememos

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

// Formats implements extract.Exporter.
func (*Reader) Formats() []extract.Format {
	return []extract.Format{{Name: "audio", Title: "Recordings as they are, with transcripts (.m4a, .txt, .srt)"}}
}

// Export implements extract.Exporter.
func (r *Reader) Export(ctx context.Context, src *extract.Source, o extract.ExportOptions, out *outtree.Tree, rep extract.Reporter) error {
	w := &writer{ctx: ctx, src: src, out: out, Reporter: rep}
	if err := r.Read(ctx, src, o.Query, w); err != nil {
		return err
	}
	return w.notHere(o.Query)
}

// writer puts recordings into a tree as they are read.
type writer struct {
	ctx context.Context
	src *extract.Source
	out *outtree.Tree
	extract.Reporter
	absent bytes.Buffer // lines about recordings without a file
	gone   int
}

// notHere writes the list of recordings of which there is no file, if there are any.
func (w *writer) notHere(q extract.Query) error {
	if w.gone == 0 {
		return nil
	}
	text := fmt.Sprintf("Recordings that were not in the backup: %d\n\n%s", w.gone, w.absent.Bytes())
	sum := sha256.Sum256([]byte(text))
	f := outtree.File{Path: []string{"Voice Memos", "Not in this backup.txt"}, Key: strings.Join([]string{"voice-memos/absent", q.Group, q.Key}, "/"), Stamp: hex.EncodeToString(sum[:8]),
		ModTime: w.src.Device.Time, Document: true}
	_, err := w.out.Put(w.ctx, f, func(out io.Writer) error {
		_, err := io.WriteString(out, text)
		return err
	})
	return err
}

// Emit implements extract.Emitter.
func (w *writer) Emit(r extract.Record) error {
	m := r.(*Memo)
	folder := append([]string{"Voice Memos"}, m.folderNames()...)
	name := m.name(w.src)
	if m.File != "" {
		if err := w.original(m, m.File, "audio", append(folder, name+path.Ext(m.base))); err != nil {
			return err
		}
	}
	if m.Availability == InCloud || m.Availability == Missing {
		w.gone++
		why := map[string]string{InCloud: "in iCloud, not in this backup", Missing: "the phone names a file that is not in this backup"}[m.Availability]
		fmt.Fprintf(&w.absent, "%s\t%s\t%s\n", m.Title, extract.FormatTime(m.Recorded), why)
	}
	if m.Availability == Parts {
		for _, p := range m.Parts {
			if err := w.original(m, p, path.Base(p), append(folder, name+" (parts)", path.Base(p))); err != nil {
				return err
			}
		}
	}
	if m.Transcript == "" {
		return nil
	}
	if err := w.document(m, "transcript", append(folder, name+".txt"), []byte(m.Transcript+"\n")); err != nil {
		return err
	}
	if len(m.Spoken) == 0 {
		return nil
	}
	return w.document(m, "subtitles", append(folder, name+".srt"), subtitles(m.Spoken))
}

func (w *writer) original(m *Memo, origin, what string, at []string) error {
	info, err := fs.Stat(w.src.FS, origin)
	if err != nil {
		w.Report(&extract.Problem{What: origin, Err: err})
		return w.ctx.Err()
	}
	f := outtree.File{Path: at, Key: "voice-memos/" + m.Key + "/" + what, Stamp: outtree.StampOf(info), ModTime: m.Recorded}
	if f.ModTime.IsZero() {
		f.ModTime = info.ModTime()
	}
	return w.put(origin, f, outtree.Copy(w.src.FS, origin))
}

func (w *writer) document(m *Memo, what string, at []string, data []byte) error {
	sum := sha256.Sum256(data)
	f := outtree.File{Path: at, Key: "voice-memos/" + m.Key + "/" + what, Stamp: hex.EncodeToString(sum[:8]), ModTime: m.Recorded, Document: true}
	return w.put("the "+what+" of "+m.Title, f, func(out io.Writer) error {
		_, err := io.Copy(out, bytes.NewReader(data))
		return err
	})
}

// put writes a file. What cannot be read is reported, what cannot be written ends it.
func (w *writer) put(what string, f outtree.File, write func(io.Writer) error) error {
	_, err := w.out.Put(w.ctx, f, write)
	if host := (*outtree.HostError)(nil); err != nil && w.ctx.Err() == nil && !errors.As(err, &host) {
		w.Report(&extract.Problem{What: what, Err: err})
		return nil
	}
	return err
}

// folderNames are the folders that a recording is shown in.
func (m *Memo) folderNames() []string {
	switch {
	case !m.Deleted.IsZero():
		return []string{"Recently Deleted"}
	case m.Folder != "":
		return []string{m.Folder}
	}
	return nil
}

// name is the date and the title.
func (m *Memo) name(src *extract.Source) string {
	if m.Recorded.IsZero() {
		return m.Title
	}
	date := m.Recorded.In(src.Local()).Format("2006-01-02 15.04")
	if m.untitled {
		return date
	}
	return fmt.Sprintf("%s %s", date, m.Title)
}

// Files implements extract.Filer.
func (*Reader) Files(ctx context.Context, src *extract.Source, give func(extract.File) error) error {
	l, err := load(ctx, src, quiet{})
	if err != nil {
		return err
	}
	for _, m := range l.memos {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		m.complete(src, quiet{}, false)
		at := append(m.folderNames(), m.name(src))
		if m.File != "" {
			at[len(at)-1] += path.Ext(m.base)
			err = give(extract.File{Path: at, Time: m.Recorded, Origin: m.File})
		} else {
			for _, p := range m.Parts {
				if err = give(extract.File{Path: append(at[:len(at):len(at)], path.Base(p)), Time: m.Recorded, Origin: p}); err != nil {
					break
				}
			}
		}
		if err != nil {
			return extract.Done(err)
		}
	}
	return nil
}
