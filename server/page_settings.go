package server

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"github.com/keepsake-backup/keepsake/service"
)

// settings are those of the whole service.
func (p *pages) settings(w http.ResponseWriter, r *http.Request) error {
	return p.showSettings(w, r, nil)
}

func (p *pages) showSettings(w http.ResponseWriter, r *http.Request, wrong *problem) error {
	o, err := p.adminOverview(r)
	if err != nil {
		return err
	}
	s, err := p.o.Service.Settings(r.Context(), whoFrom(r.Context()))
	if err != nil {
		return fmt.Errorf("read settings: %w", err)
	}
	return p.render(w, r, "settings", view{Title: "Settings", Here: "/settings", Width: "middle", Problem: wrong, P: struct {
		service.Settings
		Place, PlaceErr string
		Free            int64
	}{s, o.Place, o.PlaceErr, o.Free}})
}

// setSettings changes the part of the settings whose form was sent; the rest
// stays. Addresses that are not shown again stay unless they are ticked away.
func (p *pages) setSettings(w http.ResponseWriter, r *http.Request) error {
	who := whoFrom(r.Context())
	s, err := p.o.Service.Settings(r.Context(), who)
	if err != nil {
		return fmt.Errorf("read settings: %w", err)
	}
	if err := settingsForm(r, &s); err == nil {
		err = p.o.Service.SetSettings(r.Context(), who, s)
		if err == nil {
			return seeOther(w, r, "/settings?said=saved")
		}
		return again(err, func(e *problem) error { return p.showSettings(w, r, e) })
	} else {
		return again(err, func(e *problem) error { return p.showSettings(w, r, e) })
	}
}

func settingsForm(r *http.Request, s *service.Settings) (err error) {
	switch r.PostFormValue("part") {
	case "messages":
		if u := strings.TrimSpace(r.PostFormValue("add")); u != "" {
			s.Notify = append(s.Notify, u)
		}
	case "quiet":
		s.Notify = nil
	case "ping":
		s.Ping = strings.TrimSpace(r.PostFormValue("ping"))
	case "work":
		s.RehearseMonthly = r.PostFormValue("rehearse") != ""
		if s.Parallel, err = number(r, "parallel", "the number of phones at once", 1, 16); err != nil {
			return err
		}
		s.CheckWeekly, err = number(r, "check", "the part to check", 0, 100)
	case "handover":
		s.HandOver = strings.TrimSpace(r.PostFormValue("handover"))
	case "name":
		s.Name = strings.TrimSpace(r.PostFormValue("name"))
	default:
		return &inputError{"this form is not known", "Load the page again."}
	}
	return err
}

func (p *pages) testNotification(w http.ResponseWriter, r *http.Request) error {
	if err := p.o.Service.TestNotification(r.Context(), whoFrom(r.Context())); err != nil {
		return again(err, func(e *problem) error { return p.showSettings(w, r, e) })
	}
	return seeOther(w, r, "/settings?said=tested")
}

var styleBlock = regexp.MustCompile(`(?s)<style[^>]*>(.*?)</style>`)

// sheet is the recovery sheet, to print. It is a page of its own that brings its
// own style, which it may have by its hash and no other; scripts it may not.
func (p *pages) sheet(w http.ResponseWriter, r *http.Request) error {
	b, err := p.o.Service.RecoverySheet(r.Context(), whoFrom(r.Context()), r.URL.Query().Get("password") != "")
	if err != nil {
		return fmt.Errorf("write recovery sheet: %w", err)
	}
	policy := "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; style-src"
	found := false
	for _, m := range styleBlock.FindAllSubmatch(b, 8) {
		sum := sha256.Sum256(m[1])
		policy += " 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
		found = true
	}
	if !found {
		policy += " 'none'"
	}
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	_, err = w.Write(b)
	return err
}
