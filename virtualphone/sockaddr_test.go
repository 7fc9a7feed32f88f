package virtualphone

import (
	"encoding/hex"
	"net"
	"strings"
	"testing"
)

// TestSockaddr: protocol.md 1.3 and 8.5.
func TestSockaddr(t *testing.T) {
	for _, tt := range []struct {
		port int
		bsd  bool
		want string
	}{
		{62078, false, "020000007f000001"},
		{50000, false, "0200c3507f000001"},
		{62078, true, "100200007f000001"},
	} {
		want := tt.want + strings.Repeat("0", 256-len(tt.want))
		if got := hex.EncodeToString(sockaddr(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: tt.port}, tt.bsd)); got != want {
			t.Errorf("%+v: %s", tt, got)
		}
	}
}
