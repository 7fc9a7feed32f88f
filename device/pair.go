package device

import (
	"context"
	"errors"
	"fmt"

	"github.com/keepsake-backup/keepsake/internal/framing"
	"github.com/keepsake-backup/keepsake/lockdown"
	"github.com/keepsake-backup/keepsake/usbmux"
)

// Prompt is what the phone's owner has to do for a call to go on.
type Prompt = lockdown.Prompt

// PromptTrust: unlock the phone, tap Trust, type the passcode.
const PromptTrust = lockdown.PromptTrust

// PairOptions of [Device.Pair].
type PairOptions struct {
	// Renew replaces a pair record that the phone does not know any more, as
	// after an erase. Without it such a record is ErrNotPaired.
	Renew bool
	// HostName is how the phone may call this computer; empty sends none.
	HostName string
	// Prompt, if not nil, is called once when the owner has to act, in the
	// caller's goroutine.
	Prompt func(Prompt)
}

// Pair makes the phone trust this computer and stores the pair record with
// usbmuxd. It returns nil at once when the phone does already, and otherwise
// waits for the owner until ctx ends (ErrTrustPending). A phone in set-up pairs
// without asking (protocol.md 11.2). Over Wi-Fi phones refuse (ErrRefused).
func (d *Device) Pair(ctx context.Context, opt PairOptions) error {
	paired, err := d.Paired(ctx)
	if paired || err != nil && !errors.Is(err, ErrNotPaired) {
		return err
	}
	if err != nil && !opt.Renew {
		return err
	}
	if d.transport == Network {
		return d.fail(lockdown.PairingProhibitedOverThisConnection)
	}
	rec, err := d.newPairRecord(ctx)
	if err == nil {
		err = d.pairAndWait(ctx, rec, opt)
	}
	if err == nil {
		err = d.savePairRecord(ctx, rec)
	}
	if err == nil {
		err = d.dropSession(ctx)
	}
	if err != nil {
		return d.fail(err)
	}
	// The proof: a session with what was stored.
	return d.withSession(ctx, func(context.Context, *lockdown.Client, *lockdown.PairRecord) error { return nil })
}

// Paired opens a new session to tell whether one can be had. Without a pair record it is false
// and no error; with one that the phone does not know it is false and
// ErrNotPaired, saying why.
func (d *Device) Paired(ctx context.Context) (bool, error) {
	if err := d.dropSession(ctx); err != nil {
		return false, err
	}
	said, _, err := d.optional(ctx, "", "UniqueDeviceID")
	switch {
	case errors.Is(err, usbmux.ErrNoPairRecord):
		return false, nil
	case err != nil:
		return false, err
	}
	if s, ok := said.(string); ok {
		if udid, err := ParseUDID(s); err == nil && udid != d.udid {
			return false, d.fail(fmt.Errorf("usbmuxd calls another phone so: it says to be %s", udid))
		}
	}
	return true, nil
}

func (d *Device) newPairRecord(ctx context.Context) (*lockdown.PairRecord, error) {
	buid, err := d.mux.ReadBUID(ctx)
	if err != nil {
		return nil, err
	}
	c, err := lockdown.Dial(ctx, d)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	key, err := c.GetData(ctx, "", "DevicePublicKey")
	if err != nil {
		return nil, err
	}
	mac, err := c.GetString(ctx, "", "WiFiAddress")
	var refused lockdown.Error
	if err != nil && !errors.As(err, &refused) { // a phone without Wi-Fi is no reason not to pair
		return nil, err
	}
	return lockdown.NewPairRecord(lockdown.PairIdentity{SystemBUID: buid, DevicePublicKey: key, WiFiMACAddress: mac})
}

// maxPairConns bounds how often a connection that broke while the owner thinks
// is made anew.
const maxPairConns = 5

func (d *Device) pairAndWait(ctx context.Context, rec *lockdown.PairRecord, opt PairOptions) error {
	prompted := false
	prompt := func(p Prompt) {
		if !prompted && opt.Prompt != nil {
			opt.Prompt(p)
		}
		prompted = true
	}
	for n := 1; ; n++ {
		c, err := lockdown.Dial(ctx, d)
		if err != nil {
			return err
		}
		err = c.PairAndWait(ctx, rec, opt.HostName, prompt)
		c.Close()
		var broken *framing.WireError
		if !prompted || !errors.As(err, &broken) || n == maxPairConns {
			return err
		}
	}
}

func (d *Device) savePairRecord(ctx context.Context, rec *lockdown.PairRecord) error {
	data, err := rec.Marshal()
	if err != nil {
		return err
	}
	at, _ := d.attachment()
	return d.mux.SavePairRecord(ctx, d.udid, at.ID, data)
}

// Unpair makes the phone forget this computer, and usbmuxd the pair record; of a
// handle from [OpenDirect] the record stays with its owner. A phone that has
// forgotten already is no error.
func (d *Device) Unpair(ctx context.Context) error {
	rec, err := d.pairRecord(ctx)
	switch {
	case errors.Is(err, usbmux.ErrNoPairRecord):
		return nil
	case err == nil:
		err = d.unpair(ctx, rec)
	case errors.Is(err, ErrNotPaired): // it cannot be read: nothing to tell the phone
		err = nil
	}
	var refused lockdown.Error
	if errors.As(err, &refused) {
		if _, kind := classifyRefusal(refused); kind == ErrNotPaired {
			err = nil
		}
	}
	if err != nil {
		return d.fail(err)
	}
	if d.straight != nil { // the record is with whoever opened the handle
		return d.dropSession(ctx)
	}
	if err := d.mux.DeletePairRecord(ctx, d.udid); err != nil {
		return fmt.Errorf("%s: the phone forgot this computer, but: %w", d.Name(), err)
	}
	return d.dropSession(ctx)
}

func (d *Device) unpair(ctx context.Context, rec *lockdown.PairRecord) error {
	c, err := lockdown.Dial(ctx, d)
	if err != nil {
		return err
	}
	defer c.Close()
	return c.Unpair(ctx, rec)
}
