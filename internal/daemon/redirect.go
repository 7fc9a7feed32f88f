package daemon

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
)

// tlsHandshake is the type of the first record that a TLS client sends (RFC 8446 5.1).
const tlsHandshake = 22

// maxPlain bounds a request that comes without TLS, in bytes.
const maxPlain = 8 << 10

// redirector sends browsers that come without TLS to the same address with it: people
// type no "https".
type redirector struct{ net.Listener }

func (l redirector) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &firstConn{Conn: c}, nil
}

// firstConn looks at what comes first, and is the connection that it stands for from
// then on. It is read by one goroutine, which has set a deadline.
type firstConn struct {
	net.Conn
	begun bool
}

func (c *firstConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if c.begun || n == 0 {
		return n, err
	}
	c.begun = true
	if p[0] == tlsHandshake || err != nil {
		return n, err
	}
	if err := c.redirect(p[:n]); err != nil {
		return 0, fmt.Errorf("no TLS, and no request: %w", err)
	}
	return 0, io.EOF
}

// redirect answers a request that began so. What is no page, such as a form with a
// password in it, is not sent once more.
func (c *firstConn) redirect(begin []byte) error {
	in := io.LimitReader(io.MultiReader(bytes.NewReader(bytes.Clone(begin)), c.Conn), maxPlain)
	r, err := http.ReadRequest(bufio.NewReader(in))
	if err != nil {
		return err
	}
	resp := &http.Response{StatusCode: http.StatusTemporaryRedirect, ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{}, Close: true}
	to := url.URL{Scheme: "https", Host: r.Host, Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery}
	if r.Method != http.MethodGet && r.Method != http.MethodHead || r.Host == "" {
		resp.StatusCode = http.StatusBadRequest
	} else {
		resp.Header.Set("Location", to.String())
	}
	return resp.Write(c.Conn)
}
