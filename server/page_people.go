package server

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/service"
)

// suggestion is a password that nobody guesses (100 bits) and that can be copied
// by hand: five groups of four letters and digits without any that look alike.
func suggestion() string {
	s := strings.ToLower(rand.Text())
	return strings.Join([]string{s[:4], s[4:8], s[8:12], s[12:16], s[16:20]}, "-")
}

// member is an account and what is to be said of it once.
type member struct {
	Account
	Phones []string
}

// people lists the accounts.
func (p *pages) people(w http.ResponseWriter, r *http.Request) error {
	return p.showPeople(w, r, nil, "", "")
}

// showPeople shows the accounts; name and password are of one that was just made
// or got a new password, which is shown this once.
func (p *pages) showPeople(w http.ResponseWriter, r *http.Request, wrong *problem, login, password string) error {
	o, err := p.adminOverview(r)
	if err != nil {
		return err
	}
	all, err := p.o.Auth.Accounts(r.Context())
	if err != nil {
		return fmt.Errorf("read accounts: %w", err)
	}
	var members []member
	for _, a := range all {
		m := member{Account: a}
		for _, ph := range o.Phones {
			if ph.Owner == a.ID && len(m.Phones) < 6 {
				m.Phones = append(m.Phones, ph.Name)
			}
		}
		members = append(members, m)
	}
	return p.render(w, r, "people", view{Title: "People", Here: "/people", Width: "middle", Problem: wrong, P: struct {
		Members         []member
		Me              int64
		Login, Password string
		Address         string
	}{members, whoFrom(r.Context()).Account, login, password, r.Host}})
}

// addPerson makes an account with a password to be changed at the first sign-in,
// and shows it once.
func (p *pages) addPerson(w http.ResponseWriter, r *http.Request) error {
	who := whoFrom(r.Context())
	if !who.Admin {
		return service.ErrForbidden
	}
	a := Account{Login: strings.TrimSpace(r.PostFormValue("login")), Name: strings.TrimSpace(r.PostFormValue("name")), Admin: r.PostFormValue("admin") != ""}
	var err error
	if a.Login == "" || a.Name == "" {
		err = &inputError{"a name is missing", "Type the person’s name, and the short name to sign in with."}
	}
	password := suggestion()
	if err == nil {
		_, err = p.o.Auth.CreateAccount(r.Context(), who.Account, a, secret.NewText(password))
	}
	if err != nil {
		return again(err, func(e *problem) error { return p.showPeople(w, r, e, "", "") })
	}
	return p.showPeople(w, r, nil, a.Login, password)
}

// person finds the account that the URL names, for admins.
func (p *pages) findPerson(r *http.Request) (Account, error) {
	if !whoFrom(r.Context()).Admin {
		return Account{}, service.ErrForbidden
	}
	id, err := strconv.ParseInt(r.PathValue("account"), 10, 64)
	if err != nil {
		return Account{}, errAbsent
	}
	return findAccount(r.Context(), p.o.Auth, id)
}

func (p *pages) person(w http.ResponseWriter, r *http.Request) error { return p.showPerson(w, r, nil) }

func (p *pages) showPerson(w http.ResponseWriter, r *http.Request, wrong *problem) error {
	a, err := p.findPerson(r)
	if err != nil {
		return err
	}
	return p.render(w, r, "person", view{Title: a.Name, Here: "/people", Width: "narrow", Problem: wrong, P: struct {
		Account
		Crumbs []crumb
		Self   bool
	}{a, []crumb{{"/people", "People"}}, a.ID == whoFrom(r.Context()).Account}})
}

// changePerson changes what the form says: the account, or a new password, or it
// removes the account.
func (p *pages) changePerson(w http.ResponseWriter, r *http.Request) error {
	a, err := p.findPerson(r)
	if err != nil {
		return err
	}
	ctx, by := r.Context(), whoFrom(r.Context()).Account
	switch r.PostFormValue("do") {
	case "password":
		password := suggestion()
		if err = p.o.Auth.SetPassword(ctx, by, a.ID, secret.Text{}, secret.NewText(password)); err == nil {
			return p.showPeople(w, r, nil, a.Login, password)
		}
	case "delete":
		if err = p.o.Auth.DeleteAccount(ctx, by, a.ID); err == nil {
			return seeOther(w, r, "/people?said=removed")
		}
	default:
		a.Name = strings.TrimSpace(r.PostFormValue("name"))
		if a.ID != by { // nobody locks himself out by a slip
			a.Admin, a.Disabled = r.PostFormValue("admin") != "", r.PostFormValue("disabled") != ""
		}
		if err = p.o.Auth.UpdateAccount(ctx, by, a); err == nil {
			return seeOther(w, r, "/people?said=saved")
		}
	}
	return again(err, func(e *problem) error { return p.showPerson(w, r, e) })
}

// auditPage is how many entries one page of the audit log shows.
const auditPage = 100

// deed is an entry of the audit log with the names of who and what.
type deed struct {
	AuditEntry
	Name, Phone string
}

// audit lists what mattered: sign-ins, restores, downloads, changes.
func (p *pages) audit(w http.ResponseWriter, r *http.Request) error {
	o, err := p.adminOverview(r)
	if err != nil {
		return err
	}
	before, _ := strconv.ParseInt(r.URL.Query().Get("before"), 10, 64) // anything else is the newest
	es, err := p.o.Auth.Audit(r.Context(), before, auditPage)
	if err != nil {
		return fmt.Errorf("read audit log: %w", err)
	}
	all, err := p.o.Auth.Accounts(r.Context())
	if err != nil {
		return fmt.Errorf("read accounts: %w", err)
	}
	var deeds []deed
	for _, e := range es {
		d := deed{AuditEntry: e, Name: "somebody not signed in"}
		if i := slices.IndexFunc(all, func(a Account) bool { return a.ID == e.Account }); i >= 0 {
			d.Name = all[i].Name
		}
		if i := slices.IndexFunc(o.Phones, func(ph service.Phone) bool { return ph.UDID == e.UDID }); i >= 0 && e.UDID != "" {
			d.Phone = o.Phones[i].Name
		}
		deeds = append(deeds, d)
	}
	pg := pager{NextName: "Earlier"}
	if len(es) == auditPage {
		pg.Next = "/people/log?" + url.Values{"before": {strconv.FormatInt(es[auditPage-1].ID, 10)}}.Encode()
	}
	return p.render(w, r, "audit", view{Title: "Who did what", Here: "/people", Width: "middle", P: struct {
		Crumbs []crumb
		Deeds  []deed
		Pager  pager
	}{[]crumb{{"/people", "People"}}, deeds, pg}})
}
