package virtualphone

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/keepsake-backup/keepsake/virtualphone/internal/afcd"
	"github.com/keepsake-backup/keepsake/virtualphone/internal/lockdownd"
	"github.com/keepsake-backup/keepsake/virtualphone/internal/services"
	"github.com/keepsake-backup/keepsake/virtualphone/internal/state"
)

// Services by name.
const (
	svcAFC                   = "com.apple.afc"
	svcBackup                = "com.apple.mobilebackup2"
	svcNotifications         = "com.apple.mobile.notification_proxy"
	svcInsecureNotifications = "com.apple.mobile.insecure_notification_proxy"
	svcInstallation          = "com.apple.mobile.installation_proxy"
	svcSpringBoard           = "com.apple.springboardservices"
	svcDiagnostics           = "com.apple.mobile.diagnostics_relay"
	svcHeartbeat             = "com.apple.mobile.heartbeat"
	svcAssertion             = "com.apple.mobile.assertion_agent"
)

// service serves connections of one kind.
type service struct {
	lockdownd.Service
	serve func(ctx context.Context, conn net.Conn) error
}

func (p *Phone) serviceTable() map[string]service {
	notifications := &services.Notifications{
		Hub: &p.hub, Faults: &p.faults,
		Posted:   func(name string) { p.events.add("posted." + name) },
		Observed: func(name string) { p.events.add("observe." + name) },
	}
	apps := &services.Apps{List: p.apps, Faults: &p.faults}
	diagnostics := &services.Diagnostics{
		Gestalt: p.gestalt, Faults: &p.faults,
		Restart: func() { p.restartSoon(func(context.Context) error { return nil }) },
	}
	heartbeat := &services.Heartbeat{Interval: p.srv.cfg.HeartbeatInterval, Polo: p.polo.beat, Faults: &p.faults}
	assertion := &services.Assertion{Hold: p.holdAssertion, Faults: &p.faults}
	files := &afcd.Server{Dir: p.Dir(), Policy: p.mediaPolicy, Faults: &p.faults, Log: p.log, Blank: p.srv.cfg.KeepNothing}
	early := lockdownd.Service{BeforeUnlock: true}
	return map[string]service{
		svcAFC:                   {lockdownd.Service{}, files.Serve},
		svcBackup:                {lockdownd.Service{NeedsEscrow: true}, p.serveBackup},
		svcNotifications:         {early, notifications.Serve},
		svcInsecureNotifications: {lockdownd.Service{Sessionless: true, BeforeUnlock: true}, notifications.Serve},
		svcInstallation:          {lockdownd.Service{}, apps.ServeInstallation},
		svcSpringBoard:           {lockdownd.Service{}, apps.ServeSpringBoard},
		svcDiagnostics:           {early, diagnostics.Serve},
		svcHeartbeat:             {early, heartbeat.Serve},
		svcAssertion:             {early, assertion.Serve},
	}
}

func lockdownServices(table map[string]service) map[string]lockdownd.Service {
	out := map[string]lockdownd.Service{}
	for name, s := range table {
		out[name] = s.Service
	}
	return out
}

func (p *Phone) gestalt(key string) (any, bool) {
	set, id := p.st.Settings(), p.st.Identity()
	switch key {
	case "PasswordConfigured":
		_, has := set.PasscodePrompt()
		return has, true
	case "PasswordProtected":
		return set.PasswordProtected(), true
	case "UniqueDeviceID":
		return id.UDID, true
	case "ProductVersion":
		return set.IOS, true
	case "BuildVersion":
		return set.Build, true
	case "ProductType":
		return id.ProductType, true
	case "SerialNumber":
		return id.SerialNumber, true
	}
	return nil, false
}

func (p *Phone) mediaPolicy() afcd.Policy {
	set := p.st.Settings()
	return afcd.Policy{
		Locked: set.Lock != state.Unlocked, Protected: set.MediaProtected, HardLinked: set.MediaHardLinks, FreeSpace: set.FreeSpace,
	}
}

// assertions counts the power assertions that are held.
type assertions struct {
	mu   sync.Mutex
	held int
}

func (a *assertions) add(n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.held += n
}

func (a *assertions) any() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.held > 0
}

func (p *Phone) holdAssertion(kind string, timeout time.Duration) (release func()) {
	p.log.Debug("power assertion", "type", kind, "timeout", timeout)
	p.assertions.add(1)
	p.events.add("assertion")
	once := sync.OnceFunc(func() {
		p.assertions.add(-1)
		p.events.add("assertion-released")
	})
	timer := time.AfterFunc(timeout, once)
	return func() { timer.Stop(); once() }
}

// pulse is when the last Polo came.
type pulse struct {
	mu   sync.Mutex
	last time.Time
}

func (p *pulse) beat() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = time.Now()
}

func (p *pulse) within(d time.Duration) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Since(p.last) < d
}

// watch ends a service connection when the phone falls asleep (SleepAfter
// without an assertion, protocol.md 12.3), and on the network when no heartbeat
// is answered (5.4).
func (p *Phone) watch(l *link) (stop func()) {
	sleep := p.guard(p.srv.cfg.SleepAfter, l, func() bool {
		return p.assertions.any() || l.service == svcAssertion
	})
	if !l.network {
		return sleep
	}
	beat := p.guard(p.srv.cfg.HeartbeatGrace, l, func() bool {
		return p.polo.within(p.srv.cfg.HeartbeatGrace) || l.service == svcHeartbeat
	})
	return func() { sleep(); beat() }
}

// guard asks every interval whether the link may stay; 0 is never.
func (p *Phone) guard(interval time.Duration, l *link, stay func() bool) (stop func()) {
	if interval <= 0 {
		return func() {}
	}
	ctx, cancel := context.WithCancel(p.ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		ticks := time.NewTicker(interval)
		defer ticks.Stop()
		for {
			select {
			case <-ticks.C:
			case <-ctx.Done():
				return
			}
			if !stay() {
				p.log.Debug("connection dropped: nobody keeps the phone awake", "service", l.service)
				p.drop(func(o *link) bool { return o == l }, errGone)
				return
			}
		}
	}()
	return func() { cancel(); <-done }
}
