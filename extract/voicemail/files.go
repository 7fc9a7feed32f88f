package voicemail

import (
	"context"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/keepsake-backup/keepsake/extract"
)

// filesOf lists the folder of voicemail.
func filesOf(src *extract.Source) map[string]fs.DirEntry {
	files := map[string]fs.DirEntry{}
	entries, err := fs.ReadDir(src.FS, folder)
	if err != nil {
		return files // which reading the database tells
	}
	for _, e := range entries[:min(len(entries), maxFiles)] {
		if e.Type().IsRegular() {
			files[e.Name()] = e
		}
	}
	return files
}

// strays takes the sounds that no row has: greetings, and messages whose row is gone.
func (b *box) strays(files map[string]fs.DirEntry) {
	names := make([]string, 0, len(files))
	for name := range files {
		if slices.Contains(sounds, strings.ToLower(path.Ext(name))) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		at := path.Join(folder, name)
		stem := strings.TrimSuffix(name, path.Ext(name))
		if strings.HasPrefix(strings.ToLower(name), "greeting") {
			b.greetings = append(b.greetings, &Greeting{Key: "greeting:" + name, Title: stem, File: at, name: name})
			continue
		}
		m := &Message{Key: "file:" + name, File: at, Unlisted: true}
		if info, err := files[name].Info(); err == nil {
			m.Time = info.ModTime().UTC()
		}
		if files[stem+".transcript"] != nil {
			m.transcript = path.Join(folder, stem+".transcript")
		}
		b.messages = append(b.messages, m)
	}
}

// complete fills in what is told by files, and who has called.
func (m *Message) complete(ctx context.Context, src *extract.Source, rep extract.Reporter) {
	if m.Name = src.NameOf(ctx, m.Sender); m.Name == "" {
		m.Name = src.NameOf(ctx, m.CallBack)
	}
	if m.File != "" {
		bytes, seconds, err := sound(src, m.File)
		if m.Bytes = bytes; m.Seconds == 0 {
			m.Seconds = seconds
		}
		if err != nil {
			rep.Report(&extract.Problem{What: m.File, Err: err})
		}
	}
	if m.transcript == "" {
		return
	}
	data, err := src.ReadFile(m.transcript, maxText)
	if err == nil {
		m.Transcript, m.Confidence, err = transcriptOf(data)
	}
	if err != nil {
		rep.Report(&extract.Problem{What: m.transcript, Err: err})
	}
}

func (g *Greeting) complete(src *extract.Source) (err error) {
	g.Bytes, g.Seconds, err = sound(src, g.File)
	return err
}

// maxSound is the largest file that is read to tell how long it plays.
const maxSound = 32 << 20

// sound tells the size of a file, and if it is AMR-NB how long it plays.
func sound(src *extract.Source, name string) (bytes int64, seconds float64, err error) {
	f, err := src.FS.Open(name)
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return 0, 0, err
	}
	if info.Size() <= maxSound && strings.EqualFold(path.Ext(name), ".amr") {
		data, err := io.ReadAll(io.LimitReader(f, maxSound))
		if err != nil {
			return info.Size(), 0, err
		}
		seconds = amrSeconds(data)
	}
	return info.Size(), seconds, nil
}

// amrSeconds is how long AMR-NB plays, up to where it is broken; 0 of anything else.
func amrSeconds(data []byte) float64 {
	const magic = "#!AMR\n"
	if len(data) < len(magic) || string(data[:len(magic)]) != magic {
		return 0
	}
	frames := 0
	for i := len(magic); i < len(data); frames++ {
		size := [16]int{12, 13, 15, 17, 19, 20, 26, 31, 5, -1, -1, -1, -1, -1, 0, 0}[data[i]>>3&15]
		if size < 0 || i+1+size > len(data) {
			break
		}
		i += 1 + size
	}
	return float64(frames) / 50
}
