package devicelink

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keepsake-backup/keepsake/internal/plist"
)

// betweenTags is the white space in which two encoders of XML differ.
var betweenTags = regexp.MustCompile(`>\s+<`)

func dense(b []byte) string {
	return strings.TrimSpace(betweenTags.ReplaceAllString(string(b), "><"))
}

// helloXML is the hello of protocol.md 8.1 as Apple's encoder and plistlib write
// it: 279 bytes. Our encoder indents once more below <plist>, so its length is
// another and the two are compared without the white space between tags.
const helloXML = `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<array>
	<string>DLMessageVersionExchange</string>
	<integer>400</integer>
	<integer>0</integer>
</array>
</plist>
`

// The handshake of protocol.md 8.1, byte for byte. Those of the hello are the
// document's; the others are pinned by their documented lengths, and come from
// plistlib.
func TestVectors_handshake(t *testing.T) {
	for _, tt := range []struct {
		name     string
		elements []any
		size     int
		hex      string
	}{
		{"hello", []any{VersionExchange, VersionMajor, VersionMinor}, 80, helloHex},
		{"ready", []any{DeviceReady}, 67,
			"62706c6973743030a1015f1014444c4d657373616765446576696365526561647908" + "0a" + "0000000000000101" + "0000000000000002" + "0000000000000000" + "0000000000000021"},
		{"accepted", []any{VersionExchange, VersionsOK, 400}, 91,
			"62706c6973743030a30102035f1018444c4d65737361676556657273696f6e45786368616e67655c444c56657273696f6e734f6b110190" + "080c2734" + "0000000000000101" + "0000000000000004" + "0000000000000000" + "0000000000000037"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, w := conn("")
			if err := c.Send(t.Context(), tt.elements...); err != nil {
				t.Fatal(err)
			}
			b := w.out.Bytes()
			if n := binary.BigEndian.Uint32(b); int(n) != tt.size || len(b) != 4+tt.size {
				t.Errorf("%d bytes behind a length of %d, want %d", len(b)-4, n, tt.size)
			}
			if got := hex.EncodeToString(b[4:]); got != tt.hex {
				t.Errorf("got  %s\nwant %s", got, tt.hex)
			}
		})
	}
	t.Run("hello in XML", func(t *testing.T) {
		if len(helloXML) != 279 {
			t.Fatalf("the vector has %d bytes", len(helloXML))
		}
		ours, err := plist.Marshal([]any{VersionExchange, VersionMajor, VersionMinor}, plist.XML)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(dense([]byte(helloXML)), dense(ours)); diff != "" {
			t.Error(diff)
		}
		c, _ := conn(frame(helloXML) + message(t, plist.XML, DeviceReady))
		if err := c.Handshake(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// The messages of protocol.md 8.3, decoded to the last value.
func TestVectors_messages(t *testing.T) {
	const udid = "ea75b4bc00000000000000000000000000000000"
	batch := func(n int) (map[string]any, []MovePair) {
		dict, items := map[string]any{}, []MovePair{}
		for i := range n {
			id := hex.EncodeToString(append(make([]byte, 18), byte(i>>8), byte(i)))
			from, to := udid+"/Snapshot/00/"+id, udid+"/00/"+id
			dict[from] = to
			items = append(items, MovePair{from, to})
		}
		return dict, items
	}
	move128, pairs128 := batch(128)
	move15, pairs15 := batch(15)
	for _, tt := range []struct {
		name     string
		elements []any
		want     Message
	}{
		{"SDM#103", []any{"DLMessageDownloadFiles", []any{udid + "/Status.plist"}, map[string]any{}, 0, 0}, Download{Paths: []string{udid + "/Status.plist"}}},
		{"LIM#112", []any{"DLMessageDownloadFiles", []any{}, map[string]any{"DLDeviceIOCallbacks": 400508120}, 97.010055, 0}, Download{Paths: []string{}, Progress: 97.010055}},
		{"LIM#1071, free", []any{"DLMessageGetFreeDiskSpace"}, FreeSpace{}},
		{"LIM#1071, purge", []any{"DLMessagePurgeDiskSpace", 26418026591, 4}, Purge{26418026591, 4}},
		{"PMD3#1886", []any{"DLMessagePurgeDiskSpace", 667490157139, 4}, Purge{667490157139, 4}},
		{"iOS 26.6.1, 1000000 reported", []any{"DLMessagePurgeDiskSpace", 2335105975, 4}, Purge{2335105975, 4}},
		{"iOS 26.6.1, 188500000 reported", []any{"DLMessagePurgeDiskSpace", 2147606193, 4}, Purge{2147606193, 4}},
		{"LIM#311", []any{"DLMessageCreateDirectory", "_unback_/x", map[string]any{}, 0.0}, MakeDir{"_unback_/x"}},
		{"LIM#630, 128 files", []any{"DLMessageMoveItems", move128, map[string]any{}, 96.5}, Move{pairs128, 96.5}},
		{"LIM#630, 15 files", []any{"DLMessageMoveItems", move15, map[string]any{}, 97.0}, Move{pairs15, 97}},
		{"LIM#630, 1 file", []any{"DLMessageMoveItems", map[string]any{udid + "/Snapshot/Manifest.db": udid + "/Manifest.db"}, map[string]any{}, 98.0},
			Move{[]MovePair{{udid + "/Snapshot/Manifest.db", udid + "/Manifest.db"}}, 98}},
		{"LIM#630, removal", []any{"DLMessageRemoveItems", []any{udid + "/Snapshot"}, map[string]any{}, 99.0}, Remove{[]string{udid + "/Snapshot"}, 99}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, f := range []plist.Format{plist.Binary, plist.XML} {
				c, _ := conn(message(t, f, tt.elements...))
				got, err := c.Receive(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Error(diff)
				}
				if _, err := c.Receive(t.Context()); err != io.EOF {
					t.Errorf("bytes are left: %v", err)
				}
			}
		})
	}
}

// The failed uploads of protocol.md 8.3: the file after each still arrives.
func TestVectors_uploads(t *testing.T) {
	for _, tt := range []struct{ name, device, host string }{
		{"LIM#1361", "/.ba/mobile/Media/DCIM/108APPLE/IMG_8720.HEIC", "ea75b4bc/Snapshot/14/1477d34c9071bb8760c8d25d182563029539a424"},
		{"PMD3#755", "/var/mobile/Library/Application Support/FileProvider/backup/backup_manifest.db", "u/Snapshot/49/49128ab470583769cf58eb2e9fe2eb47983afac3"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, _ := conn(frame(tt.device) + frame(tt.host) + frame("\x0bInput/output error (5)") +
				frame("/.b/6/next") + frame("u/Snapshot/ab/ab") + frame("\x0cdata") + frame("\x00") + frame(""))
			r := c.ReceiveFiles(t.Context())
			defer r.Close()
			want := []received{{tt.device, tt.host, "", "the phone could not read " + tt.device + ": Input/output error (5)"}, {"/.b/6/next", "u/Snapshot/ab/ab", "data", ""}}
			if diff := cmp.Diff(want, receiveAll(r)); diff != "" || r.Err() != nil {
				t.Errorf("%v\n%s", r.Err(), diff)
			}
		})
	}
}

// The multi-status of LIM#1412 (protocol.md 8.3) in XML, as some hosts send it:
// negative numbers there are those of 64 bits without a sign (protocol.md 4.5).
func TestVectors_multiStatus(t *testing.T) {
	c, w := conn("")
	entry := map[string]any{KeyErrorString: "No such file or directory", KeyErrorCode: int64(StatusNotFound)}
	if err := c.Answer(t.Context(), StatusMulti, "Multi status", map[string]any{"u/Status.plist": entry}); err != nil {
		t.Fatal(err)
	}
	var ours, theirs []any
	other := []any{StatusResponse, uint64(18446744073709551603), "Multi status", map[string]any{"u/Status.plist": map[string]any{
		"DLFileErrorString": "No such file or directory", "DLFileErrorCode": uint64(18446744073709551610)}}}
	text, err := plist.Marshal(other, plist.XML)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(text, []byte("<integer>18446744073709551603</integer>")) {
		t.Errorf("XML is %s", text)
	}
	if err := plist.Unmarshal(text, &theirs); err != nil {
		t.Fatal(err)
	}
	if err := plist.Unmarshal(w.out.Bytes()[4:], &ours); err != nil {
		t.Fatal(err)
	}
	var narrow func(list []any) []any
	narrow = func(list []any) []any {
		for i, v := range list {
			switch v := v.(type) {
			case uint64:
				list[i] = int32(v)
			case int64:
				list[i] = int32(v)
			case map[string]any:
				for _, e := range v {
					e := e.(map[string]any)
					e[KeyErrorCode] = narrow([]any{e[KeyErrorCode]})[0]
				}
			}
		}
		return list
	}
	if diff := cmp.Diff(narrow(theirs), narrow(ours)); diff != "" || len(ours) != 4 {
		t.Errorf("ours has %d elements (-theirs +ours):\n%s", len(ours), diff)
	}
}
