package device

import (
	"context"
	"sync"
	"time"

	"github.com/keepsake-backup/keepsake/lockdown"
	"github.com/keepsake-backup/keepsake/usbmux"
)

// UDID names a phone for good.
type UDID = usbmux.UDID

// ParseUDID is usbmux.ParseUDID.
func ParseUDID(s string) (UDID, error) { return usbmux.ParseUDID(s) }

// Transport is how a phone is reached.
type Transport string

// The transports of usbmuxd.
const (
	USB     Transport = usbmux.ConnectionUSB
	Network Transport = usbmux.ConnectionNetwork
)

// Device is a handle on one phone over one transport. Its methods may be called
// concurrently; those that need the session take turns.
type Device struct {
	mux       *usbmux.Client // nil if straight is not
	straight  *straight      // the way past usbmuxd; nil if mux is not
	udid      UDID
	transport Transport

	// life bounds the background work of this handle, such as a heartbeat. It
	// ends under mu, so that no work begins afterwards.
	life   context.Context
	end    context.CancelFunc
	work   sync.WaitGroup
	closed sync.Once

	mu     sync.Mutex
	at     usbmux.Device        // guarded by mu, as all below
	direct bool                 // reached by TCP, past usbmuxd
	name   string               // "" until the phone was asked
	record *lockdown.PairRecord // nil until it was read

	// turn holds a token while a call uses session.
	turn    chan struct{}
	session *lockdown.Client
}

func newDevice(mux *usbmux.Client, at usbmux.Device) *Device {
	life, end := context.WithCancel(context.Background())
	return &Device{
		mux:       mux,
		udid:      at.UDID,
		transport: Transport(at.Transport),
		life:      life,
		end:       end,
		at:        at,
		turn:      make(chan struct{}, 1),
	}
}

// UDID returns the phone's UDID.
func (d *Device) UDID() UDID { return d.udid }

// Transport returns how this handle reaches the phone.
func (d *Device) Transport() Transport { return d.transport }

// Name returns the phone's name as last heard ([Device.Info] asks for it), or
// its UDID.
func (d *Device) Name() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.name == "" {
		return d.udid.String()
	}
	return d.name
}

func (d *Device) setName(name string) {
	if name == "" {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.name = name
}

func (d *Device) attachment() (at usbmux.Device, direct bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.at, d.direct
}

// background runs fn until the handle is closed; false when it is already.
func (d *Device) background(fn func()) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.life.Err() != nil {
		return false
	}
	d.work.Go(fn)
	return true
}

// farewell is how long Close waits for the phone to end the session.
const farewell = time.Second

// Close ends the session and the background work of the handle. Connections
// from StartService stay open. Calls after Close fail.
func (d *Device) Close() error {
	d.closed.Do(func() {
		d.mu.Lock()
		d.end()
		d.mu.Unlock()
		d.work.Wait()
		d.turn <- struct{}{} // kept: no session is opened any more
		if d.session == nil {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), farewell)
		defer cancel()
		// The phone notices the end of the connection as well: whether it
		// answers does not matter.
		_ = d.session.StopSession(ctx)
		d.session.Close()
		d.session = nil
	})
	return nil
}
