package afcd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/afc"
)

func TestRefusals(t *testing.T) {
	s, setPolicy := newServer(t)
	h := dial(t, s)
	open := func(path string) []byte { return append(u64(1), name(path)...) }
	h.want(afc.StatusNotFound, afc.OpFileOpen, open("/Books/iBooksData2.plist"))
	h.want(afc.StatusIsDir, afc.OpFileOpen, open("/DCIM"))
	h.want(afc.StatusInvalidArgument, afc.OpFileOpen, append(u64(7), name("/DCIM")...))
	h.want(afc.StatusInvalidArgument, afc.OpFileOpen, []byte{1})
	h.want(afc.StatusInvalidArgument, afc.OpFileRead, u64(99, 1))
	h.want(afc.StatusInvalidArgument, afc.OpFileClose, u64(99))
	h.want(afc.StatusInvalidArgument, afc.OpFileOpen, open(strings.Repeat("x", 2000)))
	h.want(afc.StatusUnknownPacket, 0x77, nil)
	h.want(afc.StatusInvalidArgument, afc.OpGetFileInfo, []byte("a\xff\x00"))

	policy := Policy{Protected: []string{"/DCIM/*/IMG_0001.JPG", "PhotoData"}, HardLinked: []string{"/Recordings/a.m4a"}}
	setPolicy(policy)
	h.want(afc.StatusIO, afc.OpFileOpen, open("/Recordings/a.m4a"))
	h.want(0, afc.OpFileClose, u64(h.open("/DCIM/100APPLE/IMG_0001.JPG", 1)))
	policy.Locked = true
	setPolicy(policy)
	h.want(afc.StatusPermissionDenied, afc.OpFileOpen, open("/DCIM/100APPLE/IMG_0001.JPG"))
	h.want(afc.StatusPermissionDenied, afc.OpFileOpen, open("/PhotoData/Thumbnails/t"))
	h.info("/DCIM/100APPLE/IMG_0001.JPG") // can be listed all the same
	h.want(0, afc.OpFileClose, u64(h.open("/iTunes_Control/Music/F00/ABCD.m4a", 1)))
}

// TestConfined: no path and no link leads out of the media partition.
func TestConfined(t *testing.T) {
	s, _ := newServer(t)
	h := dial(t, s)
	for _, target := range []string{"../secret", s.Dir + "/secret", "../../../../../../../../etc/passwd"} {
		h.want(0, afc.OpMakeLink, append(append(u64(2), name(target)...), name("out")...))
		for _, mode := range []uint64{1, 2, 3} {
			if got := h.status(afc.OpFileOpen, append(u64(mode), name("out")...)); got == 0 {
				t.Errorf("link to %s can be opened in mode %d", target, mode)
			}
		}
		h.want(0, afc.OpRemovePath, name("out"))
	}
	h.want(0, afc.OpMakeLink, append(append(u64(2), name("..")...), name("up")...))
	for _, path := range []string{"up/secret", "../secret", "/up/../../secret"} {
		if got := h.status(afc.OpFileOpen, append(u64(1), name(path)...)); got == 0 {
			t.Errorf("%s can be opened", path)
		}
	}
	if got := h.status(afc.OpMakeDir, name("up/made")); got == 0 {
		t.Error("a folder was made outside")
	}
	if b, err := os.ReadFile(filepath.Join(s.Dir, "secret")); err != nil || string(b) != "outside" {
		t.Errorf("secret: %q, %v", b, err)
	}
}

func TestHandleLimit(t *testing.T) {
	s, _ := newServer(t)
	h := dial(t, s)
	var first uint64
	for i := range maxHandles {
		f := h.open("/Recordings/a.m4a", 1)
		if i == 0 {
			first = f
		}
	}
	h.want(afc.StatusNoResources, afc.OpFileOpen, append(u64(1), name("/Recordings/a.m4a")...))
	h.want(0, afc.OpFileClose, u64(first))
	h.open("/Recordings/a.m4a", 1)
	dial(t, s).open("/Recordings/a.m4a", 1) // another connection has its own
}

func TestLocks(t *testing.T) {
	s, _ := newServer(t)
	a, b := dial(t, s), dial(t, s)
	const file = "/com.apple.itunes.lock_sync"
	fa, fb := a.open(file, 2), b.open(file, 2)
	lock := func(h *host, f, op uint64, want afc.Status) {
		t.Helper()
		h.want(want, afc.OpFileLock, u64(f, op))
	}
	lock(a, fa, 6, 0)
	lock(a, fa, 6, 0) // again
	lock(b, fb, 6, afc.StatusWouldBlock)
	lock(b, fb, 5, afc.StatusWouldBlock)
	lock(a, fa, 12, 0)
	lock(b, fb, 5, 0)
	lock(a, fa, 5, 0)
	lock(a, fa, 6, afc.StatusWouldBlock)
	lock(b, fb, 12, 0)
	lock(a, fa, 6, 0)
	lock(a, fa, 99, afc.StatusInvalidArgument)
	a.want(0, afc.OpFileClose, u64(fa))
	lock(b, fb, 6, 0)
	b.Close() // as when the cable comes out
	fa = a.open(file, 2)
	for deadline := time.Now().Add(5 * time.Second); ; {
		if got := a.status(afc.OpFileLock, u64(fa, 6)); got == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the lock of a lost connection stays")
		}
		time.Sleep(time.Millisecond)
	}
}
