package server

import (
	"fmt"
	"net/http"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/service"
)

// encryption is the page to switch encryption on, change its password, or switch
// it off. With next=setup it is a step of the set-up.
func (p *pages) encryption(w http.ResponseWriter, r *http.Request) error {
	return p.showEncryption(w, r, nil)
}

func (p *pages) showEncryption(w http.ResponseWriter, r *http.Request, wrong *problem) error {
	udid := r.PathValue("udid")
	ph, err := p.o.Service.Phone(r.Context(), whoFrom(r.Context()), udid)
	if err != nil {
		return fmt.Errorf("look at phone: %w", err)
	}
	return p.render(w, r, "encryption", view{Title: "Encrypt backup", Width: "narrow", Here: "/", Problem: wrong, P: struct {
		service.Phone
		Crumbs []crumb
	}{ph, []crumb{{"/", "Phones"}, {phonePath(udid), ph.Name}}}})
}

// twice reads a new password that was typed twice.
func twice(r *http.Request) (string, error) {
	one := r.PostFormValue("new")
	switch {
	case one == "":
		return "", &inputError{"the new password is missing", "Type it into both fields."}
	case one != r.PostFormValue("again"):
		return "", &inputError{"the two new passwords are not the same", "Type them once more."}
	}
	return one, nil
}

func (p *pages) setEncryption(w http.ResponseWriter, r *http.Request) error {
	udid := r.PathValue("udid")
	setup := r.PostFormValue("next") == "setup"
	err := func() error {
		var next string
		if r.PostFormValue("off") == "" {
			var err error
			if next, err = twice(r); err != nil {
				return err
			}
		}
		id, err := p.o.Service.SetEncryption(r.Context(), whoFrom(r.Context()), udid, secret.NewBackupPassword(r.PostFormValue("old")), secret.NewBackupPassword(next))
		if err != nil {
			return fmt.Errorf("set encryption: %w", err)
		}
		if setup {
			return seeOther(w, r, "/setup/encryption/"+seg(udid))
		}
		return seeOther(w, r, fmt.Sprintf("/activity/%d", id))
	}()
	if err != nil && setup {
		return again(err, func(e *problem) error { return p.showSetupEncryption(w, r, e) })
	} else if err != nil {
		return again(err, func(e *problem) error { return p.showEncryption(w, r, e) })
	}
	return nil
}

// password is the page to type a backup password that was set elsewhere.
func (p *pages) password(w http.ResponseWriter, r *http.Request) error {
	return p.showPassword(w, r, nil)
}

func (p *pages) showPassword(w http.ResponseWriter, r *http.Request, wrong *problem) error {
	udid := r.PathValue("udid")
	ph, err := p.o.Service.Phone(r.Context(), whoFrom(r.Context()), udid)
	if err != nil {
		return fmt.Errorf("look at phone: %w", err)
	}
	return p.render(w, r, "password", view{Title: "Backup password", Width: "narrow", Here: "/", Problem: wrong, P: struct {
		service.Phone
		Crumbs []crumb
	}{ph, []crumb{{"/", "Phones"}, {phonePath(udid), ph.Name}}}})
}

func (p *pages) setPassword(w http.ResponseWriter, r *http.Request) error {
	udid := r.PathValue("udid")
	err := p.o.Service.RememberPassword(r.Context(), whoFrom(r.Context()), udid, secret.NewBackupPassword(r.PostFormValue("password")))
	if err != nil {
		return again(err, func(e *problem) error { return p.showPassword(w, r, e) })
	}
	return seeOther(w, r, phonePath(udid)+"?said=remembered")
}
