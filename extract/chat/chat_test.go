package chat_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/chat"
	"github.com/keepsake-backup/keepsake/extract/outtree"
)

// store is an app made up in memory.
type store struct {
	list     []chat.Conversation
	messages map[string][]chat.Message
	breaks   map[string]error // after the messages of a conversation
}

func (s *store) Info() extract.Info {
	return extract.Info{Kind: "test", Title: "Test", Tables: []extract.Table{chat.Table}, Groups: "conversations", Paths: []string{"x"}}
}

func (s *store) Groups(context.Context, *extract.Source) ([]extract.Group, error) { return nil, nil }

func (s *store) Conversations(context.Context, *extract.Source) ([]chat.Conversation, error) {
	return s.list, nil
}

func (s *store) Read(ctx context.Context, src *extract.Source, q extract.Query, out extract.Emitter) error {
	for _, m := range s.messages[q.Group] {
		if err := ctx.Err(); err != nil {
			return err
		}
		m.Conversation = q.Group
		if err := out.Emit(m); err != nil {
			return extract.Done(err)
		}
	}
	return s.breaks[q.Group]
}

type reports []string

func (r *reports) Report(p *extract.Problem) { *r = append(*r, p.Error()) }

func source(fsys fs.FS) *extract.Source {
	return &extract.Source{FS: fsys, Zone: time.FixedZone("", 2*3600), Device: extract.Device{Name: "Emma's iPhone", Time: time.Date(2026, 3, 9, 0, 0, 0, 0, time.UTC)}}
}

// export writes a store into dir and gives what the run has done.
func export(t *testing.T, dir string, s chat.Store, src *extract.Source, o extract.ExportOptions) (outtree.Stats, reports) {
	t.Helper()
	out, err := outtree.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	var rep reports
	if err := chat.Export(t.Context(), s, src, o, out, &rep); err != nil {
		t.Fatalf("export %s: %v", o.Format, err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Stats(), rep
}

func read(t *testing.T, dir, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func long(n int) *store {
	s := &store{list: []chat.Conversation{{Key: "long", Title: "Long", App: "Test", People: []chat.Person{{Address: "+1555"}}}}, messages: map[string][]chat.Message{}}
	at := time.Date(2026, 1, 1, 8, 0, 0, 0, time.UTC)
	for i := range n {
		s.messages["long"] = append(s.messages["long"], chat.Message{Key: fmt.Sprint(i), Kind: chat.KindText, Time: at.Add(time.Duration(i) * time.Minute), FromMe: i%3 == 0, Text: fmt.Sprint("message ", i)})
	}
	return s
}

func TestPages(t *testing.T) {
	dir := t.TempDir()
	s := long(4500)
	src := source(fstest.MapFS{})
	stats, _ := export(t, dir, s, src, extract.ExportOptions{})
	if stats.Written != 4 { // three pages and the list
		t.Errorf("%d files written, want 4", stats.Written)
	}
	for name, parts := range map[string][]string{
		"Test/index.html":               []string{`href="../Test/Long/conversation%202.html"`, "3 pages", "4500 messages"},
		"Test/Long/conversation.html":   []string{"message 1999<", `href="../../Test/Long/conversation%202.html" rel="next"`, `href="../../Test/index.html"`},
		"Test/Long/conversation 2.html": []string{"message 2000<", `conversation%203.html" rel="next"`, `/conversation.html" rel="prev"`},
		"Test/Long/conversation 3.html": []string{"message 4499<"},
	} {
		contains(t, name, read(t, dir, name), parts...)
	}
	if stats, _ := export(t, dir, s, src, extract.ExportOptions{}); stats.Written != 0 || stats.Kept != 4 {
		t.Errorf("a second run wrote %d files and kept %d", stats.Written, stats.Kept)
	}
	more := long(4501)
	more.list[0].Title = "Renamed"
	more.list[0].Title = "Long"
	if stats, _ := export(t, dir, more, src, extract.ExportOptions{}); stats.Written != 2 {
		t.Errorf("one more message changed %d files, want the last page and the list", stats.Written)
	}
	renamed := long(6500)
	renamed.list[0].Title = "Renamed"
	export(t, dir, renamed, src, extract.ExportOptions{})
	contains(t, "page 4", read(t, dir, "Test/Long/conversation 4.html"), "message 6499<", "<h1 dir=\"auto\">Renamed</h1>")
}

func TestBroken(t *testing.T) {
	for _, format := range []string{"html", "text", "json"} {
		t.Run(format, func(t *testing.T) {
			s := long(3)
			s.list = append(s.list, chat.Conversation{Key: "none", Title: "None"})
			s.breaks = map[string]error{"long": errors.New("page 7 is damaged"), "none": errors.New("all is damaged")}
			dir := t.TempDir()
			_, rep := export(t, dir, s, source(fstest.MapFS{}), extract.ExportOptions{Format: format})
			if len(rep) != 2 {
				t.Errorf("problems: %q", rep)
			}
			name := map[string]string{"html": "html", "text": "txt", "json": "json"}[format]
			contains(t, format, read(t, dir, "Test/Long/conversation."+name), "message 2", "page 7 is damaged")
		})
	}
}

func contains(t *testing.T, what, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("%s lacks %q", what, p)
		}
	}
}
