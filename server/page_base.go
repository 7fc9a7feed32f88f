package server

import (
	"bytes"
	"net/http"
	"strings"

	"github.com/keepsake-backup/keepsake/server/ui"
)

// page is a handler whose error becomes an error page, see respondError.
type page func(http.ResponseWriter, *http.Request) error

// pages are the pages of the web site.
type pages struct {
	o     Options
	ui    *ui.UI
	uiErr error // why there is no ui: our bug, told with every page
}

func newPages(o Options) *pages {
	u, err := ui.New(o.Now)
	return &pages{o: o, ui: u, uiErr: err}
}

// routes are the pages by pattern of http.ServeMux. All want a session but those
// listed in openPages; fresh(page) is for those that want a fresh one.
func (p *pages) routes() map[string]page {
	const phone, version = " /phones/{udid}", " /phones/{udid}/versions/{id}"
	return map[string]page{
		"GET /{$}":     p.home,
		"GET /offline": p.offline,

		"GET" + phone:                 p.phone,
		"POST" + phone + "/backup":    p.startBackup,
		"POST" + phone + "/media":     p.startMedia,
		"POST" + phone + "/pair":      p.startPair,
		"POST" + phone + "/check":     p.startCheck,
		"POST" + phone + "/rehearse":  p.startRehearsal,
		"POST" + phone + "/policy":    p.setPolicy,
		"POST" + phone + "/retention": p.setRetention,
		"POST" + phone + "/wifi":      p.setWiFi,
		"POST" + phone + "/address":   p.setAddress,
		"POST" + phone + "/grant":     p.setGrant,
		"POST" + phone + "/owner":     p.setOwner,
		"GET" + phone + "/history":    p.history,
		"GET" + phone + "/search":     p.searchContent,
		"GET" + phone + "/changes":    p.changes,

		"GET" + version:             p.version,
		"GET" + version + "/search": p.search,

		"GET" + version + "/content/{kind}": p.content,

		"POST" + version + "/pin":    p.pin,
		"GET" + version + "/forget":  p.askForget,
		"POST" + version + "/forget": p.forget,

		"GET" + phone + "/encryption":  p.encryption,
		"POST" + phone + "/encryption": p.setEncryption,
		"GET" + phone + "/password":    p.password,
		"POST" + phone + "/password":   p.setPassword,

		"GET" + phone + "/restore":                     p.chooseRestore,
		"GET" + phone + "/restore/{source}/{version}":  p.preflight,
		"POST" + phone + "/restore/{source}/{version}": p.fresh(p.restore),

		"GET /targets":                p.targets,
		"GET /targets/add":            p.askTarget,
		"POST /targets/add":           p.addTarget,
		"POST /targets/{name}/copy":   p.copyTarget,
		"GET /targets/{name}/remove":  p.askRemoveTarget,
		"POST /targets/{name}/remove": p.removeTarget,

		"GET /settings":       p.settings,
		"POST /settings":      p.setSettings,
		"POST /settings/test": p.testNotification,
		"GET /settings/sheet": p.fresh(p.sheet),

		"GET /people":            p.people,
		"POST /people":           p.fresh(p.addPerson),
		"GET /people/log":        p.audit,
		"GET /people/{account}":  p.person,
		"POST /people/{account}": p.fresh(p.changePerson),

		"GET /account":                p.account,
		"POST /account/password":      p.fresh(p.changePassword),
		"POST /account/passkeys/drop": p.fresh(p.deletePasskey),
		"POST /account/sessions/end":  p.endSession,
		"POST /account/tokens":        p.fresh(p.makeToken),
		"POST /account/tokens/drop":   p.deleteToken,

		"GET /signin":                  p.signInPage,
		"GET /setup":                   p.setup,
		"POST /setup/place":            p.setPlace,
		"GET /setup/sheet":             p.setupSheet,
		"GET /setup/phone":             p.setupPhone,
		"POST /setup/phone/{udid}":     p.setupPair,
		"GET /setup/encryption/{udid}": p.setupEncryption,
		"GET /setup/schedule/{udid}":   p.setupSchedule,
		"GET /setup/done":              p.setupDone,

		"GET /activity":               p.activity,
		"GET /activity/{job}":         p.job,
		"POST /activity/{job}/cancel": p.cancel,
	}
}

// assets are files that anyone may have: style, script, icons, manifest.
func (p *pages) assets() map[string]http.Handler {
	all := map[string]http.Handler{}
	if p.uiErr == nil {
		for path, h := range p.ui.Files() {
			all["GET "+path] = h
		}
	}
	return all
}

// view is what every page is made of.
type view struct {
	Title string
	Width string // "narrow", "middle", "" wide
	Here  string // path of the menu's entry that the page belongs to
	// Problem is why what was asked for was not done; the page shows it at its top.
	Problem *problem
	// Busy makes browsers without the script ask again after some seconds.
	Busy bool
	Bare bool // no menu: nobody is signed in, or the set-up is going on
	P    any  // what the template's "main" shows

	// The rest is filled in by render.
	Me, Version, Said string
	Admin             bool
	Fresh             bool   // signed in not long ago
	Self              string // of the page, to come back to after signing in again
	Menu              []tab
}

// tab is an entry of the menu.
type tab struct {
	Path, Name, Icon string
	Here             bool
}

// crumb is one step of the way to a page.
type crumb struct{ Path, Name string }

// pager leads to what comes before and after a part of a list; "" is nothing.
type pager struct{ Prev, PrevName, Next, NextName string }

// said are sentences that tell what a form has done, by the word in ?said=. What
// stands in a URL is never shown itself.
var said = map[string]string{
	"saved":      "Saved.",
	"pinned":     "This version stays, whatever the rules say.",
	"unpinned":   "This version is treated as the rules say again.",
	"granted":    "Admins may look inside this phone’s backups and restore them.",
	"ungranted":  "Admins may not look inside this phone’s backups any more.",
	"removed":    "Removed.",
	"signedout":  "Signed out there.",
	"elsewhere":  "Signed out everywhere else.",
	"allnew":     "Your password is changed. All else that let somebody in as you is gone: browsers, passkeys, tokens and Shortcuts.",
	"remembered": "The password is right, and remembered.",
	"tested":     "A message is on its way. Look whether it arrives.",
	"passkey":    "Your passkey is ready: sign in with it the next time.",
	"password":   "Your password is changed, and you are signed out everywhere else.",
	"found":      "There are backups there already. They are used, and nothing of them was changed.",
}

// render shows the page called name.
func (p *pages) render(w http.ResponseWriter, r *http.Request, name string, v view) error {
	if p.uiErr != nil {
		return p.uiErr
	}
	me := visitorFrom(r.Context())
	v.Me, v.Version, v.Admin, v.Fresh, v.Self = me.Name, p.o.Version, me.Admin, me.fresh(p.o.Now()), selfOf(r)
	v.Said = said[r.URL.Query().Get("said")]
	if me.signedIn() && !v.Bare {
		v.Menu = menu(me, v.Here)
	}
	var b bytes.Buffer
	if err := p.ui.Render(&b, name, v); err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	if h.Get("Cache-Control") == "" {
		h.Set("Cache-Control", "no-store")
	}
	if v.Problem != nil && v.Problem.Status >= 400 {
		w.WriteHeader(v.Problem.Status)
	}
	_, err := w.Write(b.Bytes())
	return err
}

func menu(me visitor, here string) []tab {
	all := []tab{{"/", "Phones", "home", false}}
	if me.Admin {
		all = append(all, tab{"/targets", "Copies", "copies", false})
	}
	all = append(all, tab{"/activity", "Activity", "activity", false})
	if me.Admin {
		all = append(all, tab{"/people", "People", "people", false}, tab{"/settings", "Settings", "settings", false})
	}
	for i := range all {
		all[i].Here = all[i].Path == here
	}
	return all
}

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
	if e.Back == "" {
		e.Back = backFrom(r)
	}
	var b bytes.Buffer
	me := visitorFrom(r.Context())
	v := view{Title: e.Title, Width: "middle", P: e, Me: me.Name, Version: p.o.Version}
	if me.signedIn() {
		v.Menu = menu(me, "")
	}
	if p.uiErr != nil || p.ui.Render(&b, "problem", v) != nil {
		http.Error(w, e.Title+"\n\n"+e.Text+"\n"+e.Hint, e.Status)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(e.Status)
	_, _ = w.Write(b.Bytes()) // nobody is left to tell
}

// backFrom is the page that the form was on whose POST failed.
func backFrom(r *http.Request) string {
	switch udid := r.PathValue("udid"); {
	case r.Method != http.MethodPost:
		return ""
	case udid != "":
		return phonePath(udid)
	}
	first, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	return "/" + first
}

// again shows the page of a form once more, with what was wrong about it at its
// top, if err is something that whoever filled it in can change. Other errors it
// returns.
func again(err error, show func(*problem) error) error {
	if e := problemOf(err); e.Status == http.StatusBadRequest || e.Status == http.StatusConflict {
		return show(&e)
	}
	return err
}

// seeOther answers a form: the page to look at now.
func seeOther(w http.ResponseWriter, r *http.Request, to string) error {
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}

// offline is what the service worker keeps and shows when we cannot be reached.
func (p *pages) offline(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Cache-Control", "no-cache")
	return p.render(w, r.WithContext(withVisitor(r.Context(), visitor{})), "offline", view{Title: "Not connected", Width: "middle", Bare: true})
}

// selfOf is where to come back to: the page itself, or the one a form was on.
func selfOf(r *http.Request) string {
	if r.Method == http.MethodPost {
		return backFrom(r)
	}
	return r.URL.RequestURI()
}
