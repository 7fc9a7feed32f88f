package server

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/service"
)

// restorePage is how many versions one page of the choice shows.
const restorePage = 25

// chooseRestore is the first step of a restore: whose backup, and which version.
// It asks as the set-up of a phone does: the phones first, then the dates.
func (p *pages) chooseRestore(w http.ResponseWriter, r *http.Request) error {
	ctx, who, udid := r.Context(), whoFrom(r.Context()), r.PathValue("udid")
	ph, err := p.o.Service.Phone(ctx, who, udid)
	if err != nil {
		return fmt.Errorf("look at phone: %w", err)
	}
	o, err := p.o.Service.Overview(ctx, who)
	if err != nil {
		return fmt.Errorf("look at everything: %w", err)
	}
	sources := slices.DeleteFunc(o.Phones, func(s service.Phone) bool { return !s.MayOpen || s.Versions == 0 })
	q := r.URL.Query()
	from := q.Get("from")
	if from == "" && slices.ContainsFunc(sources, func(s service.Phone) bool { return s.UDID == udid }) {
		from = udid
	}
	var versions []service.Version
	if from != "" {
		if versions, err = p.o.Service.Versions(ctx, who, from); err != nil {
			return fmt.Errorf("look at versions of phone: %w", err)
		}
		versions = slices.DeleteFunc(versions, func(v service.Version) bool { return v.Media })
	}
	n, _ := strconv.Atoi(q.Get("page")) // anything else is the first page
	n = min(max(n, 0), len(versions)/restorePage)
	at := func(n int) string {
		return phonePath(udid) + "/restore?" + url.Values{"from": {from}, "page": {strconv.Itoa(n)}}.Encode()
	}
	pg := pager{PrevName: "Newer", NextName: "Earlier"}
	if n > 0 {
		pg.Prev = at(n - 1)
	}
	if (n+1)*restorePage < len(versions) {
		pg.Next = at(n + 1)
	}
	versions = versions[min(n*restorePage, len(versions)):min((n+1)*restorePage, len(versions))]
	return p.render(w, r, "restore", view{Title: "Restore " + ph.Name, Width: "middle", Here: "/", P: struct {
		service.Phone
		Crumbs  []crumb
		Sources []service.Phone
		From    string
		Found   []service.Version
		Newest  bool
		Pager   pager
	}{ph, []crumb{{"/", "Phones"}, {phonePath(udid), ph.Name}}, sources, from, versions, n == 0, pg}})
}

// restoreRequest is what the URL and the form ask for. As defaults a phone in its
// set-up gets everything, one in use keeps what the backup does not hold.
func restoreRequest(r *http.Request, ph service.Phone) service.RestoreRequest {
	q := service.RestoreRequest{UDID: r.PathValue("udid"), Source: r.PathValue("source"), Version: r.PathValue("version")}
	q.Settings, q.System = ph.InSetup, true
	f := r.URL.Query()
	if r.Method == http.MethodPost {
		f = r.PostForm
	}
	if f.Get("chosen") != "" {
		q.Settings, q.System, q.RemoveOthers = f.Get("settings") != "", f.Get("system") != "", f.Get("remove") != ""
	}
	return q
}

// preflight is the second step: what would happen, and the question.
func (p *pages) preflight(w http.ResponseWriter, r *http.Request) error {
	return p.showPreflight(w, r, nil)
}

func (p *pages) showPreflight(w http.ResponseWriter, r *http.Request, wrong *problem) error {
	ctx, who, udid := r.Context(), whoFrom(r.Context()), r.PathValue("udid")
	ph, err := p.o.Service.Phone(ctx, who, udid)
	if err != nil {
		return fmt.Errorf("look at phone: %w", err)
	}
	req := restoreRequest(r, ph)
	versions, err := p.o.Service.Versions(ctx, who, req.Source)
	if err != nil {
		return fmt.Errorf("look at versions of phone: %w", err)
	}
	i := slices.IndexFunc(versions, func(v service.Version) bool { return v.ID == req.Version })
	if i < 0 {
		return errAbsent
	}
	flight, err := p.o.Service.Preflight(ctx, who, req)
	if e := problemOf(errOr(err)); err != nil && e.Status == http.StatusConflict {
		flight.Findings = []service.Finding{{Blocks: true, Text: e.Text, Do: e.Hint}}
	} else if err != nil {
		return fmt.Errorf("look ahead at restore: %w", err)
	}
	return p.render(w, r, "preflight", view{Title: "Restore " + ph.Name, Width: "middle", Here: "/", Problem: wrong, P: struct {
		service.Phone
		Crumbs  []crumb
		Version service.Version
		Req     service.RestoreRequest
		Flight  service.Preflight
		Self    string
	}{ph, []crumb{{"/", "Phones"}, {phonePath(udid), ph.Name}, {phonePath(udid) + "/restore?" + url.Values{"from": {req.Source}}.Encode(), "Restore"}}, versions[i], req, flight, restorePath(req)}})
}

func restorePath(q service.RestoreRequest) string {
	return phonePath(q.UDID) + "/restore/" + seg(q.Source) + "/" + seg(q.Version)
}

// restore starts it. The box has to be ticked: it is the one thing here that
// overwrites what is on a phone.
func (p *pages) restore(w http.ResponseWriter, r *http.Request) error {
	ph, err := p.o.Service.Phone(r.Context(), whoFrom(r.Context()), r.PathValue("udid"))
	if err != nil {
		return fmt.Errorf("look at phone: %w", err)
	}
	password := secret.NewBackupPassword(r.PostFormValue("password")) // parses the form, which restoreRequest reads
	q := restoreRequest(r, ph)
	if r.PostFormValue("sure") == "" {
		err = &inputError{"the box was not ticked", "Tick that what is on the phone may be overwritten, if that is so."}
	}
	var id int64
	if err == nil {
		id, err = p.o.Service.Restore(r.Context(), whoFrom(r.Context()), q, password)
	}
	if err != nil {
		return again(err, func(e *problem) error { return p.showPreflight(w, r, e) })
	}
	return seeOther(w, r, fmt.Sprintf("/activity/%d", id))
}
