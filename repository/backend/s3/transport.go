package s3

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"
)

const (
	dialTime = 30 * time.Second
	// stallTime is how long a connection may stand still while we wait for it,
	// in either direction. How long a whole transfer takes does not matter.
	stallTime = 2 * time.Minute
	// maxCAFile bounds a file of certificates; the system's own are some 200 KiB.
	maxCAFile = 4 << 20
	// maxListing bounds one answer of up to 1000 keys, each of at most 1024 bytes
	// (all of them escaped) and some 400 bytes around it.
	maxListing = 16 << 20
)

// transport sends requests, counts them, and bounds answers that are read into
// memory.
type transport struct {
	base *http.Transport
	sent [len(kinds)]atomic.Int64
}

var kinds = [...]string{"PUT", "GET", "HEAD", "LIST", "DELETE", "OTHER"}

const (
	kindPut = iota
	kindGet
	kindHead
	kindList
	kindDelete
	kindOther
)

func newTransport(c Config, stall time.Duration) (*transport, error) {
	dialer := &net.Dialer{Timeout: dialTime, KeepAlive: 30 * time.Second}
	base := &http.Transport{
		Proxy: c.Proxy,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return &movingConn{Conn: conn, limit: stall}, nil
		},
		MaxIdleConnsPerHost:   c.Connections + 2, // refreshing a lock comes on top
		IdleConnTimeout:       time.Minute,
		TLSHandshakeTimeout:   dialTime,
		ResponseHeaderTimeout: stall,
		DisableCompression:    true, // objects are stored as they are sent
		WriteBufferSize:       64 << 10,
		ReadBufferSize:        64 << 10,
	}
	if !c.Insecure {
		roots, err := rootCAs(c.CAFile)
		if err != nil {
			return nil, err
		}
		// A TLS configuration of our own also keeps HTTP/2 off: one connection
		// for each transfer is faster, and a stall is seen on it.
		base.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}
	}
	return &transport{base: base}, nil
}

func rootCAs(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil // the system's
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("read certificates: %w", err)
	}
	defer f.Close()
	pem, err := io.ReadAll(io.LimitReader(f, maxCAFile))
	if err != nil {
		return nil, fmt.Errorf("read certificates: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("read certificates: %s has none in PEM form", file)
	}
	return pool, nil
}

// RoundTrip sends one request.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	kind := kindOf(r)
	t.sent[kind].Add(1)
	resp, err := t.base.RoundTrip(r)
	if err == nil && (kind != kindGet || resp.StatusCode/100 != 2) {
		resp.Body = &bounded{ReadCloser: resp.Body, left: maxListing}
	}
	return resp, err
}

func (t *transport) counts() map[string]int64 {
	m := make(map[string]int64, len(kinds))
	for i, name := range kinds {
		m[name] = t.sent[i].Load()
	}
	return m
}

// kindOf sorts requests as price lists do.
func kindOf(r *http.Request) int {
	q := r.URL.Query()
	switch {
	case q.Has("list-type"):
		return kindList
	case q.Has("location") || strings.Trim(r.URL.Path, "/") == "":
		return kindOther
	}
	switch r.Method {
	case http.MethodPut, http.MethodPost:
		return kindPut
	case http.MethodGet:
		return kindGet
	case http.MethodHead:
		return kindHead
	case http.MethodDelete:
		return kindDelete
	}
	return kindOther
}

var errTooLong = errors.New("the store's answer is too long")

type bounded struct {
	io.ReadCloser
	left int64
}

func (r *bounded) Read(p []byte) (int, error) {
	if r.left <= 0 {
		return 0, errTooLong
	}
	n, err := r.ReadCloser.Read(p)
	r.left -= int64(n)
	return n, err
}

// movingConn fails when nothing moves for limit while somebody waits. Writing
// puts off the end of reading too: the answer's reader waits all through an
// upload.
type movingConn struct {
	net.Conn
	limit time.Duration
}

func (c *movingConn) Read(p []byte) (int, error) {
	if err := c.Conn.SetReadDeadline(time.Now().Add(c.limit)); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

func (c *movingConn) Write(p []byte) (int, error) {
	if err := c.Conn.SetDeadline(time.Now().Add(c.limit)); err != nil {
		return 0, err
	}
	n, err := c.Conn.Write(p)
	if n > 0 && err == nil {
		err = c.Conn.SetReadDeadline(time.Now().Add(c.limit))
	}
	return n, err
}
