package discovery

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/keepsake-backup/keepsake/lockdown"
	"github.com/keepsake-backup/keepsake/usbmux"
)

// listen hears usbmuxd, again and again: it may be started later, or anew.
func (w *Watcher) listen(ctx context.Context) {
	var saving sync.WaitGroup
	defer saving.Wait()
	for {
		// Listen says nothing while there is no phone: ask, to know that it is heard.
		if _, err := w.opt.Mux.List(ctx); err == nil {
			w.mu.Lock()
			w.muxErr = nil
			w.mu.Unlock()
		}
		err := w.opt.Mux.Listen(ctx, func(ev usbmux.Event) error {
			w.muxEvent(ev, func(udid usbmux.UDID) { saving.Go(func() { w.copyRecord(ctx, udid) }) })
			return nil
		})
		if ctx.Err() != nil {
			return
		}
		w.muxGone(err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(w.opt.Pace.Redial):
		}
	}
}

// muxGone forgets what a daemon said that is not there any more.
func (w *Watcher) muxGone(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.muxErr == nil {
		w.opt.Log.Debug("usbmuxd cannot be heard", "cause", err)
	}
	w.muxErr = err
	for id := range w.cables {
		w.detachLocked(id)
	}
}

func (w *Watcher) muxEvent(ev usbmux.Event, record func(usbmux.UDID)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.muxErr = nil
	switch ev.Kind {
	case usbmux.Attached:
		w.attachLocked(ev.Device)
		if !ev.Device.UDID.IsZero() {
			record(ev.Device.UDID)
		}
	case usbmux.Detached:
		w.detachLocked(ev.ID)
	case usbmux.Paired:
		if at, ok := w.cables[ev.ID]; ok {
			record(at.UDID)
			w.tellLocked(w.phoneLocked(at.UDID), Paired)
		}
	}
}

func (w *Watcher) attachLocked(at usbmux.Device) {
	if at.UDID.IsZero() {
		return // no phone, or one of a kind that we cannot name
	}
	w.cables[at.ID] = at
	w.recountLocked(at.UDID)
}

func (w *Watcher) detachLocked(id usbmux.DeviceID) {
	at, ok := w.cables[id]
	if !ok {
		return
	}
	delete(w.cables, id)
	w.recountLocked(at.UDID)
}

// recountLocked sees anew how usbmuxd has a phone: it may have it twice.
func (w *Watcher) recountLocked(udid usbmux.UDID) {
	p, now := w.phoneLocked(udid), w.opt.Now()
	before := p.sighting()
	cable, network := false, false
	for _, at := range w.cables {
		if at.UDID == udid {
			cable = cable || at.Transport == usbmux.ConnectionUSB
			network = network || at.Transport == usbmux.ConnectionNetwork
		}
	}
	if !p.cableSince.IsZero() {
		p.lastCable = now
	}
	p.cableSince = since(p.cableSince, cable, now)
	if !p.muxSince.IsZero() {
		p.lastWiFi, p.lastProof = now, proof{how: ByMuxer}
	}
	p.muxSince = since(p.muxSince, network, now)
	if cable {
		p.lastCable = now
	}
	w.changedLocked(p, before)
}

func since(was time.Time, is bool, now time.Time) time.Time {
	switch {
	case !is:
		return time.Time{}
	case was.IsZero():
		return now
	}
	return was
}

// copyRecord keeps the daemon's pair record of a phone as our own.
func (w *Watcher) copyRecord(ctx context.Context, udid usbmux.UDID) {
	err := w.copyRecordNow(ctx, udid)
	switch {
	case err == nil:
		w.Refresh()
	case errors.Is(err, usbmux.ErrNoPairRecord), errors.Is(err, errSame), ctx.Err() != nil:
	default:
		w.opt.Log.Warn("pair record not kept", "udid", udid, "cause", err)
	}
}

var errSame = errors.New("it is kept already")

func (w *Watcher) copyRecordNow(ctx context.Context, udid usbmux.UDID) error {
	data, err := w.opt.Mux.ReadPairRecord(ctx, udid)
	if err != nil {
		return err
	}
	record, err := lockdown.ParsePairRecord(data)
	if err != nil {
		return err
	}
	w.mu.Lock()
	w.phoneLocked(udid).hasRecord = true
	w.mu.Unlock()
	if w.opt.Recorder == nil {
		return nil
	}
	old, err := w.opt.Recorder.Load(ctx, udid)
	switch {
	case errors.Is(err, usbmux.ErrNoPairRecord):
	case err != nil:
		return err
	case sameRecord(old, record):
		return errSame
	}
	return w.opt.Recorder.Save(ctx, udid, record)
}

func sameRecord(a, b *lockdown.PairRecord) bool {
	return a.HostID == b.HostID && bytes.Equal(a.DeviceCertificate, b.DeviceCertificate) &&
		bytes.Equal(a.EscrowBag.Reveal(), b.EscrowBag.Reveal())
}

// record finds the pair record of a phone: given, of our own, or the daemon's.
func (w *Watcher) record(ctx context.Context, udid usbmux.UDID) (*lockdown.PairRecord, error) {
	w.mu.Lock()
	p := w.phones[udid]
	var known *lockdown.PairRecord
	if p != nil && p.known != nil {
		known = p.known.Record
	}
	w.mu.Unlock()
	if known != nil {
		return known, nil
	}
	err := fmt.Errorf("%s: %w", udid, usbmux.ErrNoPairRecord)
	if w.opt.Recorder != nil {
		record, loadErr := w.opt.Recorder.Load(ctx, udid)
		if loadErr == nil || !errors.Is(loadErr, usbmux.ErrNoPairRecord) {
			return record, loadErr
		}
	}
	if w.opt.Mux == nil {
		return nil, err
	}
	data, muxErr := w.opt.Mux.ReadPairRecord(ctx, udid)
	var away *usbmux.DaemonError
	switch {
	case errors.As(muxErr, &away):
		return nil, err // nobody else has one
	case muxErr != nil:
		return nil, muxErr
	}
	return lockdown.ParsePairRecord(data)
}
