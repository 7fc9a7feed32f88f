package fake

import (
	"context"
	"io/fs"
	"slices"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/service"
)

// start enqueues a job for a phone that who may steer.
func (h *Household) start(who service.Who, udid string, kind service.JobKind, onEnd func(*phone) func()) (int64, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	p, err := h.steer(who, udid)
	if err != nil {
		return 0, err
	}
	var end func()
	if onEnd != nil {
		end = onEnd(p)
	}
	return h.enqueue(who, kind, p, "", end), nil
}

// BackUp implements server.Doer.
func (h *Household) BackUp(_ context.Context, who service.Who, udid string, _ bool) (int64, error) {
	h.mu.Lock()
	p, err := h.steer(who, udid)
	h.mu.Unlock()
	if err != nil {
		return 0, err
	}
	if !p.Cable && !p.WiFi {
		return 0, &hintError{p.Name + " cannot be reached", "Plug it in, or bring it into this Wi-Fi and unlock it once."}
	}
	return h.start(who, udid, service.BackupJob, h.newVersion)
}

// CopyMedia implements server.Doer.
func (h *Household) CopyMedia(_ context.Context, who service.Who, udid string) (int64, error) {
	return h.start(who, udid, service.MediaJob, nil)
}

// Pair implements server.Doer.
func (h *Household) Pair(_ context.Context, who service.Who, udid string) (int64, error) {
	return h.start(who, udid, service.PairJob, func(p *phone) func() {
		return func() {
			p.Paired, p.WiFiOn, p.fresh = true, true, false
			if p.Owner == 0 {
				p.Owner, p.OwnerName = who.Account, cmpOr(accounts[who.Account], who.Name)
			}
			p.EncryptedKnown = true
			p.KnowsPassword = true
			p.State = service.State{Mood: service.Asking, Text: "Paired. Nothing is backed up yet.", Do: "Press Back Up Now and enter the passcode on the phone."}
		}
	})
}

// SetEncryption implements server.Doer.
func (h *Household) SetEncryption(_ context.Context, who service.Who, udid string, old, new secret.BackupPassword) (int64, error) {
	h.mu.Lock()
	p, err := h.steer(who, udid)
	h.mu.Unlock()
	if err != nil {
		return 0, err
	}
	if p.Encrypted && !old.IsZero() && old.Reveal() != p.password {
		return 0, &hintError{"the old backup password is wrong", "Type the password that the phone encrypts its backups with now."}
	}
	return h.start(who, udid, service.EncryptionJob, func(p *phone) func() {
		return func() {
			p.Encrypted, p.EncryptedKnown, p.KnowsPassword = !new.IsZero(), true, true
			p.password = new.Reveal()
		}
	})
}

// Rehearse implements server.Doer.
func (h *Household) Rehearse(_ context.Context, who service.Who, udid, _ string) (int64, error) {
	return h.start(who, udid, service.RehearseJob, func(p *phone) func() {
		return func() { p.LastRehearsal, p.RehearsalOK = h.o.Now(), true }
	})
}

// Check implements server.Doer.
func (h *Household) Check(_ context.Context, who service.Who, udid string) (int64, error) {
	return h.start(who, udid, service.CheckJob, nil)
}

// Preflight implements server.Doer.
func (h *Household) Preflight(_ context.Context, who service.Who, r service.RestoreRequest) (service.Preflight, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	to, err := h.steer(who, r.UDID)
	if err != nil {
		return service.Preflight{}, err
	}
	from, err := h.open(who, r.Source)
	if err != nil {
		return service.Preflight{}, err
	}
	i := slices.IndexFunc(from.versions, func(v service.Version) bool { return v.ID == r.Version })
	if i < 0 {
		return service.Preflight{}, fs.ErrNotExist
	}
	v := from.versions[i]
	f := service.Preflight{Ready: true, Files: v.Files, Bytes: v.Size, AppsBack: []string{"Recipes", "WhatsApp", "Firefox"}, AppsByHand: []string{"Banking"}, NeedsPassword: !from.KnowsPassword}
	if !to.Cable && !to.WiFi {
		f.Ready = false
		f.Findings = append(f.Findings, service.Finding{Blocks: true, Text: to.Name + " cannot be reached.", Do: "Plug it in here."})
	}
	if !to.InSetup {
		f.Findings = append(f.Findings, service.Finding{Blocks: r.Settings, Text: "“Find My” is on.", Do: "Switch it off on the phone: Settings, your name, Find My."})
		f.Ready = f.Ready && !r.Settings
	}
	f.Findings = append(f.Findings, service.Finding{Text: "The phone has room: 171 GB are free, 38 GB are needed."})
	return f, nil
}

// Restore implements server.Doer.
func (h *Household) Restore(_ context.Context, who service.Who, r service.RestoreRequest, _ secret.BackupPassword) (int64, error) {
	h.mu.Lock()
	_, err := h.open(who, r.Source)
	h.mu.Unlock()
	if err != nil {
		return 0, err
	}
	return h.start(who, r.UDID, service.RestoreJob, nil)
}

// Copy implements server.Doer.
func (h *Household) Copy(_ context.Context, who service.Who, name string) (int64, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.admin(who); err != nil {
		return 0, err
	}
	i := slices.IndexFunc(h.targets, func(t service.Target) bool { return t.Name == name })
	if i < 0 {
		return 0, fs.ErrNotExist
	}
	if !h.targets[i].Here {
		return 0, &hintError{name + " is not here", "Plug it in or switch it on; copies start by themselves as soon as it is there."}
	}
	return h.enqueue(who, service.CopyJob, nil, name, func() { h.targets[i].Behind, h.targets[i].LastCopied = 0, h.o.Now() }), nil
}

// Signal implements server.Doer.
func (h *Household) Signal(ctx context.Context, who service.Who, udid string) (string, error) {
	if _, err := h.BackUp(ctx, who, udid, false); err != nil {
		return "", err
	}
	return "A backup starts. Enter the passcode when the phone asks for it.", nil
}
