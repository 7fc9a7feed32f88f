package voicemail

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/outtree"
)

const (
	deletedFolder  = "Deleted Messages"
	greetingFolder = "Greetings"
)

// Formats implements extract.Exporter.
func (*Reader) Formats() []extract.Format {
	return []extract.Format{{Name: "audio", Title: "Messages as they are, with transcripts (.amr, .txt)"}}
}

// Export implements extract.Exporter.
func (r *Reader) Export(ctx context.Context, src *extract.Source, o extract.ExportOptions, out *outtree.Tree, rep extract.Reporter) error {
	return r.Read(ctx, src, o.Query, &writer{ctx, src, out, rep})
}

// writer puts messages into a tree as they are read.
type writer struct {
	ctx context.Context
	src *extract.Source
	out *outtree.Tree
	extract.Reporter
}

// Emit implements extract.Emitter.
func (w *writer) Emit(r extract.Record) error {
	if g, ok := r.(*Greeting); ok {
		return w.original(g.File, outtree.File{Path: []string{"Voicemail", greetingFolder, g.name}, Key: "voicemail/" + g.Key})
	}
	m := r.(*Message)
	at := append([]string{"Voicemail"}, m.path(w.src)...)
	last := len(at) - 1
	stem := at[last]
	if m.File != "" {
		at[last] = stem + path.Ext(m.File)
		if err := w.original(m.File, outtree.File{Path: at, Key: "voicemail/" + m.Key + "/audio", ModTime: m.Time}); err != nil {
			return err
		}
	}
	if m.Transcript == "" {
		return nil
	}
	data := m.Transcript + "\n"
	sum := sha256.Sum256([]byte(data))
	f := outtree.File{Path: append(at[:last:last], stem+".txt"), Key: "voicemail/" + m.Key + "/transcript", Stamp: hex.EncodeToString(sum[:8]), ModTime: m.Time, Document: true}
	return w.put("the transcript of "+stem, f, func(to io.Writer) error {
		_, err := io.WriteString(to, data)
		return err
	})
}

func (w *writer) original(origin string, f outtree.File) error {
	info, err := fs.Stat(w.src.FS, origin)
	if err != nil {
		w.Report(&extract.Problem{What: origin, Err: err})
		return w.ctx.Err()
	}
	f.Stamp = outtree.StampOf(info)
	if f.ModTime.IsZero() {
		f.ModTime = info.ModTime()
	}
	return w.put(origin, f, outtree.Copy(w.src.FS, origin))
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

// path is the folders that a message is shown in and its name without an ending: the
// date, and who has called.
func (m *Message) path(src *extract.Source) []string {
	name := strings.Join(strings.Fields(m.who()), " ")
	if m.Unlisted {
		name = strings.TrimSuffix(path.Base(m.File), path.Ext(m.File))
	}
	if !m.Time.IsZero() {
		name = m.Time.In(src.Local()).Format("2006-01-02 15.04") + " " + name
	}
	if m.Deleted {
		return []string{deletedFolder, name}
	}
	return []string{name}
}

// quiet leaves problems to be told by Read.
type quiet struct{}

func (quiet) Report(*extract.Problem) {}

// Files implements extract.Filer.
func (*Reader) Files(ctx context.Context, src *extract.Source, give func(extract.File) error) error {
	b, err := load(ctx, src, quiet{})
	if err != nil {
		return err
	}
	for _, m := range b.messages {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		m.Name = src.NameOf(ctx, m.Sender)
		at := m.path(src)
		last := len(at) - 1
		stem := at[last]
		if m.File != "" {
			at[last] = stem + path.Ext(m.File)
			if err := give(extract.File{Path: at, Time: m.Time, Origin: m.File}); err != nil {
				return extract.Done(err)
			}
		}
		if m.transcript == "" {
			continue
		}
		if err := give(extract.File{Path: append(at[:last:last], stem+".txt"), Time: m.Time, Make: func(ctx context.Context, w io.Writer) error {
			data, err := src.ReadFile(m.transcript, maxText)
			if err != nil {
				return err
			}
			text, _, err := transcriptOf(data)
			if err == nil {
				_, err = io.WriteString(w, text+"\n")
			}
			return err
		}}); err != nil {
			return extract.Done(err)
		}
	}
	for _, g := range b.greetings {
		if err := give(extract.File{Path: []string{greetingFolder, g.name}, Origin: g.File}); err != nil {
			return extract.Done(err)
		}
	}
	return nil
}
