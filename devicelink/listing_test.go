package devicelink

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keepsake-backup/keepsake/internal/plist"
)

func entriesFor(n int) (entries []Entry) {
	for i := range n {
		entries = append(entries, Entry{Name: fmt.Sprintf("ab%038x", i), Size: int64(i) * 1000, ModTime: time.Unix(1788000000+int64(i), 0)})
	}
	return entries
}

func TestAnswerList(t *testing.T) {
	odd := []Entry{
		{Name: "dir", Dir: true, ModTime: time.Unix(0, 0)},
		{Name: "grüße ✓ 😀", Size: 1 << 40, ModTime: time.Unix(1788000000, 500000000)},
		{Name: "a rather long name of more than fifteen", Size: 255},
		{Name: "x", Size: 65536},
	}
	for _, entries := range [][]Entry{nil, odd, entriesFor(1), entriesFor(15), entriesFor(100), entriesFor(20000)} {
		dl, w := conn("")
		if err := dl.AnswerList(t.Context(), entries); err != nil {
			t.Fatal(err)
		}
		var got []any
		if err := plist.Unmarshal(w.out.Bytes()[4:], &got); err != nil {
			t.Fatalf("%d entries: %v", len(entries), err)
		}
		want := map[string]any{}
		for _, e := range entries {
			kind := "DLFileTypeRegular"
			if e.Dir {
				kind = "DLFileTypeDirectory"
			}
			want[e.Name] = map[string]any{"DLFileType": kind, "DLFileSize": uint64(e.Size), "DLFileModificationDate": e.ModTime.UTC()}
		}
		if diff := cmp.Diff([]any{"DLMessageStatusResponse", uint64(0), "___EmptyParameterString___", any(want)}, got); diff != "" {
			t.Errorf("%d entries: %.1000s", len(entries), diff)
		}
	}
}

func BenchmarkAnswerList(b *testing.B) {
	entries := entriesFor(2000)
	dl, w := conn("")
	b.ReportAllocs()
	for b.Loop() {
		w.out.Reset()
		if err := dl.AnswerList(b.Context(), entries); err != nil {
			b.Fatal(err)
		}
	}
}
