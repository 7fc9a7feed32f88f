package chat_test

import (
	"fmt"
	"net/url"
	"path/filepath"
	"testing"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/extracttest"
	"github.com/keepsake-backup/keepsake/extract/whatsapp"
	"github.com/keepsake-backup/keepsake/internal/chromiumtest"
)

func TestBrowser(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	export(t, dir, everything(), source(files), extract.ExportOptions{Files: true})
	phone := extracttest.Source(t, extracttest.Phone(t, "17.3"))
	export(t, dir, whatsapp.New(), phone, extract.ExportOptions{Files: true})
	list, err := whatsapp.New().Conversations(t.Context(), phone)
	if err != nil {
		t.Fatal(err)
	}
	b := chromiumtest.Open(t, dir)
	for _, width := range []int64{390, 1280} {
		for _, dark := range []bool{false, true} {
			look := fmt.Sprintf("%d-%s", width, map[bool]string{false: "light", true: "dark"}[dark])
			b.Visit(width, dark, "Test", "Book club", "conversation.html")
			b.Inspect("book club " + look)
			b.Picture("chat-conversation-" + look)
			b.Visit(width, dark, "Test", "index.html")
			b.Inspect("list " + look)
			b.Picture("chat-list-" + look)
			b.Visit(width, dark, "WhatsApp", "index.html")
			b.Inspect("list of WhatsApp " + look)
			if n := chromiumtest.Eval[float64](b, "document.querySelectorAll('.conversations > li').length"); int(n) != len(list) {
				t.Errorf("the list has %v conversations, want %d", n, len(list))
			}
			for _, link := range chromiumtest.Eval[[]string](b, "[...document.querySelectorAll('h2 a')].map((a) => a.href)") {
				u, err := url.Parse(link)
				if err != nil {
					t.Fatal(err)
				}
				rel, err := filepath.Rel(dir, u.Path)
				if err != nil {
					t.Fatal(err)
				}
				b.Visit(width, dark, rel)
				b.Inspect(rel + " " + look)
			}
			b.Picture("chat-whatsapp-" + look)
		}
	}
}
