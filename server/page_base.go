package server

import "net/http"

// page is a handler whose error becomes an error page, see respondError.
type page func(http.ResponseWriter, *http.Request) error

// pages are the pages of the web site.
type pages struct{ o Options }

func newPages(o Options) *pages { return &pages{o} }

// routes are the pages by pattern of http.ServeMux. All want a session but those
// listed in openPages; fresh(page) is for those that want a fresh one.
func (p *pages) routes() map[string]page { return map[string]page{} }

// assets are files that anyone may have: style, script, icons, manifest.
func (p *pages) assets() map[string]http.Handler { return map[string]http.Handler{} }

// problem is what an error page says.
type problem struct {
	Status int
	Title  string // "There is no such page"
	Text   string // what happened
	Hint   string // what to do, "" nothing known
	ID     string // of the log entry, of faults of ours only
	Back   string // path to go back to
}

// problem shows an error page. Nobody may be signed in.
func (p *pages) problem(w http.ResponseWriter, r *http.Request, e problem) {
	http.Error(w, e.Title+"\n\n"+e.Text+"\n"+e.Hint, e.Status)
}
