package usbmux

import (
	"encoding/binary"
	"io"
	"net"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The reply of 221 bytes that real logs show (protocol.md 8.6): no devices. Our
// encoder puts other white space between the tags, so its reply is longer and
// is compared without it.
func TestVectors_emptyList(t *testing.T) {
	const body = `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
	<key>DeviceList</key>
	<array/>
</dict>
</plist>
`
	if len(body) != 221 {
		t.Fatalf("the vector has %d bytes", len(body))
	}
	c := daemon(t, func(conn net.Conn, _ Message) {
		head := make([]byte, 16)
		for i, n := range []uint32{uint32(len(body)) + 16, 1, 8, 1} {
			binary.LittleEndian.PutUint32(head[4*i:], n)
		}
		conn.Write(append(head, body...))
	})
	if got, err := c.List(t.Context()); err != nil || len(got) != 0 {
		t.Errorf("the client reads %v, %v", got, err)
	}
	ours, theirs := net.Pipe()
	go func() {
		WriteMessage(theirs, 1, DeviceListReply{DeviceList: []Message{}})
		theirs.Close()
	}()
	frame, err := io.ReadAll(ours)
	if err != nil || len(frame) < 16 {
		t.Fatalf("%d bytes, %v", len(frame), err)
	}
	between := regexp.MustCompile(`>\s+<`)
	dense := func(s string) string {
		s = strings.TrimSpace(between.ReplaceAllString(s, "><"))
		return strings.ReplaceAll(s, "<array></array>", "<array/>")
	}
	if diff := cmp.Diff(dense(body), dense(string(frame[16:]))); diff != "" {
		t.Errorf("our reply (-vector +got):\n%s", diff)
	}
}
