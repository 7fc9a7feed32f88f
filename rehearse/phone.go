package rehearse

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/keepsake-backup/keepsake/device"
	"github.com/keepsake-backup/keepsake/mobilebackup2"
	"github.com/keepsake-backup/keepsake/restore"
	"github.com/keepsake-backup/keepsake/usbmux"
	"github.com/keepsake-backup/keepsake/virtualphone"
)

// phone is an erased virtual phone and the handle on it.
type phone struct {
	server *virtualphone.Server
	phone  *virtualphone.Phone
	dev    *device.Device
	got    *virtualphone.Received // nil when the restore failed
}

// newestKnown is the virtual phone's iOS when the backup does not tell its own.
const newestKnown = "26.0"

// startPhone starts a phone in set-up, with the backup's own version of iOS: the
// oldest that has to take it.
func startPhone(ctx context.Context, dir string, b *backup) (_ *phone, err error) {
	cfg := virtualphone.Config{Dir: dir, Empty: true, KeepNothing: true, IOS: b.ios, DeviceClass: b.class, KDFRounds: 1, RebootTime: time.Millisecond}
	server, err := virtualphone.Start(ctx, cfg)
	if err != nil {
		return nil, err
	}
	p := &phone{server: server, phone: server.Phones()[0]}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close())
		}
	}()
	if err := p.phone.Set("setup=setup"); err != nil {
		return nil, err
	}
	addr, err := usbmux.ParseAddress(server.Addr())
	if err != nil {
		return nil, err
	}
	if p.dev, err = device.Open(ctx, device.Options{Mux: &usbmux.Client{Address: addr}}); err != nil {
		return nil, err
	}
	return p, p.dev.Pair(ctx, device.PairOptions{})
}

func (p *phone) close() error {
	var err error
	if p.dev != nil {
		err = p.dev.Close()
	}
	return errors.Join(err, p.server.Close())
}

// restore restores b onto a new phone below dir. That the phone, or our own side,
// would not is noted, and no error.
func (r *rehearsal) restore(ctx context.Context, dir string, b *backup) (*phone, error) {
	if !versionPattern.MatchString(b.ios) {
		r.warn("Manifest.plist", fmt.Sprintf("does not tell the version of iOS (%q)", b.ios))
		b.ios = newestKnown
	}
	p, err := startPhone(ctx, dir, b)
	if err != nil {
		return nil, fmt.Errorf("start virtual phone: %w", err)
	}
	r.out.Phone = "virtual phone, iOS " + b.ios
	if b.class != "" && b.class != "iPhone" {
		r.out.Phone = "virtual " + b.class + ", iOS " + b.ios
	}
	report, err := restore.FromFS(ctx, p.dev, b.fsys, r.info.UDID, restore.Options{Password: b.password}, r.rep)
	if report != nil {
		for _, a := range report.Apps {
			if a.ByHand {
				r.out.AppsByHand++
			}
		}
	}
	switch {
	case ctx.Err() != nil:
		return nil, errors.Join(context.Cause(ctx), p.close())
	case err != nil:
		r.refused(report, err)
		return p, nil
	}
	// The phone restarts and puts in place what it has received.
	r.rep.Phase("boot", "The virtual phone restarts and puts its files in place")
	if err := p.phone.Await(ctx, "up", 2); err != nil {
		return nil, errors.Join(err, p.close())
	}
	if p.got, err = p.phone.Received(); err != nil {
		r.fail("", fmt.Sprintf("the virtual phone could not put the files in place: %v", err))
	} else if p.got == nil {
		r.fail("", "the virtual phone has nothing after its restart")
	}
	return p, nil
}

// refused notes why there was no restore.
func (r *rehearsal) refused(report *restore.Report, err error) {
	var blocked *restore.BlockedError
	var device *mobilebackup2.DeviceError
	switch {
	case errors.As(err, &blocked):
		for _, f := range report.Findings {
			if f.Level == restore.Blocker {
				r.fail("", "it cannot be restored: "+f.Text)
			}
		}
	case errors.As(err, &device):
		r.fail("", "the virtual phone refused the restore: "+device.Text)
	default:
		r.fail("", "it cannot be restored: "+err.Error())
	}
}

// versionPattern is what the virtual phone can have.
var versionPattern = regexp.MustCompile(`^[0-9]{1,2}(\.[0-9]{1,2}){1,2}$`)
