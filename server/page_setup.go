package server

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/service"
)

// The set-up is five decisions, each a page that can be come back to:
//
//	/setup                     who you are (the first account), then where the backups go
//	/setup/sheet               the recovery sheet, to print
//	/setup/phone               the first phone, by cable
//	/setup/encryption/{udid}   whether it encrypts its backups
//	/setup/schedule/{udid}     when
//	/setup/done
//
// All after the second can be left for later.

// step is what all pages of the set-up show.
type step struct {
	Number int // 1 to 5
	Dots   [5]bool
}

func stepAt(n int) step {
	s := step{Number: n}
	for i := range n {
		s.Dots[i] = true
	}
	return s
}

// setup is the step that the set-up is at.
func (p *pages) setup(w http.ResponseWriter, r *http.Request) error {
	v := visitorFrom(r.Context())
	if v.FirstRun {
		return p.render(w, r, "setup_account", view{Title: "Welcome", Width: "narrow", Bare: true, Problem: formProblem(r), P: struct {
			step
			NeedsCode bool
		}{stepAt(1), v.NeedsCode}})
	}
	if !v.signedIn() {
		return seeOther(w, r, "/signin")
	}
	o, err := p.o.Service.Overview(r.Context(), v.Who)
	switch {
	case err != nil:
		return fmt.Errorf("look at everything: %w", err)
	case o.Ready && len(o.Phones) == 0:
		return seeOther(w, r, "/setup/phone")
	case o.Ready:
		return seeOther(w, r, "/")
	}
	return p.showSetupPlace(w, r, nil)
}

func (p *pages) showSetupPlace(w http.ResponseWriter, r *http.Request, wrong *problem) error {
	d := struct {
		step
		Place, Password string
	}{stepAt(2), r.PostFormValue("place"), r.PostFormValue("password")}
	if d.Password == "" {
		d.Password = suggestion()
	}
	return p.render(w, r, "setup_place", view{Title: "Where the backups go", Width: "narrow", Bare: true, Problem: wrong, P: d})
}

func (p *pages) setPlace(w http.ResponseWriter, r *http.Request) error {
	place := strings.TrimSpace(r.PostFormValue("place"))
	var err error
	if place == "" {
		err = &inputError{"it is not said where the backups are to go", "Type a folder, such as /srv/keepsake."}
	}
	made := true
	if err == nil {
		made, err = p.o.Service.SetUp(r.Context(), whoFrom(r.Context()), place, secret.NewRepositoryPassword(r.PostFormValue("password")))
	}
	if err != nil {
		return again(err, func(e *problem) error { return p.showSetupPlace(w, r, e) })
	}
	if !made {
		return seeOther(w, r, "/setup/sheet?said=found")
	}
	return seeOther(w, r, "/setup/sheet")
}

func (p *pages) setupSheet(w http.ResponseWriter, r *http.Request) error {
	return p.render(w, r, "setup_sheet", view{Title: "Recovery sheet", Width: "narrow", Bare: true, P: stepAt(2)})
}

// setupPhone shows the phones that are plugged in, and how pairing goes on.
func (p *pages) setupPhone(w http.ResponseWriter, r *http.Request) error {
	return p.showSetupPhone(w, r, nil)
}

func (p *pages) showSetupPhone(w http.ResponseWriter, r *http.Request, wrong *problem) error {
	o, err := p.o.Service.Overview(r.Context(), whoFrom(r.Context()))
	if err != nil {
		return fmt.Errorf("look at everything: %w", err)
	}
	var pairing *service.Job
	if i := slices.IndexFunc(o.Running, func(j service.Job) bool { return j.Kind == service.PairJob }); i >= 0 {
		pairing = &o.Running[i]
	}
	var failed *service.Job // the last try, if it is over and did not do
	if jobs, err := p.o.Service.Jobs(r.Context(), whoFrom(r.Context()), "", 0, 1); err == nil && len(jobs) == 1 && jobs[0].Kind == service.PairJob && retry(jobs[0]) != "" {
		failed = &jobs[0]
	}
	return p.render(w, r, "setup_phone", view{Title: "The first phone", Width: "narrow", Bare: true, Problem: wrong, Busy: true, P: struct {
		step
		service.Overview
		Pairing, Failed *service.Job
	}{stepAt(3), o, pairing, failed}})
}

func (p *pages) setupPair(w http.ResponseWriter, r *http.Request) error {
	if _, err := p.o.Service.Pair(r.Context(), whoFrom(r.Context()), r.PathValue("udid")); err != nil {
		return again(err, func(e *problem) error { return p.showSetupPhone(w, r, e) })
	}
	return seeOther(w, r, "/setup/phone")
}

func (p *pages) setupEncryption(w http.ResponseWriter, r *http.Request) error {
	return p.showSetupEncryption(w, r, nil)
}

func (p *pages) showSetupEncryption(w http.ResponseWriter, r *http.Request, wrong *problem) error {
	return p.setupOf(w, r, "setup_encryption", "Encrypt the backup", 4, wrong)
}

func (p *pages) setupSchedule(w http.ResponseWriter, r *http.Request) error {
	return p.setupOf(w, r, "setup_schedule", "When to back up", 5, nil)
}

func (p *pages) setupOf(w http.ResponseWriter, r *http.Request, name, title string, n int, wrong *problem) error {
	ph, err := p.o.Service.Phone(r.Context(), whoFrom(r.Context()), r.PathValue("udid"))
	if err != nil {
		return fmt.Errorf("look at phone: %w", err)
	}
	return p.render(w, r, name, view{Title: title, Width: "narrow", Bare: true, Problem: wrong, Busy: ph.Job != nil, P: struct {
		step
		Phone service.Phone
	}{stepAt(n), ph}})
}

func (p *pages) setupDone(w http.ResponseWriter, r *http.Request) error {
	o, err := p.o.Service.Overview(r.Context(), whoFrom(r.Context()))
	if err != nil {
		return fmt.Errorf("look at everything: %w", err)
	}
	return p.render(w, r, "setup_done", view{Title: "Done", Width: "narrow", Bare: true, P: o})
}
