package cli

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/internal/autostart"
	"github.com/keepsake-backup/keepsake/internal/daemon"
	"github.com/keepsake-backup/keepsake/internal/progress"
)

const (
	keySize = 32 // bytes of the service's key
	// lowServiceSpace is the room below which the service's folder is pointed out, in
	// bytes: its database, unfinished backups and spools grow there.
	lowServiceSpace = 5e9
	// certificateNotice is how long before its end a certificate is pointed out.
	certificateNotice = 30 * 24 * time.Hour
	maxCertificate    = 1 << 20 // bytes of a file of certificates
)

// examineService looks at the folder of "keepsake serve" without opening its database,
// which a running service has to itself, and asks whether one runs.
func (a *app) examineService(ctx context.Context, dir string, tell teller) {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		tell("data", stateNote, fmt.Sprintf("%s is not there yet", dir), "\"keepsake serve --data "+dir+"\" makes it")
		return
	case err != nil || !info.IsDir():
		tell("data", stateMissing, fmt.Sprintf("%s cannot be used as the service's folder: %v", dir, cause(err)), "it belongs to the user that the service runs as; look at it as that user")
		return
	}
	if private(dir, info, tell) {
		tell("data", stateOK, dir+" belongs to its owner alone", "")
	}
	if free, err := freeSpace(ctx, dir); err != nil {
		tell("data_space", stateNote, "how much room the service has could not be found out: "+err.Error(), "")
	} else if free < lowServiceSpace {
		tell("data_space", stateNote, fmt.Sprintf("%s has only %s free", dir, progress.Size(free)), "unfinished and encrypted backups wait there: make room")
	} else {
		tell("data_space", stateOK, fmt.Sprintf("the service has %s free", progress.Size(free)), "")
	}
	a.examineKey(dir, tell)
	examineCertificates(filepath.Join(dir, "tls"), time.Now(), tell)
	a.examineRunning(ctx, dir, tell)
}

func cause(err error) error {
	if err == nil {
		return errors.New("it is a file")
	}
	return err
}

// private tells of what others may read; Windows' rights are not told by modes.
func private(path string, info fs.FileInfo, tell teller) bool {
	if runtime.GOOS == "windows" || info.Mode().Perm()&0o077 == 0 {
		return true
	}
	tell("data", stateMissing, fmt.Sprintf("others on this computer can get at %s (%v)", path, info.Mode().Perm()), "make it its owner's alone: chmod go= "+path)
	return false
}

// examineKey looks at the key that seals the service's secrets, not into it.
func (a *app) examineKey(dir string, tell teller) {
	path := filepath.Join(dir, "key")
	if credentials := a.Getenv("CREDENTIALS_DIRECTORY"); credentials != "" {
		path = filepath.Join(credentials, "keepsake-key")
	}
	info, err := os.Stat(path)
	_, noDatabase := os.Stat(filepath.Join(dir, "keepsake.db"))
	switch {
	case errors.Is(err, fs.ErrNotExist) && noDatabase != nil:
		tell("key", stateOK, "the service has not been started yet: it makes its key then", "")
	case errors.Is(err, fs.ErrNotExist):
		tell("key", stateNote, "the key is not in the folder of the service", "that is right if systemd hands it over (LoadCredential); otherwise put your copy of it back at "+path+": without it the passwords that the service remembers are lost, backups are not")
	case err != nil:
		tell("key", stateMissing, "look at the key: "+err.Error(), "look as the user that the service runs as")
	case info.Size() != keySize:
		tell("key", stateMissing, fmt.Sprintf("the key %s has %d bytes, not %d", path, info.Size(), keySize), "put your copy of it back")
	case !private(path, info, tell):
	default:
		tell("key", stateOK, "the key is there, and its owner's alone; keep a copy of it elsewhere", "")
	}
}

// examineCertificates looks at how long the certificates of the page hold.
func examineCertificates(dir string, now time.Time, tell teller) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return // on loopback there are none
	}
	if err != nil {
		tell("tls", stateMissing, "look at the certificates: "+err.Error(), "look as the user that the service runs as")
		return
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() || info.Size() > maxCertificate {
			continue
		}
		data, err := os.ReadFile(path)
		if err != nil {
			tell("tls", stateMissing, err.Error(), "look as the user that the service runs as")
			continue
		}
		for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
			switch {
			case block.Type == "CERTIFICATE":
				examineCertificate(path, block.Bytes, now, tell)
			case strings.HasSuffix(block.Type, "PRIVATE KEY"):
				private(path, info, tell)
			}
		}
	}
}

func examineCertificate(path string, der []byte, now time.Time, tell teller) {
	c, err := x509.ParseCertificate(der)
	const renew = "the service renews its own when it starts; one that you gave it has to come from where it came"
	switch {
	case err != nil:
		tell("tls", stateMissing, fmt.Sprintf("%s: %v", path, err), renew)
	case now.Before(c.NotBefore):
		tell("tls", stateMissing, fmt.Sprintf("%s is valid only from %s", path, c.NotBefore.Format(time.DateOnly)), "is the clock right?")
	case now.After(c.NotAfter):
		tell("tls", stateMissing, fmt.Sprintf("%s was valid until %s", path, c.NotAfter.Format(time.DateOnly)), renew)
	case now.Add(certificateNotice).After(c.NotAfter):
		tell("tls", stateNote, fmt.Sprintf("%s is valid only until %s", path, c.NotAfter.Format(time.DateOnly)), renew)
	default:
		tell("tls", stateOK, fmt.Sprintf("%s is valid until %s", path, c.NotAfter.Format(time.DateOnly)), "")
	}
}

// examineRunning asks whether the service of a folder runs, in which version, and
// whether it will again.
func (a *app) examineRunning(ctx context.Context, dir string, tell teller) {
	at := serviceAddress
	local, err := daemon.FindLocal(dir)
	switch {
	case err == nil:
		at = local.Address
	case !errors.Is(err, fs.ErrNotExist):
		tell("service", stateNote, err.Error(), "start it anew: it writes that file")
	}
	text, err := health(ctx, at)
	if err != nil {
		tell("service", stateNote, err.Error(), "start it: keepsake serve; if it listens elsewhere: keepsake doctor --health=HOST:PORT")
	} else {
		tell("service", stateOK, "the service runs and says: "+text, "")
		examineVersion(ctx, local, tell)
	}
	self, err := os.Executable()
	if err != nil {
		tell("autostart", stateNote, err.Error(), "")
		return
	}
	state, err := autostart.Status(ctx, autostart.Options{Executable: self, Home: a.Getenv("HOME")})
	switch {
	case errors.Is(err, autostart.ErrUnsupported):
	case err != nil:
		tell("autostart", stateNote, err.Error(), "")
	case state.Installed && !state.Running:
		tell("autostart", stateNote, "it is to start by itself, and does not run", "keepsake serve --status")
	case state.Installed:
		tell("autostart", stateOK, "it starts by itself", "")
	}
}

// examineVersion compares the version that runs with this one: an update that was
// put in place works from the next start on.
func examineVersion(ctx context.Context, local daemon.Local, tell teller) {
	if local.Token.IsZero() {
		return // nobody has set it up: it says no more to strangers
	}
	c, err := clientOf(local)
	if err != nil {
		tell("service_version", stateNote, err.Error(), "")
		return
	}
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	switch build, err := c.Version(ctx); {
	case err != nil:
		tell("service_version", stateNote, "the service does not tell its version: "+err.Error(), "")
	case build.Version != version():
		tell("service_version", stateNote, fmt.Sprintf("the service that runs is %s, this program is %s", build.Version, version()), "start the service anew")
	default:
		tell("service_version", stateOK, "the service that runs is this version", "")
	}
}
