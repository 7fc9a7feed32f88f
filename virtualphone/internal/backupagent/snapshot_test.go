package backupagent

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/keepsake-backup/keepsake/itunesbackup"
)

// loadSent reads records as an interrupted run left them.
func loadSent(t *testing.T, data []byte) *snapshot {
	t.Helper()
	s := &snapshot{dir: t.TempDir(), Clean: true, sent: map[itunesbackup.FileID]sentFile{}}
	if err := os.WriteFile(filepath.Join(s.dir, "sent"), data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.load(); err != nil {
		t.Fatal(err)
	}
	return s
}

// Which files of an interrupted run count as arrived.
func TestSentRecords(t *testing.T) {
	id := itunesbackup.MakeFileID("HomeDomain", "a")
	sent := func(mtime int64) []byte {
		return encodeSent(id, sentFile{mtime: mtime, size: 3, stored: stored{size: 16, hasKey: true, key: [44]byte{3}}})
	}
	failed := append([]byte{'F'}, id[:]...)
	ack := []byte{'A'}
	tests := []struct {
		name    string
		records [][]byte
		arrived int64
		clean   bool
		want    bool
	}{
		{"confirmed", [][]byte{sent(1), ack}, 16, false, true},
		{"not confirmed, all there", [][]byte{sent(1)}, 16, true, true},
		{"not confirmed, part there", [][]byte{sent(1)}, 10, true, false},
		{"not confirmed, something was there before", [][]byte{sent(1)}, 16, false, false},
		{"confirmed, then lost", [][]byte{sent(1), ack}, -1, true, false},
		{"sent again, not confirmed", [][]byte{sent(1), ack, sent(2)}, 16, true, false},
		{"sent again and confirmed", [][]byte{sent(1), ack, sent(2), ack}, 16, true, true},
		{"failed", [][]byte{sent(1), ack, failed}, 16, true, false},
		{"failed, then sent", [][]byte{failed, sent(1), ack}, 16, true, true},
		{"record cut short", [][]byte{sent(1)[:60]}, 16, true, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var data []byte
			for _, r := range tt.records {
				data = append(data, r...)
			}
			s := loadSent(t, data)
			arrived := map[itunesbackup.FileID]int64{}
			if tt.arrived >= 0 {
				arrived[id] = tt.arrived
			}
			s.Clean = tt.clean
			s.keep(arrived)
			if s.has(id) != tt.want {
				t.Errorf("kept %t", s.has(id))
			}
			if tt.want && (!s.sent[id].hasKey || s.sent[id].key[0] != 3 || s.sent[id].size != 3) {
				t.Errorf("record came back as %+v", s.sent[id])
			}
		})
	}
}
