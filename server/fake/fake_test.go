package fake_test

import (
	"errors"
	"io/fs"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/server"
	"github.com/keepsake-backup/keepsake/server/fake"
	"github.com/keepsake-backup/keepsake/service"
)

var (
	_ server.Service = (*fake.Household)(nil)
	_ server.Auth    = (*fake.People)(nil)
)

var (
	anna = service.Who{Account: 1, Name: "Anna", Admin: true}
	ben  = service.Who{Account: 2, Name: "Ben"}
)

func TestHousehold_membersSeeTheirOwn(t *testing.T) {
	h := fake.New(fake.Options{})
	o, err := h.Overview(t.Context(), ben)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range o.Phones {
		if !p.Mine {
			t.Errorf("Ben sees %s of %s", p.Name, p.OwnerName)
		}
	}
	if _, err := h.Phone(t.Context(), ben, fake.Anna); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Ben asks for Anna's phone: %v", err)
	}
	vs, err := h.Versions(t.Context(), anna, fake.Ben)
	if err != nil || len(vs) == 0 {
		t.Fatalf("the admin sees that there are versions: %d, %v", len(vs), err)
	}
	if _, err := h.List(t.Context(), anna, fake.Ben, vs[0].ID, "", "", 10); !errors.Is(err, service.ErrForbidden) {
		t.Errorf("the admin looks into Ben's version: %v", err)
	}
}

func TestHousehold_aBackupBecomesAVersion(t *testing.T) {
	now := time.Date(2026, 5, 4, 20, 0, 0, 0, time.UTC)
	h := fake.New(fake.Options{Now: func() time.Time { return now }, Still: true, Step: time.Second})
	before, _ := h.Phone(t.Context(), anna, fake.Anna)
	id, err := h.BackUp(t.Context(), anna, fake.Anna, false)
	if err != nil {
		t.Fatal(err)
	}
	if again, _ := h.BackUp(t.Context(), anna, fake.Anna, false); again != id {
		t.Errorf("a second job %d beside %d", again, id)
	}
	now = now.Add(1500 * time.Millisecond)
	if j, _ := h.Job(t.Context(), anna, id); j.Do == "" {
		t.Errorf("nobody is asked for the passcode: %+v", j)
	}
	now = now.Add(time.Minute)
	j, err := h.Job(t.Context(), anna, id)
	if err != nil || j.State != service.Done {
		t.Fatalf("the job: %s, %v", j.State, err)
	}
	if after, _ := h.Phone(t.Context(), anna, fake.Anna); after.Versions != before.Versions+1 || after.DaysVerified != 0 {
		t.Errorf("%d versions after %d, %d days", after.Versions, before.Versions, after.DaysVerified)
	}
}

func TestHousehold_lists(t *testing.T) {
	h := fake.New(fake.Options{Phones: 50, Versions: 100})
	o, _ := h.Overview(t.Context(), anna)
	if len(o.Phones) != 50 || o.Phones[49].Versions != 100 {
		t.Errorf("%d phones, the last with %d versions", len(o.Phones), o.Phones[49].Versions)
	}
	vs, _ := h.Versions(t.Context(), anna, fake.Anna)
	seen, after := 0, ""
	for {
		l, err := h.List(t.Context(), anna, fake.Anna, vs[0].ID, "CameraRollDomain/Media/DCIM/100APPLE", after, 300)
		if err != nil {
			t.Fatal(err)
		}
		seen += len(l.Entries)
		if after = l.Next; after == "" {
			break
		}
	}
	if seen != 999+1+40 && seen != 1000+40 {
		t.Errorf("%d files on all pages", seen)
	}
}
