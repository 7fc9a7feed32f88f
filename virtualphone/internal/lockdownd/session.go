package lockdownd

import (
	"bytes"
	"context"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"

	"github.com/keepsake-backup/keepsake/lockdown"
	"github.com/keepsake-backup/keepsake/virtualphone/internal/state"
)

func (l *link) startSession(req lockdown.Request) (resp lockdown.Response, after func(context.Context) error, err error) {
	if l.session != nil {
		return resp, nil, lockdown.SessionActive
	}
	if req.HostID == "" {
		return resp, nil, lockdown.MissingHostID
	}
	pairing, ok := l.s.phone.State().Pairing(req.HostID)
	if !ok {
		return resp, nil, lockdown.InvalidHostID
	}
	config, err := tlsConfig(l.s.phone.State().Key(), pairing)
	if err != nil {
		return resp, nil, err
	}
	l.session = &session{id: newSessionID(), pairing: pairing}
	yes := true
	resp = lockdown.Response{SessionID: l.session.id, EnableSessionSSL: &yes}
	return resp, func(ctx context.Context) error { return l.upgrade(ctx, config) }, nil
}

// upgrade waits for the host's TLS client hello, which follows at once.
func (l *link) upgrade(ctx context.Context, config *tls.Config) error {
	l.records = newRecordConn(l.raw, l.buf)
	l.secure = tls.Server(l.records, config)
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	if err := l.secure.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("session TLS: %w", err)
	}
	l.use(l.secure)
	return nil
}

func (l *link) stopSession(req lockdown.Request) (resp lockdown.Response, after func(context.Context) error, err error) {
	switch {
	case l.session == nil:
		return resp, nil, lockdown.SessionInactive
	case req.SessionID == "":
		return resp, nil, lockdown.MissingSessionID
	case req.SessionID != l.session.id:
		return resp, nil, lockdown.InvalidSessionID
	}
	return resp, l.downgrade, nil
}

// downgrade takes TLS away after the answer to StopSession: each side says
// close_notify, then the connection goes on in plaintext. A host that leaves
// the alert out is understood by its first plain byte.
func (l *link) downgrade(ctx context.Context) error {
	l.session = nil
	stop := context.AfterFunc(ctx, func() { l.raw.Close() })
	defer stop()
	for {
		more, err := l.records.atRecord()
		if err == io.EOF {
			break // the next Receive reports the end
		}
		if err != nil {
			return err
		}
		if !more {
			break
		}
		if _, err := l.secure.Read(make([]byte, 1)); err != nil {
			if !errors.Is(err, io.EOF) {
				return fmt.Errorf("end of session TLS: %w", err)
			}
			if err := l.secure.CloseWrite(); err != nil {
				// The host may have closed the connection right behind its alert.
				l.s.log.Debug("end of session TLS", "cause", err)
			}
			break
		}
	}
	l.plain()
	return nil
}

// tlsConfig is the phone's end of TLS with a paired host, for sessions and
// services alike: the certificate that the host made for the phone's key; any
// client certificate of the pairing, which are not chain-verified but compared
// (protocol.md 2.6).
func tlsConfig(key *rsa.PrivateKey, p state.Pairing) (*tls.Config, error) {
	device, err := certificateDER(p.DeviceCertificate)
	if err != nil {
		return nil, fmt.Errorf("device certificate: %w", err)
	}
	host, err := certificateDER(p.HostCertificate)
	if err != nil {
		return nil, fmt.Errorf("host certificate: %w", err)
	}
	root, err := certificateDER(p.RootCertificate)
	if err != nil {
		return nil, fmt.Errorf("root certificate: %w", err)
	}
	return &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{device}, PrivateKey: key}},
		ClientAuth:   tls.RequireAnyClientCert,
		VerifyPeerCertificate: func(raw [][]byte, _ [][]*x509.Certificate) error {
			if len(raw) > 0 && (bytes.Equal(raw[0], root) || bytes.Equal(raw[0], host)) {
				return nil
			}
			return errors.New("client certificate is not of the pairing")
		},
		// What phones negotiate (protocol.md 2.6).
		MinVersion: tls.VersionTLS12,
		MaxVersion: tls.VersionTLS12,
		// A resumed session would not show its certificate again.
		SessionTicketsDisabled: true,
	}, nil
}

func certificateDER(p []byte) ([]byte, error) {
	block, _ := pem.Decode(p)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, errors.New("no PEM block of type CERTIFICATE")
	}
	return block.Bytes, nil
}
