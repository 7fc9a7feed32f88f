package notify

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/keepsake-backup/keepsake/internal/secret"
)

// What the documentation tells people to type is taken.
func TestDocumentedURLs(t *testing.T) {
	text, err := os.ReadFile("../docs/notifications.md")
	if err != nil {
		t.Fatal(err)
	}
	filled := strings.NewReplacer("TOKEN", "123456:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw", "APPTOKEN", "Abcdefghijklmno", "chats=ID", "chats=42")
	rows := regexp.MustCompile("(?m)^\\| .* \\| `([a-z]+://[^`]+)` \\|$").FindAllStringSubmatch(string(text), -1)
	if len(rows) < 9 {
		t.Fatalf("%d URLs found: has the table another form?", len(rows))
	}
	for _, row := range rows {
		u := filled.Replace(strings.ReplaceAll(row[1], "APPTOKEN", "Abcdefghijklmno"))
		if err := Validate(secret.NewText(u)); err != nil {
			t.Errorf("%s: %v", row[1], err)
		}
	}
}
