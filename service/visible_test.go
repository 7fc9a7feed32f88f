package service_test

import (
	"context"
	"errors"
	"io/fs"
	"testing"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/service"
	"github.com/keepsake-backup/keepsake/virtualphone"
)

// TestVisibility calls every method about Ben's phone for everybody.
func TestVisibility(t *testing.T) {
	t.Parallel()
	h := newHouse(t, virtualphone.Config{}, nil)
	h.setUp()
	h.pair(ben, 0)
	backup := h.done(h.BackUp(t.Context(), ben, h.udid(0), false))
	udid, v := h.udid(0), backup.Version
	clara := service.Who{Account: 3, Name: "Clara"}
	reader := service.Who{Account: 2, Name: "Ben", ReadOnly: true}
	narrowed := service.Who{Account: 2, Name: "Ben", Phones: []string{"another"}}
	job := func(_ int64, err error) error { return err }
	calls := []struct {
		name                           string
		anna, ben, clara, read, narrow string // "", "forbidden", "none"
		call                           func(context.Context, service.Who) error
	}{
		{"Phone", "", "", "none", "", "none", func(ctx context.Context, w service.Who) error { _, err := h.Phone(ctx, w, udid); return err }},
		{"Versions", "", "", "none", "", "none", func(ctx context.Context, w service.Who) error { _, err := h.Versions(ctx, w, udid); return err }},
		{"Jobs", "", "", "none", "", "none", func(ctx context.Context, w service.Who) error { _, err := h.Jobs(ctx, w, udid, 0, 1); return err }},
		{"Job", "", "", "none", "", "none", func(ctx context.Context, w service.Who) error { _, err := h.Job(ctx, w, backup.ID); return err }},
		{"List", "forbidden", "", "none", "", "none", func(ctx context.Context, w service.Who) error {
			_, err := h.List(ctx, w, udid, v, "", "", 1)
			return err
		}},
		{"Search", "forbidden", "", "none", "", "none", func(ctx context.Context, w service.Who) error {
			_, err := h.Search(ctx, w, udid, v, "x", "", 1)
			return err
		}},
		{"Open", "forbidden", "none", "none", "none", "none", func(ctx context.Context, w service.Who) error { _, err := h.Open(ctx, w, udid, v, "no"); return err }},
		{"Preflight", "forbidden", "", "none", "forbidden", "none", func(ctx context.Context, w service.Who) error {
			_, err := h.Preflight(ctx, w, service.RestoreRequest{UDID: udid, Source: udid, Version: v})
			return err
		}},
		{"Restore", "forbidden", "none", "none", "forbidden", "none", func(ctx context.Context, w service.Who) error {
			return job(h.Restore(ctx, w, service.RestoreRequest{UDID: udid, Source: udid, Version: "no"}, secret.BackupPassword{}))
		}},
		{"BackUp", "", "", "none", "forbidden", "none", func(ctx context.Context, w service.Who) error { return job(h.BackUp(ctx, w, udid, false)) }},
		{"CopyMedia", "", "", "none", "forbidden", "none", func(ctx context.Context, w service.Who) error { return job(h.CopyMedia(ctx, w, udid)) }},
		{"Pair", "", "", "none", "forbidden", "none", func(ctx context.Context, w service.Who) error { return job(h.Pair(ctx, w, udid)) }},
		{"Check", "", "", "none", "forbidden", "none", func(ctx context.Context, w service.Who) error { return job(h.Check(ctx, w, udid)) }},
		{"Rehearse", "none", "none", "none", "forbidden", "none", func(ctx context.Context, w service.Who) error { return job(h.Rehearse(ctx, w, udid, "no")) }},
		{"Forget", "forbidden", "none", "none", "forbidden", "none", func(ctx context.Context, w service.Who) error { return job(h.Forget(ctx, w, udid, "no")) }},
		{"Pin", "forbidden", "none", "none", "forbidden", "none", func(ctx context.Context, w service.Who) error { return h.Pin(ctx, w, udid, "no", true) }},
		{"Signal", "", "", "none", "forbidden", "none", func(ctx context.Context, w service.Who) error { _, err := h.Signal(ctx, w, udid); return err }},
		{"Cancel", "", "", "none", "forbidden", "none", func(ctx context.Context, w service.Who) error { return h.Cancel(ctx, w, backup.ID) }},
		{"SetPolicy", "", "", "none", "forbidden", "none", func(ctx context.Context, w service.Who) error {
			return h.SetPolicy(ctx, w, udid, h.phone(service.System, 0).Policy)
		}},
		{"SetRetention", "", "", "none", "forbidden", "none", func(ctx context.Context, w service.Who) error {
			return h.SetRetention(ctx, w, udid, service.Retention{})
		}},
		{"SetAddress", "", "", "none", "forbidden", "none", func(ctx context.Context, w service.Who) error { return h.SetAddress(ctx, w, udid, "") }},
		{"SetWiFi", "", "", "none", "forbidden", "none", func(ctx context.Context, w service.Who) error { return h.SetWiFi(ctx, w, udid, true) }},
		{"SetOwner", "forbidden", "", "none", "forbidden", "none", func(ctx context.Context, w service.Who) error { return h.SetOwner(ctx, w, udid, 2) }},
		{"SetGrant", "forbidden", "", "none", "forbidden", "none", func(ctx context.Context, w service.Who) error { return h.SetGrant(ctx, w, udid, false) }},
		{"RememberPassword", "forbidden", "", "none", "forbidden", "none", func(ctx context.Context, w service.Who) error {
			return h.RememberPassword(ctx, w, udid, secret.NewBackupPassword("x"))
		}},
		{"SetEncryption", "forbidden", "other", "none", "forbidden", "none", func(ctx context.Context, w service.Who) error {
			if w.Account == 2 && !w.ReadOnly && w.Phones == nil {
				return errors.New("tested elsewhere")
			}
			return job(h.SetEncryption(ctx, w, udid, secret.BackupPassword{}, secret.NewBackupPassword("x")))
		}},
		{"Settings", "", "forbidden", "forbidden", "forbidden", "forbidden", func(ctx context.Context, w service.Who) error { _, err := h.Settings(ctx, w); return err }},
		{"SetSettings", "other", "forbidden", "forbidden", "forbidden", "forbidden", func(ctx context.Context, w service.Who) error {
			return h.SetSettings(ctx, w, service.Settings{})
		}},
		{"SetUp", "other", "forbidden", "forbidden", "forbidden", "forbidden", func(ctx context.Context, w service.Who) error {
			_, err := h.SetUp(ctx, w, "", secret.RepositoryPassword{})
			return err
		}},
		{"RecoverySheet", "", "forbidden", "forbidden", "forbidden", "forbidden", func(ctx context.Context, w service.Who) error { _, err := h.RecoverySheet(ctx, w, true); return err }},
		{"AddTarget", "other", "forbidden", "forbidden", "forbidden", "forbidden", func(ctx context.Context, w service.Who) error {
			return job(h.AddTarget(ctx, w, "/", "", nil, secret.RepositoryPassword{}))
		}},
		{"RemoveTarget", "none", "forbidden", "forbidden", "forbidden", "forbidden", func(ctx context.Context, w service.Who) error { return h.RemoveTarget(ctx, w, "no") }},
		{"Copy", "none", "forbidden", "forbidden", "forbidden", "forbidden", func(ctx context.Context, w service.Who) error { return job(h.Copy(ctx, w, "no")) }},
		{"TestNotification", "other", "forbidden", "forbidden", "forbidden", "forbidden", func(ctx context.Context, w service.Who) error { return h.TestNotification(ctx, w) }},
	}
	for _, c := range calls {
		for _, r := range []struct {
			name string
			who  service.Who
			want string
		}{{"Anna", anna, c.anna}, {"Ben", ben, c.ben}, {"Clara", clara, c.clara}, {"Ben's reader", reader, c.read}, {"Ben's other phone", narrowed, c.narrow}} {
			if got := said(c.call(t.Context(), r.who)); got != r.want {
				t.Errorf("%s by %s: %q, want %q", c.name, r.name, got, r.want)
			}
		}
	}
	for who, n := range map[*service.Who]int{&anna: 1, &ben: 1, &clara: 0, &reader: 1, &narrowed: 0} {
		o, err := h.Overview(t.Context(), *who)
		if err != nil || len(o.Phones) != n {
			t.Errorf("overview of %s: %d phones, %v; want %d", who.Name, len(o.Phones), err, n)
		}
	}
	j, err := h.Job(t.Context(), anna, backup.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range j.Log {
		if l.Kind != "phase" && l.Kind != "action" {
			t.Errorf("the admin sees a line of Ben's backup that may name files: %+v", l)
		}
	}
	if err := h.SetGrant(t.Context(), ben, udid, true); err != nil {
		t.Fatal(err)
	}
	if _, err := h.List(t.Context(), anna, udid, v, "", "", 1); err != nil {
		t.Errorf("list by Anna, whom Ben lets in: %v", err)
	}
}

func said(err error) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, service.ErrForbidden):
		return "forbidden"
	case errors.Is(err, fs.ErrNotExist):
		return "none"
	}
	return "other"
}
