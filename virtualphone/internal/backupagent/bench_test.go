package backupagent

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/keepsake-backup/keepsake/devicelink"
	"github.com/keepsake-backup/keepsake/internal/secret"
)

// BenchmarkLarge sends one large file, BenchmarkSmall many small ones, over TCP
// to a host that throws files away: what the phone alone can do.
func BenchmarkLarge(b *testing.B) {
	for _, domain := range []string{"CameraRollDomain/Media/DCIM", "HomeDomain/Library/SMS/Drafts"} {
		for _, password := range []string{"", "pw"} {
			b.Run(fmt.Sprintf("%s/%t", domain[:4], password != ""), func(b *testing.B) {
				dir := b.TempDir()
				const size = 1 << 30
				at := filepath.Join(dir, "fs", filepath.FromSlash(domain), "large.mov")
				if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
					b.Fatal(err)
				}
				f, err := os.Create(at)
				if err != nil {
					b.Fatal(err)
				}
				if err := f.Truncate(size); err != nil {
					b.Fatal(err)
				}
				f.Close()
				b.SetBytes(size)
				benchmarkUpload(b, dir, password)
			})
		}
	}
}

func BenchmarkSmall(b *testing.B) {
	for _, password := range []string{"", "pw"} {
		b.Run(fmt.Sprint(password != ""), func(b *testing.B) {
			dir := b.TempDir()
			const files = 20_000
			for i := range files {
				at := filepath.Join(dir, "fs", "AppDomain-com.example.app", fmt.Sprintf("d%d", i/200), fmt.Sprintf("f%d", i))
				if i%200 == 0 {
					if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
						b.Fatal(err)
					}
				}
				if err := os.WriteFile(at, make([]byte, 2000), 0o644); err != nil {
					b.Fatal(err)
				}
			}
			benchmarkUpload(b, dir, password)
			b.ReportMetric(files*float64(b.N)/b.Elapsed().Seconds(), "files/s")
		})
	}
}

// benchmarkUpload times steps 6 to 9 and the making of the manifest.
func benchmarkUpload(b *testing.B, dir, password string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	go nullHost(l)
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	p := &testPhone{dir: dir, policy: Policy{KDFRounds: 10}, password: secret.NewBackupPassword(password), identity: Identity{UDID: testUDID}}
	a := &agent{phone: p, dir: dir, link: newLink(conn), rules: phoneRules()}
	if err := os.MkdirAll(a.own("work"), 0o700); err != nil {
		b.Fatal(err)
	}
	ctx := b.Context()
	for b.Loop() {
		run := &backup{agent: a, folder: testUDID, policy: p.policy, encrypted: password != "", full: true, base: newBase()}
		run.beginFull("empty")
		if run.bag, err = run.newBag(ctx); err != nil {
			b.Fatal(err)
		}
		if run.half, err = run.beginHalf(true); err != nil {
			b.Fatal(err)
		}
		if err := run.scan(ctx); err != nil {
			b.Fatal(err)
		}
		if err := run.uploadChanges(ctx); err != nil {
			b.Fatal(err)
		}
		path, err := run.makeManifest(ctx)
		if err != nil {
			b.Fatal(err)
		}
		if err := os.Remove(path); err != nil {
			b.Fatal(err)
		}
	}
}

// nullHost takes uploads and says yes.
func nullHost(l net.Listener) {
	conn, err := l.Accept()
	if err != nil {
		return
	}
	defer conn.Close()
	h := &testHost{}
	h.attach(&bufferedConn{conn, bufio.NewReaderSize(conn, 256<<10)})
	buf := make([]byte, 1<<20)
	for {
		if _, err := h.tryReceive(); err != nil {
			return
		}
		r, release := h.fc.Reader(context.Background())
		for inFile := 0; ; {
			n, err := devicelink.ReadFrameLength(r)
			if err != nil {
				return
			}
			if n == 0 && inFile == 0 {
				break
			}
			if _, err := io.ReadFull(r, buf[:n]); err != nil {
				return
			}
			switch {
			case inFile < 2:
				inFile++
			case buf[0] != devicelink.CodeData:
				inFile = 0
			}
		}
		release()
		if h.status(0, map[string]any{}) != nil {
			return
		}
	}
}
