// Package lockdownd is the phone's lockdownd: it says who the phone is, decides
// which hosts are trusted and starts services for them (protocol.md 2).
//
//	host                                lockdownd
//	QueryType, GetValue         ->      some values, to anybody
//	Pair                        ->      "PairingDialogResponsePending" … EscrowBag
//	StartSession HostID         ->      SessionID
//	TLS client hello            ->      from here TLS on the same connection
//	GetValue, SetValue          ->      everything
//	StartService                ->      a port, good for one connection
//	StopSession                 ->      close_notify both ways, plaintext again
//
// Messages are property lists behind a u32 length (package framing). Replies
// are XML, repeat the name of the request and carry Result.
package lockdownd

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/keepsake-backup/keepsake/internal/framing"
	"github.com/keepsake-backup/keepsake/internal/plist"
	"github.com/keepsake-backup/keepsake/lockdown"
	"github.com/keepsake-backup/keepsake/virtualphone/internal/mischief"
	"github.com/keepsake-backup/keepsake/virtualphone/internal/state"
)

const (
	maxMessage       = 1 << 20 // bytes; a Pair request has about 8 KiB
	handshakeTimeout = 10 * time.Second
)

// Phone is what lockdownd needs to know of the phone around it.
type Phone interface {
	State() *state.Phone
	Now() time.Time
	// Held is how many bytes of its disk the phone's files take.
	Held() int64
	mischief.Hitter
	// Notify posts a notification of the system to observers.
	Notify(name string)
	// SettingsChanged is told after a host has set a value.
	SettingsChanged()
	// OpenService makes a port for one connection to the service, which begins
	// with TLS if config is given. The error may be a lockdown.Error.
	OpenService(name string, config *tls.Config, network bool) (port uint16, err error)
	// Event tells tests and the log what happened.
	Event(name string)
}

// Service is what lockdownd knows of a service that it can start.
type Service struct {
	Sessionless  bool // may be started without a session, then without TLS
	BeforeUnlock bool // runs before the first unlock after a boot
	NeedsEscrow  bool // on a locked phone needs the escrow bag
}

// Server answers hosts. Make one with New.
type Server struct {
	phone    Phone
	services map[string]Service
	log      *slog.Logger

	mu      sync.Mutex
	dialogs map[string]*dialog // by HostID
	clock   time.Duration      // set by hosts: added to the phone's time
}

// New makes a lockdownd that can start the services given by name.
func New(p Phone, services map[string]Service, log *slog.Logger) *Server {
	return &Server{phone: p, services: services, log: log, dialogs: map[string]*dialog{}}
}

// link is one connection of a host.
type link struct {
	s       *Server
	raw     net.Conn
	buf     *bufio.Reader
	network bool // over Wi-Fi

	conn    *framing.Conn // over TLS during a session
	secure  *tls.Conn     // nil in plaintext
	records *recordConn
	session *session // nil outside a session
}

type session struct {
	id      string
	pairing state.Pairing
}

// Serve answers one host until it goes. It returns nil when the host closed the
// connection between two messages; the caller closes conn.
func (s *Server) Serve(ctx context.Context, conn net.Conn, network bool) error {
	l := &link{s: s, raw: conn, buf: bufio.NewReader(conn), network: network}
	l.plain()
	for {
		var req lockdown.Request
		if err := l.conn.Receive(ctx, &req); err != nil {
			if err == io.EOF {
				return nil
			}
			return fmt.Errorf("lockdown request: %w", err)
		}
		if done, err := l.handle(ctx, req); done || err != nil {
			return err
		}
	}
}

func (l *link) plain() {
	l.secure, l.records = nil, nil
	l.use(plainConn{l.raw, l.buf})
}

func (l *link) use(conn net.Conn) {
	l.conn = framing.New(conn, plist.XML)
	l.conn.Max = maxMessage
}

// handle answers one request; done ends the connection in peace.
func (l *link) handle(ctx context.Context, req lockdown.Request) (done bool, err error) {
	l.s.log.Debug("lockdown", "request", req.Request, "domain", req.Domain, "key", req.Key, "service", req.Service, "label", req.Label)
	err = mischief.PropertyLists.At(ctx, l.s.phone, "lockdown."+req.Request, l.conn.NetConn())
	var refusal *mischief.Refusal
	if errors.As(err, &refusal) {
		return false, l.refuse(ctx, req, faultError(req.Request, refusal.Name))
	}
	if err != nil {
		return false, err
	}
	resp, after, err := l.answer(req)
	var refused lockdown.Error
	if errors.As(err, &refused) {
		return false, l.refuse(ctx, req, refused)
	}
	if err != nil {
		return false, err
	}
	resp.Request, resp.Result = req.Request, "Success"
	if err := l.conn.Send(ctx, resp); err != nil {
		return false, err
	}
	l.s.phone.Event("lockdown." + req.Request)
	if after != nil {
		return false, after(ctx)
	}
	return req.Request == lockdown.ReqGoodbye, nil
}

func (l *link) refuse(ctx context.Context, req lockdown.Request, e lockdown.Error) error {
	l.s.log.Debug("lockdown refuses", "request", req.Request, "error", e)
	return l.conn.Send(ctx, lockdown.Response{
		Request: req.Request, Result: "Failure", Error: e, Domain: req.Domain, Key: req.Key,
	})
}

// faultError is the error of a "refuse" fault that names none.
func faultError(request, name string) lockdown.Error {
	switch {
	case name != "":
		return lockdown.Error(name)
	case request == lockdown.ReqPair:
		return lockdown.UserDeniedPairing
	case request == lockdown.ReqStartSession, request == lockdown.ReqValidatePair:
		return lockdown.InvalidHostID
	case request == lockdown.ReqStartService:
		return lockdown.InvalidService
	case request == lockdown.ReqSetValue:
		return lockdown.SetProhibited
	}
	return lockdown.GetProhibited
}

// errInvalidRequest answers requests that lockdownd does not know.
const errInvalidRequest lockdown.Error = "InvalidRequest"

// answer carries out one request. A lockdown.Error refuses it; after runs once
// the answer is out.
func (l *link) answer(req lockdown.Request) (resp lockdown.Response, after func(context.Context) error, err error) {
	switch req.Request {
	case lockdown.ReqQueryType:
		return lockdown.Response{Type: lockdown.ServiceType}, nil, nil
	case lockdown.ReqGetValue:
		v, err := l.getValue(req.Domain, req.Key)
		return lockdown.Response{Domain: req.Domain, Key: req.Key, Value: v}, nil, err
	case lockdown.ReqSetValue:
		after, err := l.setValue(req.Domain, req.Key, req.Value)
		return lockdown.Response{Domain: req.Domain, Key: req.Key, Value: req.Value}, after, err
	case lockdown.ReqRemoveValue:
		after, err := l.removeValue(req.Domain, req.Key)
		return lockdown.Response{Domain: req.Domain, Key: req.Key}, after, err
	case lockdown.ReqPair:
		bag, err := l.pair(req)
		return lockdown.Response{EscrowBag: bag}, nil, err
	case lockdown.ReqValidatePair:
		return resp, nil, l.validatePair(req)
	case lockdown.ReqUnpair:
		return resp, nil, l.unpair(req)
	case lockdown.ReqStartSession:
		return l.startSession(req)
	case lockdown.ReqStopSession:
		return l.stopSession(req)
	case lockdown.ReqStartService:
		resp, err := l.startService(req)
		return resp, nil, err
	case lockdown.ReqGoodbye:
		return resp, nil, nil
	}
	return resp, nil, errInvalidRequest
}

func newSessionID() string { return strings.ToUpper(uuid.NewString()) }
