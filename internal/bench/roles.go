//go:build linux

package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/keepsake-backup/keepsake/device"
	"github.com/keepsake-backup/keepsake/mobilebackup2"
	"github.com/keepsake-backup/keepsake/usbmux"
)

// roles are what this program is when it is started by itself.
var roles = map[string]func(context.Context, []string) error{
	"phone":    phoneRole,
	"sink":     sinkRole,
	"tls-send": tlsSendRole,
	"tls-save": tlsSaveRole,

	"corpus":        corpusRole,
	"database":      databaseRole,
	"engine":        engineRole,
	"phones":        phonesRole,
	"household":     householdRole,
	"crowd":         crowdRole,
	"content":       contentRole,
	"content-words": contentWordsRole,
	"fill-index":    fillIndexRole,
	"open-index":    openIndexRole,
}

// sinkRole receives a backup and keeps only what the protocol needs:
//
//	sink ADDRESS
func sinkRole(ctx context.Context, args []string) error {
	addr, err := usbmux.ParseAddress(args[0])
	if err != nil {
		return err
	}
	dev, err := device.Open(ctx, device.Options{Mux: &usbmux.Client{Address: addr}})
	if err != nil {
		return err
	}
	defer dev.Close()
	conn, err := dev.StartService(ctx, mobilebackup2.Service, device.WithEscrow())
	if err != nil {
		return err
	}
	c, err := mobilebackup2.New(ctx, conn)
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.Backup(ctx, mobilebackup2.Job{Target: dev.UDID().String()}, mobilebackup2.BackupOptions{}, newSink(), nil)
	return err
}

// tlsSendRole sends N bytes to whoever connects, once, as one TLS stream:
//
//	tls-send BYTES    prints its address
func tlsSendRole(_ context.Context, args []string) error {
	n, err := strconv.ParseInt(args[0], 10, 64)
	if err != nil {
		return err
	}
	cert, err := selfSigned()
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	tcp, err := l.Accept()
	if err != nil {
		return err
	}
	conn := tls.Server(tcp, &tls.Config{Certificates: []tls.Certificate{cert}, MaxVersion: tls.VersionTLS12})
	block := make([]byte, 256<<10)
	if _, err := rand.Read(block); err != nil {
		return err
	}
	for n > 0 {
		k, err := conn.Write(block[:min(n, int64(len(block)))])
		if err != nil {
			return err
		}
		n -= int64(k)
	}
	return conn.Close()
}

// tlsSaveRole writes what one TLS connection gives to one file, durably:
//
//	tls-save ADDRESS FILE
func tlsSaveRole(ctx context.Context, args []string) error {
	d := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}} // measures speed, between two processes of this program
	conn, err := d.DialContext(ctx, "tcp", args[0])
	if err != nil {
		return err
	}
	defer conn.Close()
	f, err := os.Create(args[1])
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := io.CopyBuffer(struct{ io.Writer }{f}, conn, make([]byte, 256<<10)); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return f.Close()
}

func selfSigned() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

// sink is a Store that forgets contents, but not names and sizes, since the
// phone lists what it sent and reads its status and manifests back.
type sink struct {
	dirs  map[string]map[string]mobilebackup2.Entry
	kept  map[string][]byte
	drain []byte
}

func newSink() *sink {
	return &sink{dirs: map[string]map[string]mobilebackup2.Entry{}, kept: map[string][]byte{}, drain: make([]byte, 256<<10)}
}

func (s *sink) Open(_ context.Context, path string) (io.ReadCloser, int64, error) {
	b, ok := s.kept[path]
	if !ok {
		return nil, 0, fs.ErrNotExist
	}
	return io.NopCloser(&reader{b}), int64(len(b)), nil
}

type reader struct{ b []byte }

func (r *reader) Read(p []byte) (int, error) {
	if len(r.b) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.b)
	r.b = r.b[n:]
	return n, nil
}

func (s *sink) Put(_ context.Context, path string, r io.Reader) error {
	dir, name := split(path)
	var n int64
	if isPlumbing(name) {
		b, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		s.kept[path], n = b, int64(len(b))
	} else {
		var err error
		if n, err = io.CopyBuffer(io.Discard, struct{ io.Reader }{r}, s.drain); err != nil {
			return err
		}
	}
	s.entry(dir, mobilebackup2.Entry{Name: name, Size: n, ModTime: time.Now()})
	return nil
}

// isPlumbing names the files that the phone reads back.
func isPlumbing(name string) bool {
	return name == "Status.plist" || name == "Manifest.plist" || name == "Manifest.db"
}

func (s *sink) entry(dir string, e mobilebackup2.Entry) {
	if s.dirs[dir] == nil {
		s.dirs[dir] = map[string]mobilebackup2.Entry{}
	}
	s.dirs[dir][e.Name] = e
}

func (s *sink) ReadDir(_ context.Context, path string) ([]mobilebackup2.Entry, error) {
	m, ok := s.dirs[path]
	if !ok {
		return nil, fs.ErrNotExist
	}
	list := make([]mobilebackup2.Entry, 0, len(m))
	for _, e := range m {
		list = append(list, e)
	}
	return list, nil
}

func (s *sink) Mkdir(_ context.Context, path string) error {
	if _, ok := s.dirs[path]; ok {
		return fs.ErrExist
	}
	s.dirs[path] = map[string]mobilebackup2.Entry{}
	if dir, name := split(path); dir != "" {
		s.entry(dir, mobilebackup2.Entry{Name: name, Dir: true})
	}
	return nil
}

func (s *sink) Rename(_ context.Context, from, to string) error {
	fromDir, fromName := split(from)
	e, ok := s.dirs[fromDir][fromName]
	if !ok {
		return fs.ErrNotExist
	}
	if e.Dir {
		return errors.New("folders are not moved in this measurement")
	}
	delete(s.dirs[fromDir], fromName)
	toDir, toName := split(to)
	e.Name = toName
	s.entry(toDir, e)
	if b, ok := s.kept[from]; ok {
		s.kept[to] = b
		delete(s.kept, from)
	}
	return nil
}

func (s *sink) Remove(_ context.Context, path string) error {
	dir, name := split(path)
	delete(s.dirs[dir], name)
	for d := range s.dirs {
		if d == path || len(d) > len(path) && d[:len(path)] == path && d[len(path)] == '/' {
			delete(s.dirs, d)
		}
	}
	return nil
}

func (s *sink) FreeSpace(context.Context) (int64, error) { return 1 << 42, nil }

func split(path string) (dir, name string) {
	for i := len(path) - 1; i >= 0; i-- {
		if path[i] == '/' {
			return path[:i], path[i+1:]
		}
	}
	return "", path
}
