package chat_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"
	"time"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/chat"
	"github.com/keepsake-backup/keepsake/extract/outtree"
)

// endless makes n messages up as they are read.
type endless struct {
	store
	n int
}

func newEndless(n int) *endless {
	return &endless{store{list: []chat.Conversation{{Key: "long", Title: "Long", App: "Test", People: []chat.Person{{Address: "+1555", Name: "Jane"}}}}}, n}
}

func (s *endless) Read(ctx context.Context, src *extract.Source, q extract.Query, out extract.Emitter) error {
	jane := chat.Person{Address: "+1555", Name: "Jane"}
	at := time.Date(2020, 1, 1, 8, 0, 0, 0, time.UTC)
	for i := range s.n {
		m := chat.Message{Key: fmt.Sprintf("%08d-0000-4000-8000-000000000000", i), Conversation: q.Group, Kind: chat.KindText, Time: at.Add(time.Duration(i) * time.Minute),
			FromMe: i%3 == 0, Text: "Let us meet at the bakery on Wednesday, or is Friday better for everybody?"}
		if !m.FromMe {
			m.From = jane
		}
		if i%50 == 0 {
			m.Attachments = []chat.Attachment{{Name: "photo.jpg", Type: "image/jpeg", Path: fmt.Sprintf("Media/%d.jpg", i)}}
		}
		if err := out.Emit(m); err != nil {
			return extract.Done(err)
		}
	}
	return nil
}

// TestLarge writes a conversation that is too long to be kept until its digest is
// known, twice.
func TestLarge(t *testing.T) {
	const n = 80_000
	fsys := fstest.MapFS{}
	for i := 0; i < n; i += 500 { // one in ten of those that the messages name
		fsys[fmt.Sprintf("Media/%d.jpg", i)] = &fstest.MapFile{Data: []byte{1}, ModTime: stamp(0)}
	}
	dir := t.TempDir()
	s := newEndless(n)
	first, rep := export(t, dir, s, source(fsys), extract.ExportOptions{Format: "json", Files: true})
	if want := n/50 - n/500; len(rep) != want {
		t.Errorf("%d problems, want one for each of %d missing files", len(rep), want)
	}
	if again, _ := export(t, dir, s, source(fsys), extract.ExportOptions{Format: "json", Files: true}); again.Written != 0 || again.Kept != first.Written {
		t.Errorf("a second run wrote %d and kept %d of %d files", again.Written, again.Kept, first.Written)
	}
	f, err := os.Open(filepath.Join(dir, "Test", "Long", "conversation.json"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var doc struct{ Messages []chat.Message }
	if err := json.NewDecoder(bufio.NewReaderSize(f, 1<<20)).Decode(&doc); err != nil {
		t.Fatal(err)
	}
	files := 0
	for i, m := range doc.Messages {
		for _, a := range m.Attachments {
			if (a.File != "") != (i%500 == 0) {
				t.Fatalf("message %d: %+v", i, a)
			}
			files++
		}
	}
	if len(doc.Messages) != n || files != n/50 {
		t.Errorf("%d messages with %d files", len(doc.Messages), files)
	}
}

// BenchmarkExport tells how many messages a second each format writes.
func BenchmarkExport(b *testing.B) {
	for _, f := range chat.Formats {
		b.Run(f.Name, func(b *testing.B) {
			const n = 100_000
			for b.Loop() {
				out, err := outtree.Open(b.TempDir())
				if err != nil {
					b.Fatal(err)
				}
				if err := chat.Export(b.Context(), newEndless(n), source(fstest.MapFS{}), extract.ExportOptions{Format: f.Name}, out, nil); err != nil {
					b.Fatal(err)
				}
				if err := out.Close(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(n*float64(b.N)/b.Elapsed().Seconds(), "messages/s")
		})
	}
}
