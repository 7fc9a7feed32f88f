package fake

import (
	"context"
	"fmt"
	"html"
	"slices"
	"strings"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/schedule"
	"github.com/keepsake-backup/keepsake/service"
)

// change changes a phone that who may steer.
func (h *Household) change(who service.Who, udid string, f func(*phone) error) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	p, err := h.steer(who, udid)
	if err != nil {
		return err
	}
	if err := f(p); err != nil {
		return err
	}
	h.tell(service.Event{Kind: "phone", UDID: udid})
	return nil
}

// SetPolicy implements server.Housekeeper.
func (h *Household) SetPolicy(_ context.Context, who service.Who, udid string, p schedule.Policy) error {
	return h.change(who, udid, func(ph *phone) error { ph.Policy = p; return nil })
}

// SetRetention implements server.Housekeeper.
func (h *Household) SetRetention(_ context.Context, who service.Who, udid string, r service.Retention) error {
	return h.change(who, udid, func(ph *phone) error { ph.Retention = r; return nil })
}

// SetOwner implements server.Housekeeper.
func (h *Household) SetOwner(_ context.Context, who service.Who, udid string, account int64) error {
	if err := h.admin(who); err != nil {
		return err
	}
	return h.change(who, udid, func(ph *phone) error {
		ph.Granted = ph.Granted && ph.Owner == account // the new owner decides anew
		ph.Owner, ph.OwnerName = account, accounts[account]
		return nil
	})
}

// SetGrant implements server.Housekeeper.
func (h *Household) SetGrant(_ context.Context, who service.Who, udid string, on bool) error {
	return h.change(who, udid, func(ph *phone) error {
		if ph.Owner != who.Account {
			return service.ErrForbidden
		}
		ph.Granted = on
		return nil
	})
}

// SetWiFi implements server.Housekeeper.
func (h *Household) SetWiFi(_ context.Context, who service.Who, udid string, on bool) error {
	return h.change(who, udid, func(ph *phone) error {
		if !ph.Cable && !ph.WiFi {
			return &hintError{ph.Name + " cannot be reached", "Plug it in; the switch is on the phone."}
		}
		ph.WiFiOn = on
		return nil
	})
}

// SetAddress implements server.Housekeeper.
func (h *Household) SetAddress(_ context.Context, who service.Who, udid, address string) error {
	return h.change(who, udid, func(*phone) error {
		if strings.ContainsAny(address, " /") {
			return &hintError{fmt.Sprintf("%q is no address", address), "Type a name such as anna.vpn.example or an address such as 10.8.0.7."}
		}
		return nil
	})
}

// RememberPassword implements server.Housekeeper.
func (h *Household) RememberPassword(_ context.Context, who service.Who, udid string, p secret.BackupPassword) error {
	return h.change(who, udid, func(ph *phone) error {
		if p.Reveal() != ph.password {
			return &hintError{"this is not the backup password of " + ph.Name, "It is the one that was set when “Encrypt backup” was switched on, here or in another program."}
		}
		ph.KnowsPassword = true
		return nil
	})
}

// Pin implements server.Housekeeper.
func (h *Household) Pin(_ context.Context, who service.Who, udid, version string, on bool) error {
	return h.change(who, udid, func(ph *phone) error {
		for i := range ph.versions {
			if ph.versions[i].ID == version {
				ph.versions[i].Pinned = on
			}
		}
		return nil
	})
}

// Forget implements server.Housekeeper.
func (h *Household) Forget(_ context.Context, who service.Who, udid, version string) (int64, error) {
	return h.start(who, udid, service.ForgetJob, func(p *phone) func() {
		return func() {
			p.versions = slices.DeleteFunc(p.versions, func(v service.Version) bool { return v.ID == version && !v.Pinned })
			p.sum()
		}
	})
}

// SetUp implements server.Housekeeper. A place whose name holds "used" has backups already.
func (h *Household) SetUp(_ context.Context, who service.Who, place string, password secret.RepositoryPassword) (bool, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.admin(who); err != nil {
		return false, err
	}
	if strings.Contains(place, "readonly") {
		return false, &hintError{"make " + place + ": permission denied", "Choose a folder that the service may write to, or give it this one."}
	}
	if password.IsZero() {
		return false, &hintError{"the backups need a password", "Type one, or take the one that is suggested."}
	}
	h.ready, h.place = true, place
	return !strings.Contains(place, "used"), nil
}

// RecoverySheet implements server.Housekeeper.
func (h *Household) RecoverySheet(_ context.Context, who service.Who, withPassword bool) ([]byte, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.admin(who); err != nil {
		return nil, err
	}
	if !h.ready {
		return nil, errNoPlace
	}
	word := "________________"
	if withPassword {
		word = "cedar-violin-harbour-7"
	}
	return fmt.Appendf(nil, "<!doctype html><html lang=en><meta charset=utf-8><title>Recovery sheet</title><h1>Recovery sheet</h1><p>Backups are in <b>%s</b>.<p>Password: <b>%s</b>", html.EscapeString(h.place), word), nil
}

// AddTarget implements server.Housekeeper.
func (h *Household) AddTarget(_ context.Context, who service.Who, name, location string, _ map[string]string, _ secret.RepositoryPassword) (int64, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.admin(who); err != nil {
		return 0, err
	}
	if slices.ContainsFunc(h.targets, func(t service.Target) bool { return t.Name == name }) {
		return 0, &hintError{"there is a place called " + name + " already", "Give this one another name."}
	}
	if strings.Contains(location, "wrong") {
		return 0, &hintError{"open " + location + ": access denied", "Check the access key and the secret key."}
	}
	kind := "disk"
	if scheme, _, ok := strings.Cut(location, ":"); ok && len(scheme) > 1 {
		kind = map[string]string{"s3": "S3", "sftp": "SFTP", "rest": "server"}[scheme]
	}
	h.targets = append(h.targets, service.Target{Name: name, Location: location, Kind: kind, Here: true, Behind: 120, Free: 700 * gib, Automatic: true})
	i := len(h.targets) - 1
	return h.enqueue(who, service.CopyJob, nil, name, func() { h.targets[i].Behind, h.targets[i].LastCopied = 0, h.o.Now() }), nil
}

// RemoveTarget implements server.Housekeeper.
func (h *Household) RemoveTarget(_ context.Context, who service.Who, name string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.admin(who); err != nil {
		return err
	}
	h.targets = slices.DeleteFunc(slices.Clone(h.targets), func(t service.Target) bool { return t.Name == name })
	return nil
}

// Settings implements server.Housekeeper.
func (h *Household) Settings(_ context.Context, who service.Who) (service.Settings, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.settings, h.admin(who)
}

// SetSettings implements server.Housekeeper.
func (h *Household) SetSettings(_ context.Context, who service.Who, s service.Settings) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.admin(who); err != nil {
		return err
	}
	for i, u := range s.Notify {
		if u != service.Kept && !strings.Contains(u, "://") {
			return &hintError{fmt.Sprintf("address %d for messages is none", i+1), "It looks like ntfy://ntfy.sh/topic or https://example.org/hook."}
		}
		s.Notify[i] = service.Kept
	}
	if s.Ping != "" {
		s.Ping = service.Kept
	}
	h.settings = s
	return nil
}

// TestNotification implements server.Housekeeper.
func (h *Household) TestNotification(_ context.Context, who service.Who) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.admin(who); err != nil {
		return err
	}
	if len(h.settings.Notify) == 0 {
		return &hintError{"there is no address to send to", "Add one first."}
	}
	return nil
}
