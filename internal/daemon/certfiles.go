package daemon

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// lookAtFiles is how often certificate files are looked at, at most.
const lookAtFiles = time.Minute

// certificateFiles is a certificate that somebody else renews.
type certificateFiles struct {
	cert, key string
	now       func() time.Time
	log       *slog.Logger

	mu     sync.Mutex
	loaded *tls.Certificate // guarded by mu, and what follows
	stamp  [2]time.Time     // of the files that were loaded
	looked time.Time
}

// get gives what the files hold. While they cannot be read, as in the middle of
// their renewal, it is what they held.
func (f *certificateFiles) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.now()
	if since := now.Sub(f.looked); since >= 0 && since < lookAtFiles {
		return f.loaded, nil
	}
	f.looked = now
	stamp, err := f.stampNow()
	if err == nil && stamp != f.stamp {
		err = f.read(stamp)
	}
	if err != nil {
		f.log.Warn("the certificate could not be read again", "err", err)
	}
	return f.loaded, nil
}

// load reads the files for the first time, and gives the chain as PEM and its leaf.
func (f *certificateFiles) load() (chain []byte, leaf *x509.Certificate, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	stamp, err := f.stampNow()
	if err == nil {
		err = f.read(stamp)
	}
	if err == nil {
		chain, err = os.ReadFile(f.cert)
	}
	if err == nil && len(chain) > maxLocalRoots {
		err = fmt.Errorf("read certificate %s: it is larger than %d bytes", f.cert, maxLocalRoots)
	}
	if err != nil {
		return nil, nil, err
	}
	return chain, f.loaded.Leaf, nil
}

func (f *certificateFiles) stampNow() (stamp [2]time.Time, err error) {
	for i, name := range []string{f.cert, f.key} {
		info, err := os.Stat(name)
		if err != nil {
			return stamp, fmt.Errorf("read certificate: %w", err)
		}
		stamp[i] = info.ModTime()
	}
	return stamp, nil
}

func (f *certificateFiles) read(stamp [2]time.Time) error {
	c, err := tls.LoadX509KeyPair(f.cert, f.key)
	if err != nil {
		return fmt.Errorf("read certificate: %w", err)
	}
	f.loaded, f.stamp = &c, stamp
	return nil
}
