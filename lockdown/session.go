package lockdown

import (
	"context"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/keepsake-backup/keepsake/internal/framing"
	"github.com/keepsake-backup/keepsake/internal/plist"
)

// handshakeTimeout bounds a TLS handshake: one exchange with a phone that is
// awake, longer when Wi-Fi has to wake it.
const handshakeTimeout = 30 * time.Second

// ErrWrongPhone says that what answered is not the phone of the pair record:
// the key of its certificate differs.
var ErrWrongPhone = errors.New("the phone's certificate is not the one in the pair record")

// TLSError is a handshake that failed. A phone that no longer knows the pair
// record ends it without a reason, so it most often means "not paired any
// more"; it wraps ErrWrongPhone when another device answered.
type TLSError struct{ Err error }

func (e *TLSError) Error() string { return "TLS handshake with the phone: " + e.Err.Error() }
func (e *TLSError) Unwrap() error { return e.Err }

// TLS starts TLS on conn as this pair record's computer, and checks that the
// phone's certificate is over the key in DeviceCertificate; a failed handshake
// is a *TLSError. Closing the result closes conn; on an error conn is the
// caller's to close.
//
// Certificates of pairings have no names and are not verified as a chain: the
// key is what was agreed on when the owner tapped Trust. TLS 1.2 is the least
// version, which every phone since iOS 10 speaks.
func (r *PairRecord) TLS(ctx context.Context, conn net.Conn) (net.Conn, error) {
	own, err := r.clientCertificate()
	if err != nil {
		return nil, fmt.Errorf("use pair record: %w", err)
	}
	device, err := certificate("DeviceCertificate", r.DeviceCertificate)
	if err != nil {
		return nil, fmt.Errorf("use pair record: %w", err)
	}
	tc := tls.Client(conn, &tls.Config{
		MinVersion:           tls.VersionTLS12,
		InsecureSkipVerify:   true, // VerifyConnection compares the key instead
		VerifyConnection:     func(s tls.ConnectionState) error { return samePhone(s, device) },
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &own, nil },
	})
	timed, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	if err := tc.HandshakeContext(timed); err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if timed.Err() != nil {
			return nil, &framing.StalledError{Op: "TLS handshake", Idle: handshakeTimeout}
		}
		return nil, &TLSError{err}
	}
	return tc, nil
}

func samePhone(s tls.ConnectionState, want *x509.Certificate) error {
	if len(s.PeerCertificates) == 0 {
		return ErrWrongPhone
	}
	got, ok := s.PeerCertificates[0].PublicKey.(*rsa.PublicKey)
	if !ok || !got.Equal(want.PublicKey) {
		return ErrWrongPhone
	}
	return nil
}

// StartSession authenticates with a pair record and moves the connection into
// TLS. A phone that does not know the record answers InvalidHostID or gives a
// *TLSError. A reply that does not ask for TLS is an error: nothing is ever
// said in the clear that the phone takes for authenticated. After any error the
// client can only be closed.
func (c *Client) StartSession(ctx context.Context, r *PairRecord) error {
	if err := c.startSession(ctx, r); err != nil {
		return fmt.Errorf("start session: %w", err)
	}
	return nil
}

func (c *Client) startSession(ctx context.Context, r *PairRecord) error {
	resp, err := c.call(ctx, replyIdle, Request{Request: ReqStartSession, HostID: r.HostID, SystemBUID: r.SystemBUID})
	if err != nil {
		return err
	}
	if resp.SessionID == "" {
		return fmt.Errorf("%w: reply without SessionID", plist.ErrMalformed)
	}
	if resp.EnableSessionSSL == nil || !*resp.EnableSessionSSL {
		return fmt.Errorf("%w: reply does not enable TLS", plist.ErrMalformed)
	}
	tc, err := r.TLS(ctx, c.conn.NetConn())
	if err != nil {
		return err
	}
	c.conn, c.sessionID = frame(tc), resp.SessionID
	return nil
}

// StopSession ends the session, which spares the phone one of the few it
// allows at a time. The client can only be closed afterwards.
func (c *Client) StopSession(ctx context.Context) error {
	if c.sessionID == "" {
		return nil
	}
	if _, err := c.call(ctx, replyIdle, Request{Request: ReqStopSession, SessionID: c.sessionID}); err != nil {
		return fmt.Errorf("stop session: %w", err)
	}
	c.sessionID = ""
	return nil
}
