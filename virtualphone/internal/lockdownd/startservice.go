package lockdownd

import (
	"bytes"
	"crypto/tls"
	"errors"

	"github.com/keepsake-backup/keepsake/lockdown"
	"github.com/keepsake-backup/keepsake/virtualphone/internal/state"
)

func (l *link) startService(req lockdown.Request) (lockdown.Response, error) {
	if req.Service == "" {
		return lockdown.Response{}, lockdown.MissingService
	}
	svc, known := l.s.services[req.Service]
	if l.session == nil && (!known || !svc.Sessionless) {
		return lockdown.Response{}, lockdown.SessionInactive
	}
	if !known {
		return lockdown.Response{}, lockdown.InvalidService
	}
	if err := l.checkUnlocked(svc, req.EscrowBag); err != nil {
		return lockdown.Response{}, err
	}
	var config *tls.Config
	if l.session != nil {
		var err error
		if config, err = tlsConfig(l.s.phone.State().Key(), l.session.pairing); err != nil {
			return lockdown.Response{}, err
		}
	}
	port, err := l.s.phone.OpenService(req.Service, config, l.network)
	if err != nil {
		var refused lockdown.Error
		if !errors.As(err, &refused) {
			l.s.log.Error("service not started", "service", req.Service, "cause", err)
			err = lockdown.ServiceLimit
		}
		return lockdown.Response{}, err
	}
	ssl := config != nil
	return lockdown.Response{Service: req.Service, Port: port, EnableServiceSSL: &ssl}, nil
}

// checkUnlocked holds the rules of protocol.md 14.1: before the first unlock
// most services stay shut, and an escrow bag cannot help; later the bag opens
// what a locked phone protects.
func (l *link) checkUnlocked(svc Service, bag []byte) error {
	settings := l.s.phone.State().Settings()
	if settings.Lock == state.BeforeFirstUnlock && !svc.BeforeUnlock {
		if len(bag) > 0 {
			return lockdown.MissingValue
		}
		return lockdown.PasswordProtected
	}
	if l.session != nil && len(bag) > 0 && !bytes.Equal(bag, l.session.pairing.EscrowBag) {
		return lockdown.EscrowLocked
	}
	if settings.Lock != state.Unlocked && svc.NeedsEscrow && len(bag) == 0 {
		return lockdown.PasswordProtected
	}
	return nil
}
