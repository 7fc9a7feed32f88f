package service_test

import (
	"strings"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/service"
	"github.com/keepsake-backup/keepsake/virtualphone"
)

func passcode(t *testing.T, text string) *virtualphone.Prompt {
	t.Helper()
	p, err := virtualphone.ParsePasscode(text)
	if err != nil {
		t.Fatal(err)
	}
	return &p
}

// TestRefusedPrompt: after a no the phone is not asked again by itself, whatever
// happens; Back Up Now asks again.
func TestRefusedPrompt(t *testing.T) {
	t.Parallel()
	h := newHouse(t, virtualphone.Config{DeviceName: "Anna's iPhone", Passcode: passcode(t, "after=0s")}, nil)
	h.setUp()
	phone := h.server.Phones()[0]
	h.pair(anna, 0)
	if err := phone.Set("passcode=refuse"); err != nil {
		t.Fatal(err)
	}
	phone.Unplug()
	h.await("it is gone", func() bool { return !h.phone(anna, 0).Cable })
	h.automatic(0)
	phone.Plug()
	h.await("a backup was refused", func() bool {
		list := h.jobs(service.BackupJob, 0)
		return len(list) == 1 && list[0].State == service.Refused
	})
	if n := phone.Count("passcode-prompt"); n != 1 {
		t.Fatalf("%d prompts", n)
	}
	if j := h.jobs(service.BackupJob, 0)[0]; j.Hint == "" || j.Text == "" {
		t.Errorf("job: %+v", j)
	}
	for range 2 { // a cable is no wish for a backup
		phone.Unplug()
		h.await("it is gone", func() bool { return !h.phone(anna, 0).Cable })
		phone.Plug()
		h.known(0)
		time.Sleep(500 * time.Millisecond)
	}
	if n := phone.Count("passcode-prompt"); n != 1 {
		t.Fatalf("%d prompts after plugging in again", n)
	}
	p := h.phone(anna, 0)
	if p.State.Mood == service.Good || p.State.Text == "" || p.Versions != 0 {
		t.Errorf("state: %+v", p.State)
	}
	prompts, err := h.db.Prompts(t.Context(), h.udid(0), never)
	if err != nil || len(prompts) != 1 || prompts[0].Answer != "no" {
		t.Errorf("prompts: %+v, %v", prompts, err)
	}
	if err := phone.Set("passcode=after=300ms"); err != nil {
		t.Fatal(err)
	}
	id, err := h.BackUp(t.Context(), anna, h.udid(0), false)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := h.BackUp(t.Context(), anna, h.udid(0), false); err != nil || again != id {
		t.Errorf("twice: %d, %v; want %d", again, err, id)
	}
	h.await("it says who must do what", func() bool { return h.phone(anna, 0).State.Do == "Enter the passcode on Anna's iPhone." })
	if m := h.phone(anna, 0).State.Mood; m != service.Asking {
		t.Errorf("mood: %s", m)
	}
	h.done(id, nil)
	prompts, err = h.db.Prompts(t.Context(), h.udid(0), never)
	if err != nil || len(prompts) != 2 || prompts[1].Answer != "yes" {
		t.Errorf("prompts: %+v, %v", prompts, err)
	}
}

// TestSignal: the owner's signal starts a backup of a phone that is due.
func TestSignal(t *testing.T) {
	t.Parallel()
	h := newHouse(t, virtualphone.Config{Passcode: passcode(t, "after=50ms")}, nil)
	h.setUp()
	h.pair(anna, 0)
	policy := h.phone(anna, 0).Policy
	policy.Automatic, policy.OnConnect, policy.OnUnlock = true, false, false
	at := h.clock.Now()
	policy.Window.From, policy.Window.To = clockAt(at.Add(2*time.Hour)), clockAt(at.Add(3*time.Hour))
	if err := h.SetPolicy(t.Context(), anna, h.udid(0), policy); err != nil {
		t.Fatal(err)
	}
	time.Sleep(300 * time.Millisecond)
	if list := h.jobs(service.BackupJob, 0); len(list) != 0 {
		t.Fatalf("it began outside its window: %+v", list)
	}
	text, err := h.Signal(t.Context(), anna, h.udid(0))
	if err != nil || !strings.Contains(text, "passcode") {
		t.Fatalf("signal: %q, %v", text, err)
	}
	h.await("a backup", func() bool { return len(h.jobs(service.BackupJob, 0)) == 1 })
	if j := h.done(h.jobs(service.BackupJob, 0)[0].ID, nil); j.Trigger != "its owner's signal" {
		t.Errorf("job: %+v", j)
	}
}
