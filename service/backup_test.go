package service_test

import (
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/service"
	"github.com/keepsake-backup/keepsake/virtualphone"
)

// TestPlugIn: a phone that is plugged in is backed up, untouched, and then the
// version is rehearsed.
func TestPlugIn(t *testing.T) {
	h := newHouse(t, virtualphone.Config{DeviceName: "Anna's iPhone"}, nil)
	h.setUp()
	phone := h.server.Phones()[0]
	h.pair(anna, 0)
	if p := h.phone(anna, 0); !p.Mine || !p.Paired || p.Name != "Anna's iPhone" || p.State.Mood == service.Good {
		t.Fatalf("after pairing: %+v", p)
	}
	phone.Unplug()
	h.await("it is gone", func() bool { return !h.phone(anna, 0).Cable })
	h.automatic(0)
	phone.Plug()
	began := time.Now()
	h.await("a backup starts", func() bool {
		list := h.jobs(service.BackupJob, 0)
		return len(list) > 0 && list[0].State != service.Queued
	})
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("the backup started after %v", took)
	}
	j := h.done(h.jobs(service.BackupJob, 0)[0].ID, nil)
	if j.Trigger != "it was plugged in" || j.Version == "" || len(j.Log) == 0 {
		t.Errorf("job: %+v", j)
	}
	h.await("it is rehearsed", func() bool { p := h.phone(anna, 0); return p.RehearsalOK })
	p := h.phone(anna, 0)
	if p.State.Mood != service.Good || p.DaysVerified != 0 || p.Versions != 1 || p.LastBackup.IsZero() || len(p.Storage) == 0 {
		t.Errorf("phone: %+v", p)
	}
	o, err := h.Overview(t.Context(), anna)
	if err != nil || !o.Ready || len(o.Phones) != 1 || len(o.Fresh) != 0 || o.Place != h.place {
		t.Errorf("overview: %+v, %v", o, err)
	}
}
