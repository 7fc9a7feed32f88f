package hosttest

import (
	"crypto/tls"
	"net"
	"testing"
)

// Lockdown is a connection to lockdownd.
type Lockdown struct {
	Plists
	Label   string
	Session string // its id, "" outside a session

	raw    net.Conn
	secure *tls.Conn
}

// NewLockdown talks to lockdownd over conn.
func NewLockdown(t testing.TB, conn net.Conn) *Lockdown {
	return &Lockdown{Plists: Plists{T: t, Conn: conn}, Label: "hosttest", raw: conn}
}

// Request asks and returns the answer; its Request must repeat the question's.
func (l *Lockdown) Request(d Dict) Dict {
	l.T.Helper()
	if _, ok := d["Label"]; !ok && l.Label != "" {
		d["Label"] = l.Label
	}
	reply := l.Ask(d)
	if reply["Request"] != d["Request"] {
		l.T.Errorf("the answer to %v is to %v", d["Request"], reply["Request"])
	}
	return reply
}

// OK is Request that must not be refused.
func (l *Lockdown) OK(d Dict) Dict {
	l.T.Helper()
	reply := l.Request(d)
	if e, refused := reply["Error"]; refused {
		l.T.Fatalf("%v: %v", d["Request"], e)
	}
	if reply["Result"] != "Success" {
		l.T.Errorf("%v: Result is %v", d["Request"], reply["Result"])
	}
	return reply
}

// Refused is Request that must be refused with that error.
func (l *Lockdown) Refused(want string, d Dict) {
	l.T.Helper()
	reply := l.Request(d)
	if reply["Error"] != want || reply["Result"] != "Failure" {
		l.T.Errorf("%v: %v (%v), want %s", d["Request"], reply["Error"], reply["Result"], want)
	}
}

// Value reads one value.
func (l *Lockdown) Value(domain, key string) any {
	l.T.Helper()
	return l.OK(get(domain, key))["Value"]
}

// NoValue wants the error for one value.
func (l *Lockdown) NoValue(want, domain, key string) {
	l.T.Helper()
	l.Refused(want, get(domain, key))
}

func get(domain, key string) Dict {
	d := Dict{"Request": "GetValue"}
	if domain != "" {
		d["Domain"] = domain
	}
	if key != "" {
		d["Key"] = key
	}
	return d
}

// Pair makes a record in a style and pairs; it must be accepted at once.
func (l *Lockdown) Pair(s Style) *Record {
	l.T.Helper()
	key, _ := l.Value("", "DevicePublicKey").([]byte)
	r := NewRecord(l.T, key, s)
	reply := l.OK(r.PairRequest())
	if r.EscrowBag, _ = reply["EscrowBag"].([]byte); len(r.EscrowBag) != 32 {
		l.T.Errorf("escrow bag of %d bytes", len(r.EscrowBag))
	}
	return r
}

// Start opens a session and TLS.
func (l *Lockdown) Start(r *Record) {
	l.T.Helper()
	reply := l.OK(Dict{"Request": "StartSession", "HostID": r.HostID, "SystemBUID": r.SystemBUID})
	if reply["EnableSessionSSL"] != true {
		l.T.Fatalf("StartSession: %v", reply)
	}
	l.Session = reply["SessionID"].(string)
	c, err := TLS(l.T, l.raw, r.ClientCertificate)
	if err != nil {
		l.T.Fatalf("session TLS: %v", err)
	}
	l.secure, l.Conn = c, c
}

// Stop ends the session and goes back to plaintext as go-ios describes it: our
// alert, then the phone's. Polite tells whether this host sends its alert.
func (l *Lockdown) Stop(polite bool) {
	l.T.Helper()
	l.OK(Dict{"Request": "StopSession", "SessionID": l.Session})
	if polite {
		if err := l.secure.CloseWrite(); err != nil {
			l.T.Fatal(err)
		}
		if n, err := l.secure.Read(make([]byte, 1)); n != 0 || err == nil {
			l.T.Errorf("after StopSession: %d bytes, %v; want the phone's close_notify", n, err)
		}
	}
	l.Conn, l.secure, l.Session = l.raw, nil, ""
}

// Service starts one with this session and returns its port.
func (l *Lockdown) Service(name string, bag []byte) uint16 {
	l.T.Helper()
	d := Dict{"Request": "StartService", "Service": name}
	if bag != nil {
		d["EscrowBag"] = bag
	}
	reply := l.OK(d)
	if reply["Service"] != name || reply["EnableServiceSSL"] != (l.Session != "") {
		l.T.Errorf("StartService: %v", reply)
	}
	port, _ := reply["Port"].(uint64)
	if port == 0 || port > 65535 {
		l.T.Fatalf("StartService %s: port %v", name, reply["Port"])
	}
	return uint16(port)
}

// Version is that of the session's TLS.
func (l *Lockdown) Version() uint16 { return l.secure.ConnectionState().Version }

// Peer is the certificate that the phone shows, DER.
func (l *Lockdown) Peer() []byte { return l.secure.ConnectionState().PeerCertificates[0].Raw }
