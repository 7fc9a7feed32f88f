package server

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"github.com/keepsake-backup/keepsake/service"
)

// historyPage is how many versions one page of the timeline shows.
const historyPage = 60

// month is the part of the timeline that lies in one month.
type month struct {
	Name     string
	Versions []moment
}

// moment is a version on the timeline; Most is what the largest one added.
type moment struct {
	service.Version
	Path string
	Most int64
}

// history is the timeline of a phone. ?before is the ID of the version that the
// page before ended with.
func (p *pages) history(w http.ResponseWriter, r *http.Request) error {
	ctx, who, udid := r.Context(), whoFrom(r.Context()), r.PathValue("udid")
	ph, err := p.o.Service.Phone(ctx, who, udid)
	if err != nil {
		return fmt.Errorf("look at phone: %w", err)
	}
	all, err := p.o.Service.Versions(ctx, who, udid)
	if err != nil {
		return fmt.Errorf("look at versions of phone: %w", err)
	}
	total := len(all)
	before := r.URL.Query().Get("before")
	if i := slices.IndexFunc(all, func(v service.Version) bool { return v.ID == before }); i >= 0 {
		all = all[i+1:]
	}
	pg := pager{NextName: "Earlier versions", PrevName: "The newest"}
	if len(all) < total {
		pg.Prev = phonePath(udid) + "/history"
	}
	if len(all) > historyPage {
		all = all[:historyPage]
		pg.Next = phonePath(udid) + "/history?" + url.Values{"before": {all[historyPage-1].ID}}.Encode()
	}
	return p.render(w, r, "history", view{Title: "History of " + ph.Name, Width: "middle", Here: "/", P: struct {
		service.Phone
		Crumbs []crumb
		Months []month
		Total  int
		Pager  pager
	}{ph, []crumb{{"/", "Phones"}, {phonePath(udid), ph.Name}}, p.months(all), total, pg}})
}

// months divides versions, newest first, by month on the wall's calendar.
func (p *pages) months(all []service.Version) []month {
	var most int64
	for _, v := range all {
		most = max(most, v.Added)
	}
	var ms []month
	for _, v := range all {
		name := v.Time.In(p.o.Now().Location()).Format("January 2006")
		if len(ms) == 0 || ms[len(ms)-1].Name != name {
			ms = append(ms, month{Name: name})
		}
		m := &ms[len(ms)-1]
		m.Versions = append(m.Versions, moment{v, versionPath(v.UDID, v.ID), most})
	}
	return ms
}
