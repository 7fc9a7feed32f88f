package server

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"github.com/keepsake-backup/keepsake/service"
)

// homePage is how many phones the first page shows at once, which keeps it small.
const homePage = 12

// home is the first page: every phone and how it is.
func (p *pages) home(w http.ResponseWriter, r *http.Request) error {
	who := whoFrom(r.Context())
	o, err := p.o.Service.Overview(r.Context(), who)
	if err != nil {
		return fmt.Errorf("look at everything: %w", err)
	}
	if !o.Ready && who.Admin {
		return seeOther(w, r, "/setup")
	}
	n, _ := strconv.Atoi(r.URL.Query().Get("page")) // anything else is the first page
	n = min(max(n, 0), len(o.Phones)/homePage)
	headline := headlineOf(o, p)
	// Those that somebody has to do something about stand first.
	slices.SortStableFunc(o.Phones, func(a, b service.Phone) int { return cmp.Compare(rank(a), rank(b)) })
	all := o.Phones
	from := min(n*homePage, len(all))
	o.Phones = all[from:min(from+homePage, len(all))]
	pg := pager{PrevName: "The phones before", NextName: "More phones"}
	if n > 0 {
		pg.Prev = fmt.Sprintf("/?page=%d", n-1)
	}
	if from+homePage < len(all) {
		pg.Next = fmt.Sprintf("/?page=%d", n+1)
	}
	return p.render(w, r, "home", view{Title: "Phones", Here: "/", Busy: len(o.Running) > 0, P: struct {
		service.Overview
		Headline          string
		Pager             pager
		ShowTargets, Only bool
	}{o, headline, pg, who.Admin, !who.Admin}})
}

// rank orders phones by how much they want somebody.
func rank(p service.Phone) int {
	switch p.State.Mood {
	case service.Late, service.Failed:
		return 0
	case service.Asking:
		return 1
	case service.Working:
		return 2
	}
	return 3
}

// headlineOf is the state of the household in one sentence.
func headlineOf(o service.Overview, _ *pages) string {
	count := map[service.Mood]int{}
	for _, p := range o.Phones {
		count[p.State.Mood]++
	}
	wants := count[service.Late] + count[service.Failed] + count[service.Asking]
	switch {
	case o.PlaceErr != "":
		return "The backups cannot be reached."
	case len(o.Phones) == 0:
		return "Let’s back up the first phone."
	case wants == 1:
		return "One phone needs somebody."
	case wants > 1:
		return fmt.Sprintf("%s phones need somebody.", numeral(wants))
	case count[service.Working] > 0:
		return "A backup is running."
	case len(o.Phones) == 1:
		return "Your phone is backed up."
	}
	return "Every phone is backed up."
}

func numeral(n int) string {
	words := []string{"No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten"}
	if n < len(words) {
		return words[n]
	}
	return strconv.Itoa(n)
}
