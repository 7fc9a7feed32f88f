package server

import (
	"fmt"
	"net/http"
	"net/url"

	"github.com/keepsake-backup/keepsake/service"
)

func phonePath(udid string) string { return "/phones/" + url.PathEscape(udid) }

func versionPath(udid, id string) string {
	return phonePath(udid) + "/versions/" + url.PathEscape(id)
}

// phone is the page of one phone: the summary, and all that can be done with it.
func (p *pages) phone(w http.ResponseWriter, r *http.Request) error { return p.showPhone(w, r, nil) }

func (p *pages) showPhone(w http.ResponseWriter, r *http.Request, wrong *problem) error {
	ctx, who, udid := r.Context(), whoFrom(r.Context()), r.PathValue("udid")
	ph, err := p.o.Service.Phone(ctx, who, udid)
	if err != nil {
		return fmt.Errorf("look at phone: %w", err)
	}
	jobs, err := p.o.Service.Jobs(ctx, who, udid, 0, 5)
	if err != nil {
		return fmt.Errorf("look at jobs of phone: %w", err)
	}
	versions, err := p.o.Service.Versions(ctx, who, udid)
	if err != nil {
		return fmt.Errorf("look at versions of phone: %w", err)
	}
	var people []Account
	if who.Admin {
		if people, err = p.o.Auth.Accounts(ctx); err != nil {
			return fmt.Errorf("look at accounts: %w", err)
		}
	}
	return p.render(w, r, "phone", view{Title: ph.Name, Here: "/", Problem: wrong, Busy: ph.Job != nil, P: struct {
		service.Phone
		Crumbs        []crumb
		Jobs          []service.Job
		Newest        []service.Version
		People        []Account
		Admin, Others bool
	}{ph, []crumb{{"/", "Phones"}}, jobs, versions[:min(4, len(versions))], people, who.Admin, !ph.Mine && ph.Owner != 0}})
}

// start starts a job and leads to where it can be watched.
func (p *pages) start(w http.ResponseWriter, r *http.Request, f func(udid string) (int64, error)) error {
	id, err := f(r.PathValue("udid"))
	if err != nil {
		return again(err, func(e *problem) error { return p.showPhone(w, r, e) })
	}
	return seeOther(w, r, fmt.Sprintf("/activity/%d", id))
}

func (p *pages) startBackup(w http.ResponseWriter, r *http.Request) error {
	return p.start(w, r, func(udid string) (int64, error) {
		return p.o.Service.BackUp(r.Context(), whoFrom(r.Context()), udid, r.PostFormValue("full") != "")
	})
}

func (p *pages) startMedia(w http.ResponseWriter, r *http.Request) error {
	return p.start(w, r, func(udid string) (int64, error) {
		return p.o.Service.CopyMedia(r.Context(), whoFrom(r.Context()), udid)
	})
}

func (p *pages) startPair(w http.ResponseWriter, r *http.Request) error {
	return p.start(w, r, func(udid string) (int64, error) { return p.o.Service.Pair(r.Context(), whoFrom(r.Context()), udid) })
}

func (p *pages) startCheck(w http.ResponseWriter, r *http.Request) error {
	return p.start(w, r, func(udid string) (int64, error) {
		return p.o.Service.Check(r.Context(), whoFrom(r.Context()), udid)
	})
}

// startRehearsal rehearses the version in the form, or the newest.
func (p *pages) startRehearsal(w http.ResponseWriter, r *http.Request) error {
	return p.start(w, r, func(udid string) (int64, error) {
		return p.o.Service.Rehearse(r.Context(), whoFrom(r.Context()), udid, r.PostFormValue("version"))
	})
}
