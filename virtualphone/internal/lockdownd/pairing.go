package lockdownd

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"time"

	"github.com/keepsake-backup/keepsake/lockdown"
	"github.com/keepsake-backup/keepsake/virtualphone/internal/state"
)

// escrowBagLen is the size of bags seen in logs (protocol.md 8.1).
const escrowBagLen = 32

// NotifyRequestPair is posted when the owner has trusted a host, so that it
// pairs again (protocol.md 1.6).
const NotifyRequestPair = "com.apple.mobile.lockdown.request_pair"

// dialog is "Trust This Computer?" on the screen, for one host.
type dialog struct {
	answered time.Time
	agrees   bool
}

// pair trusts the host if the owner does, and returns its escrow bag.
func (l *link) pair(req lockdown.Request) ([]byte, error) {
	if l.network {
		return nil, lockdown.PairingProhibitedOverThisConnection
	}
	p, err := l.checkRecord(req.PairRecord)
	if err != nil {
		return nil, err
	}
	p.HostName = req.HostName
	st := l.s.phone.State()
	if known, ok := st.Pairing(p.HostID); ok && sameHost(known, p) {
		return known.EscrowBag, nil // already trusted
	}
	if err := l.s.askOwner(p.HostID); err != nil {
		return nil, err
	}
	p.EscrowBag = make([]byte, escrowBagLen)
	rand.Read(p.EscrowBag) // never fails
	if err := st.Pair(p); err != nil {
		l.s.log.Error("pairing not saved", "cause", err)
		return nil, lockdown.SavePairRecordFailed
	}
	l.s.phone.Event("paired")
	return p.EscrowBag, nil
}

// askOwner shows the trust dialog, which takes the passcode too. While set-up
// runs there is none (protocol.md 11.2).
func (s *Server) askOwner(hostID string) error {
	settings := s.phone.State().Settings()
	if settings.Setup != state.SetupDone {
		return nil
	}
	if settings.PasswordProtected() {
		return lockdown.PasswordProtected
	}
	trust := settings.TrustPrompt()
	passcode, _ := settings.PasscodePrompt()
	agrees := trust.Kind != state.Refused && passcode.Kind != state.Refused
	wait := trust.After + passcode.After
	if agrees && wait == 0 {
		return nil
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.dialogs[hostID]
	now := time.Now()
	if d == nil {
		if len(s.dialogs) > 100 { // only so many fit behind one another
			clear(s.dialogs)
		}
		s.dialogs[hostID] = &dialog{answered: now.Add(wait), agrees: agrees}
		if agrees {
			time.AfterFunc(wait, func() { s.phone.Notify(NotifyRequestPair) })
		}
		s.phone.Event("trust-dialog")
		return lockdown.PairingDialogResponsePending
	}
	if now.Before(d.answered) {
		return lockdown.PairingDialogResponsePending
	}
	delete(s.dialogs, hostID)
	if !d.agrees {
		return lockdown.UserDeniedPairing
	}
	return nil
}

// checkRecord wants the three certificates, the one for the phone made of its
// own key.
func (l *link) checkRecord(r *lockdown.PairRequest) (state.Pairing, error) {
	switch {
	case r == nil:
		return state.Pairing{}, lockdown.MissingPairRecord
	case r.HostID == "":
		return state.Pairing{}, lockdown.MissingHostID
	}
	for _, c := range [][]byte{r.RootCertificate, r.HostCertificate, r.DeviceCertificate} {
		if _, err := parseCertificate(c); err != nil {
			return state.Pairing{}, lockdown.InvalidPairRecord
		}
	}
	device, _ := parseCertificate(r.DeviceCertificate)
	if pub, ok := device.PublicKey.(*rsa.PublicKey); !ok || !pub.Equal(&l.s.phone.State().Key().PublicKey) {
		return state.Pairing{}, lockdown.InvalidPairRecord
	}
	return state.Pairing{
		HostID: r.HostID, SystemBUID: r.SystemBUID,
		DeviceCertificate: r.DeviceCertificate, HostCertificate: r.HostCertificate, RootCertificate: r.RootCertificate,
	}, nil
}

func parseCertificate(p []byte) (*x509.Certificate, error) {
	der, err := certificateDER(p)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

func sameHost(a, b state.Pairing) bool {
	return bytes.Equal(a.HostCertificate, b.HostCertificate) && bytes.Equal(a.RootCertificate, b.RootCertificate) &&
		bytes.Equal(a.DeviceCertificate, b.DeviceCertificate)
}

func (l *link) validatePair(req lockdown.Request) error {
	_, err := l.known(req.PairRecord)
	return err
}

func (l *link) unpair(req lockdown.Request) error {
	p, err := l.known(req.PairRecord)
	if err != nil {
		return err
	}
	if _, err := l.s.phone.State().Unpair(p.HostID); err != nil {
		l.s.log.Error("unpairing not saved", "cause", err)
		return lockdown.SavePairRecordFailed
	}
	l.s.phone.Event("unpaired")
	return nil
}

// known finds the pairing of a record; certificates that are given must be its.
func (l *link) known(r *lockdown.PairRequest) (state.Pairing, error) {
	switch {
	case r == nil:
		return state.Pairing{}, lockdown.MissingPairRecord
	case r.HostID == "":
		return state.Pairing{}, lockdown.MissingHostID
	}
	p, ok := l.s.phone.State().Pairing(r.HostID)
	if !ok {
		return state.Pairing{}, lockdown.InvalidHostID
	}
	if len(r.HostCertificate) > 0 && !bytes.Equal(r.HostCertificate, p.HostCertificate) {
		return state.Pairing{}, lockdown.InvalidHostID
	}
	return p, nil
}
