package mobilebackup2_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/devicelink"
	"github.com/keepsake-backup/keepsake/internal/framing"
	"github.com/keepsake-backup/keepsake/internal/plist"
	"github.com/keepsake-backup/keepsake/mobilebackup2"
	"github.com/keepsake-backup/keepsake/mobilebackup2/dirstore"
	"github.com/keepsake-backup/keepsake/mobilebackup2/storetest"
)

// sink takes everything and keeps Status.plist.
type sink struct{ *storetest.Memory }

func (s sink) Put(ctx context.Context, p string, r io.Reader) error {
	if strings.HasSuffix(p, ".plist") {
		return s.Memory.Put(ctx, p, r)
	}
	_, err := io.CopyBuffer(writer{}, r, s.buffer())
	return err
}

var sinkBuffer = make([]byte, 256<<10)

func (sink) buffer() []byte { return sinkBuffer }

type writer struct{}

func (writer) Write(p []byte) (int, error) { return len(p), nil }

func certificate(b *testing.B) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "phone"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		b.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// BenchmarkReceive is a backup over one TLS connection on loopback, the way a
// phone sends it: batches of 128 files, frames of 256 KiB.
func BenchmarkReceive(b *testing.B) {
	for _, files := range []struct {
		name string
		n    int
		size int
	}{{"small", 12800, 4 << 10}, {"large", 8, 64 << 20}} {
		for _, store := range []struct {
			name string
			open func(b *testing.B) mobilebackup2.Store
		}{
			{"null", func(*testing.B) mobilebackup2.Store { return sink{&storetest.Memory{}} }},
			{"dirstore", func(b *testing.B) mobilebackup2.Store { return openDir(b, b.TempDir()) }},
			{"dirstore-sync-each", func(b *testing.B) mobilebackup2.Store {
				s, err := dirstore.Open(b.TempDir(), dirstore.Options{SyncEachFile: true})
				if err != nil {
					b.Fatal(err)
				}
				b.Cleanup(func() { s.Close() })
				return s
			}},
		} {
			b.Run(files.name+"/"+store.name, func(b *testing.B) {
				b.SetBytes(int64(files.n) * int64(files.size))
				b.ReportAllocs()
				for b.Loop() {
					receive(b, store.open(b), files.n, files.size)
				}
				b.ReportMetric(float64(files.n)*float64(b.N)/b.Elapsed().Seconds(), "files/s")
			})
		}
	}
}

func receive(b *testing.B, store mobilebackup2.Store, n, size int) {
	cert := certificate(b)
	host, far := pair(b)
	done := make(chan error, 1)
	go func() {
		done <- sendBackup(tls.Server(far, &tls.Config{Certificates: []tls.Certificate{cert}}), n, size)
	}()
	c, err := mobilebackup2.New(b.Context(), tls.Client(host, &tls.Config{InsecureSkipVerify: true}))
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Backup(b.Context(), job, mobilebackup2.BackupOptions{}, store, nil); err != nil {
		b.Fatal(err)
	}
	if err := <-done; err != nil {
		b.Fatal(err)
	}
}

func sendBackup(conn *tls.Conn, n, size int) error {
	fc := framing.New(conn, plist.Binary)
	ctx := context.Background()
	var reply []any
	say := func(elements ...any) error { return fc.Send(ctx, elements) }
	hear := func() error { return fc.Receive(ctx, &reply) }
	hello := map[string]any{"MessageName": "Response", "ErrorCode": 0, "ProtocolVersion": 2.1}
	for _, step := range []func() error{
		func() error { return say(devicelink.VersionExchange, 400, 0) }, hear, func() error { return say(devicelink.DeviceReady) }, hear,
		func() error { return say(devicelink.ProcessMessage, hello) }, hear,
	} {
		if err := step(); err != nil {
			return err
		}
	}
	for _, top := range []string{"/", "/Snapshot/"} {
		for i := range 256 {
			if err := say(devicelink.CreateDirectory, fmt.Sprintf("%s%s%02x", udid, top, i), map[string]any{}, 0.0); err != nil {
				return err
			}
			if err := hear(); err != nil {
				return err
			}
		}
	}
	data := make([]byte, size)
	var out []byte
	flush := func() error {
		_, err := conn.Write(out)
		out = out[:0]
		return err
	}
	for i := range n {
		if i%128 == 0 {
			if err := say(devicelink.UploadFiles, map[string]any{}, 10.0, size*128); err != nil {
				return err
			}
		}
		out = append(out, frame("/var/mobile/Library/Some/Where/file")...)
		out = append(out, frame(staged(i*7919))...)
		for rest := data; len(rest) > 0; {
			k := min(len(rest), devicelink.DeviceChunk)
			out = append(out, frame("\x0c", string(rest[:k]))...)
			rest = rest[k:]
			if len(out) > 128<<10 {
				if err := flush(); err != nil {
					return err
				}
			}
		}
		out = append(out, frame("\x00")...)
		if i%128 == 127 || i == n-1 {
			out = append(out, frame()...)
			if err := flush(); err != nil {
				return err
			}
			if err := hear(); err != nil {
				return err
			}
		}
	}
	if err := say(devicelink.UploadFiles); err != nil {
		return err
	}
	status, err := plist.Marshal(map[string]any{"SnapshotState": "finished"}, plist.Binary)
	if err != nil {
		return err
	}
	out = append(out, frame("/s")+frame(udid+"/Status.plist")+frame("\x0c", string(status))+frame("\x00")+frame()...)
	if err := flush(); err != nil {
		return err
	}
	if err := hear(); err != nil {
		return err
	}
	return say(devicelink.ProcessMessage, map[string]any{"MessageName": "Response", "ErrorCode": 0})
}
