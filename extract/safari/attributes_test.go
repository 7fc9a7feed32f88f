package safari

import (
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/internal/plist"
)

// FuzzAttributes makes sure that no property list does harm, and no date is beyond what
// JSON can say.
func FuzzAttributes(f *testing.F) {
	for _, v := range []any{
		map[string]any{"com.apple.ReadingList": map[string]any{"DateAdded": time.Unix(0, 0), "PreviewText": "x", "DateLastViewed": 1e300}},
		map[string]any{"com.apple.ReadingList": []any{1}, "LastVisitTime": 7.5e8, "IsPrivateWindow": true}, []any{}, "text",
	} {
		for _, format := range []plist.Format{plist.Binary, plist.XML} {
			data, err := plist.Marshal(v, format)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	f.Add([]byte("bplist00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		a := attributesOf(data)
		for _, at := range []time.Time{a.added, a.viewed, a.visited} {
			if _, err := at.MarshalJSON(); err != nil {
				t.Fatal(err)
			}
		}
	})
}
