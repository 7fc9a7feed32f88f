// Package hosttest is a host for tests of the virtual phone, made of raw
// messages: it knows the wire and nothing else, so that a mistake of this
// program's own host side cannot hide one of the phone.
package hosttest

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	howett "howett.net/plist"
)

// Dict is a property list dictionary.
type Dict = map[string]any

// Timeout bounds every exchange.
const Timeout = 15 * time.Second

// Plists exchanges length-prefixed property lists.
type Plists struct {
	T testing.TB
	net.Conn
	Binary bool // requests are binary property lists
}

// Send writes one message.
func (p *Plists) Send(v any) {
	p.T.Helper()
	format := howett.XMLFormat
	if p.Binary {
		format = howett.BinaryFormat
	}
	body, err := howett.Marshal(v, format)
	if err != nil {
		p.T.Fatal(err)
	}
	p.SetDeadline(time.Now().Add(Timeout))
	// Two writes, as libimobiledevice does.
	if _, err := p.Write(binary.BigEndian.AppendUint32(nil, uint32(len(body)))); err != nil {
		p.T.Fatalf("send: %v", err)
	}
	if _, err := p.Write(body); err != nil {
		p.T.Fatalf("send: %v", err)
	}
}

// Body reads the bytes of one message; an error is that of the connection.
func (p *Plists) Body() ([]byte, error) {
	p.SetDeadline(time.Now().Add(Timeout))
	var head [4]byte
	if _, err := io.ReadFull(p, head[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > 16<<20 {
		return nil, &tooLong{n}
	}
	body := make([]byte, n)
	_, err := io.ReadFull(p, body)
	return body, err
}

type tooLong struct{ n uint32 }

func (e *tooLong) Error() string { return "message of absurd length" }

// Receive reads one message into a fresh value.
func (p *Plists) Receive() any {
	p.T.Helper()
	body, err := p.Body()
	if err != nil {
		p.T.Fatalf("receive: %v", err)
	}
	var v any
	if _, err := howett.Unmarshal(body, &v); err != nil {
		p.T.Fatalf("receive %q: %v", body, err)
	}
	return v
}

// Ask sends a request and reads its answer, a dictionary.
func (p *Plists) Ask(v any) Dict {
	p.T.Helper()
	p.Send(v)
	d, ok := p.Receive().(Dict)
	if !ok {
		p.T.Fatalf("the answer to %v is no dictionary", v)
	}
	return d
}

// Gone fails unless the phone has hung up, without a word.
func (p *Plists) Gone() {
	p.T.Helper()
	p.SetDeadline(time.Now().Add(Timeout))
	rest, err := io.ReadAll(p)
	if len(rest) > 0 {
		p.T.Errorf("the phone still says %q", rest)
	}
	if ne, ok := err.(net.Error); ok && ne.Timeout() {
		p.T.Errorf("the phone has not hung up")
	}
}

// Mux opens a connection to the muxer and sends one request.
func Mux(t testing.TB, addr string, request Dict) (net.Conn, Dict) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	MuxSend(t, conn, request)
	return conn, MuxReceive(t, conn)
}

// MuxSend writes one frame.
func MuxSend(t testing.TB, conn net.Conn, request Dict) {
	t.Helper()
	body, err := howett.Marshal(request, howett.XMLFormat)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	for _, v := range []uint32{uint32(16 + len(body)), 1, 8, 1} {
		binary.Write(&b, binary.LittleEndian, v)
	}
	b.Write(body)
	conn.SetDeadline(time.Now().Add(Timeout))
	if _, err := conn.Write(b.Bytes()); err != nil {
		t.Fatal(err)
	}
}

// MuxReceive reads one frame.
func MuxReceive(t testing.TB, conn net.Conn) Dict {
	t.Helper()
	conn.SetDeadline(time.Now().Add(Timeout))
	h := make([]byte, 16)
	if _, err := io.ReadFull(conn, h); err != nil {
		t.Fatalf("muxer: %v", err)
	}
	body := make([]byte, binary.LittleEndian.Uint32(h)-16)
	if _, err := io.ReadFull(conn, body); err != nil {
		t.Fatalf("muxer: %v", err)
	}
	var d Dict
	if _, err := howett.Unmarshal(body, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// Devices lists what is attached.
func Devices(t testing.TB, addr string) []Dict {
	t.Helper()
	conn, reply := Mux(t, addr, Dict{"MessageType": "ListDevices"})
	conn.Close()
	var out []Dict
	for _, d := range reply["DeviceList"].([]any) {
		out = append(out, d.(Dict))
	}
	return out
}

// Dial connects to a port of the phone through the muxer; kind is USB or
// Network. It fails the test when the phone is not there.
func Dial(t testing.TB, addr, udid, kind string, port uint16) net.Conn {
	t.Helper()
	conn, code := TryDial(t, addr, udid, kind, port)
	if code != 0 {
		t.Fatalf("connect to port %d: result %d", port, code)
	}
	return conn
}

// TryDial is Dial that returns the muxer's result; 2 also when the phone is not
// listed.
func TryDial(t testing.TB, addr, udid, kind string, port uint16) (net.Conn, uint64) {
	t.Helper()
	for _, d := range Devices(t, addr) {
		p := d["Properties"].(Dict)
		if p["SerialNumber"] != udid || p["ConnectionType"] != kind {
			continue
		}
		conn, reply := Mux(t, addr, Dict{
			"MessageType": "Connect", "DeviceID": d["DeviceID"], "PortNumber": uint64(port<<8 | port>>8),
		})
		return conn, reply["Number"].(uint64)
	}
	return nil, 2
}

// NewUUID is upper case, as hosts write them.
func NewUUID() string { return strings.ToUpper(uuid.NewString()) }

// TLS makes conn a TLS client that presents cert and checks nothing.
func TLS(t testing.TB, conn net.Conn, cert tls.Certificate) (*tls.Conn, error) {
	t.Helper()
	conn.SetDeadline(time.Now().Add(Timeout))
	c := tls.Client(conn, &tls.Config{
		InsecureSkipVerify: true, MinVersion: tls.VersionTLS12,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil },
	})
	return c, c.Handshake()
}
