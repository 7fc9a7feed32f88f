package virtualphone

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/virtualphone/internal/fault"
	"github.com/keepsake-backup/keepsake/virtualphone/internal/lockdownd"
	"github.com/keepsake-backup/keepsake/virtualphone/internal/services"
	"github.com/keepsake-backup/keepsake/virtualphone/internal/state"
	"github.com/keepsake-backup/keepsake/virtualphone/internal/vault"
)

// Phone is one phone of a Server.
type Phone struct {
	srv    *Server
	st     *state.Phone
	log    *slog.Logger
	faults fault.Set
	hub    services.Hub
	events events
	lockd  *lockdownd.Server
	table  map[string]service
	vault  *vault.Vault // nil unless the phone keeps nothing

	ctx    context.Context // the phone's life
	cancel context.CancelCauseFunc
	wg     sync.WaitGroup // its goroutines, but for those of the muxer's clients

	assertions assertions
	held       held
	polo       pulse

	mu      sync.Mutex
	on      bool // booted, not restarting
	plugged bool // the cable is in
	usbID   uint32
	wifiID  uint32
	wifiLn  net.Listener
	airing  *airing // nil: it does not announce itself
	links   map[*link]bool
	quiet   chan struct{} // closed when links runs empty; nil if nobody waits
	ports   map[uint16]*openPort
	boots   int
}

func newPhone(s *Server, st *state.Phone) *Phone {
	p := &Phone{
		srv: s, st: st, log: s.cfg.Log.With("udid", st.Identity().UDID),
		plugged: true, links: map[*link]bool{}, ports: map[uint16]*openPort{},
	}
	p.faults.Add(s.cfg.Faults...)
	if s.cfg.KeepNothing {
		p.vault = vault.New(st.Dir())
	}
	p.table = p.serviceTable()
	p.lockd = lockdownd.New(lockdownPhone{p}, lockdownServices(p.table), p.log)
	return p
}

// UDID of the phone, modern form.
func (p *Phone) UDID() string { return p.st.Identity().UDID }

// Dir is the phone's state folder; its files are below Dir/fs and Dir/media.
func (p *Phone) Dir() string { return p.st.Dir() }

// BackupPassword is zero when backups are not encrypted.
func (p *Phone) BackupPassword() secret.BackupPassword { return p.st.BackupPassword() }

// AddFaults arms faults on the phone, and those of points "mux.…" on the muxer.
// Their counts start now.
func (p *Phone) AddFaults(faults ...Fault) {
	p.faults.Add(faults...)
	p.srv.faults.Add(faults...)
}

// ClearFaults disarms all faults of the phone and of the muxer.
func (p *Phone) ClearFaults() {
	p.faults.Clear()
	p.srv.faults.Clear()
}

// Notify posts a notification to observers, as an app or the system would.
func (p *Phone) Notify(name string) {
	p.log.Debug("notification", "name", name)
	p.hub.Post(name)
	p.events.add("notify." + name)
}

// Received is what the last restore has put in place on a phone that keeps
// nothing ([Config.KeepNothing]); nil when there was none, an error when it could
// not be put in place. Wait first until the phone is "up" again, or for the event
// "restored". It is good until the next restore or the end of the server.
func (p *Phone) Received() (*Received, error) {
	if p.vault == nil {
		return nil, nil
	}
	return p.vault.Received()
}

// Received is what a phone that keeps nothing can tell of a restore.
type Received = vault.Received

// Entry is a file, directory or link of a [Received].
type Entry = vault.Entry

// start switches the phone on. The first boot is immediate.
func (p *Phone) start(ctx context.Context) {
	p.ctx, p.cancel = context.WithCancelCause(ctx)
	p.bootUp(p.ctx)
}

// stop ends everything at once; wg tells when it is done.
func (p *Phone) stop(cause error) {
	if p.cancel == nil {
		return
	}
	p.cancel(cause)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.on = false
	p.detachLocked()
	p.dropLocked(func(*link) bool { return true }, cause)
}

// refresh attaches or detaches as the settings now want it.
func (p *Phone) refresh() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.attachLocked()
	p.reannounceLocked()
}

// errGone is why connections end when the phone goes away.
var errGone = errors.New("the phone is gone")

// lockdownPhone is the phone as its lockdownd sees it.
type lockdownPhone struct{ *Phone }

func (p lockdownPhone) State() *state.Phone                           { return p.st }
func (p lockdownPhone) Now() time.Time                                { return p.srv.cfg.Now() }
func (p lockdownPhone) SettingsChanged()                              { p.refresh() }
func (p lockdownPhone) Hit(point string, n int64) (fault.Fault, bool) { return p.faults.Hit(point, n) }

func (p lockdownPhone) Event(name string) {
	if name == "paired" || name == "unpaired" {
		p.refresh() // what it announces names its hosts
	}
	p.events.add(name)
}

func (p lockdownPhone) OpenService(name string, config *tls.Config, network bool) (uint16, error) {
	port, err := p.openPort(name, config, network)
	if err != nil {
		return 0, fmt.Errorf("open service %s: %w", name, err)
	}
	return port, nil
}
