package server

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/service"
)

// place is a kind of place for copies, and what its form asks for.
type place struct {
	Kind, Icon, Name, About string
	Label, Example, Help    string
	Keys                    []credential
}

// credential is something that a place wants to know who comes.
type credential struct {
	Field, Label, Help string
	Secret, Optional   bool
}

var s3Keys = []credential{
	{Field: "AWS_ACCESS_KEY_ID", Label: "Access key"},
	{Field: "AWS_SECRET_ACCESS_KEY", Label: "Secret key", Secret: true},
	{Field: "AWS_DEFAULT_REGION", Label: "Region", Help: "Only where the store asks for one.", Optional: true},
}

var places = []place{
	{"disk", "disk", "A hard disk", "Plugged in all the time, or now and then: copies start by themselves as soon as it is there.", "Folder on the disk", "/media/blue/keepsake", "It is found again wherever the disk is mounted, by what is on it.", nil},
	{"key", "key", "A USB key", "For the drawer, or for a friend’s house. It has to hold as much as the backups take.", "Folder on the key", "/media/key/keepsake", "It is found again wherever the key is mounted, by what is on it.", nil},
	{"s3", "cloud", "S3 storage", "A bucket at a provider, or on a machine of your own. What goes there is encrypted before it leaves.", "Address of the bucket", "s3:https://s3.example.com/bucket/keepsake", "Make the bucket first. Keys that may not delete protect against whoever breaks in here.", s3Keys},
	{"keepsake", "server", "Another Keepsake", "A second computer with Keepsake or a rest-server, best in another house.", "Address of the other one", "rest:https://garage.example:8421/home/", "Start “keepsake serve-rest” there; it prints this address.", []credential{{Field: "RESTIC_REST_USERNAME", Label: "User", Optional: true}, {Field: "RESTIC_REST_PASSWORD", Label: "Password of that user", Secret: true, Optional: true}}},
	{"sftp", "server", "A server by SSH", "Any computer that this one can reach by ssh without being asked for a password.", "Address of the folder", "sftp:me@server.example:/srv/keepsake", "The user that runs Keepsake needs a key for it.", nil},
}

// targets shows the places for copies and how they are.
func (p *pages) targets(w http.ResponseWriter, r *http.Request) error {
	return p.showTargets(w, r, nil)
}

func (p *pages) showTargets(w http.ResponseWriter, r *http.Request, wrong *problem) error {
	o, err := p.adminOverview(r)
	if err != nil {
		return err
	}
	type row struct {
		service.Target
		Job *service.Job
	}
	var rows []row
	for _, t := range o.Targets {
		rows = append(rows, row{Target: t})
		for _, j := range o.Running {
			if j.Kind == service.CopyJob && j.Target == t.Name {
				rows[len(rows)-1].Job = &j
			}
		}
	}
	return p.render(w, r, "targets", view{Title: "Copies", Here: "/targets", Width: "middle", Problem: wrong, Busy: len(o.Running) > 0, P: struct {
		service.Overview
		Rows []row
	}{o, rows}})
}

// adminOverview is the overview for the pages that only admins have.
func (p *pages) adminOverview(r *http.Request) (service.Overview, error) {
	who := whoFrom(r.Context())
	if !who.Admin {
		return service.Overview{}, service.ErrForbidden
	}
	o, err := p.o.Service.Overview(r.Context(), who)
	if err != nil {
		return o, fmt.Errorf("look at everything: %w", err)
	}
	return o, nil
}

// askTarget asks for a new place: its kind first, then what that kind needs.
func (p *pages) askTarget(w http.ResponseWriter, r *http.Request) error { return p.showAsk(w, r, nil) }

func (p *pages) showAsk(w http.ResponseWriter, r *http.Request, wrong *problem) error {
	if !whoFrom(r.Context()).Admin {
		return service.ErrForbidden
	}
	kind := r.FormValue("kind")
	i := slices.IndexFunc(places, func(k place) bool { return k.Kind == kind })
	d := struct {
		Crumbs             []crumb
		Places             []place
		Chosen             *place
		Name, Where, Fresh string
	}{Crumbs: []crumb{{"/targets", "Copies"}}, Places: places, Name: r.PostFormValue("name"), Where: r.PostFormValue("location"), Fresh: suggestion()}
	if i >= 0 {
		d.Chosen = &places[i]
		d.Crumbs = append(d.Crumbs, crumb{"/targets/add", "Add a place"})
	}
	return p.render(w, r, "target", view{Title: "Add a place", Here: "/targets", Width: "narrow", Problem: wrong, P: d})
}

func (p *pages) addTarget(w http.ResponseWriter, r *http.Request) error {
	id, err := p.takeTarget(r)
	if err != nil {
		return again(err, func(e *problem) error { return p.showAsk(w, r, e) })
	}
	return seeOther(w, r, fmt.Sprintf("/activity/%d", id))
}

func (p *pages) takeTarget(r *http.Request) (int64, error) {
	name, where := strings.Join(strings.Fields(r.PostFormValue("name")), "-"), strings.TrimSpace(r.PostFormValue("location"))
	switch {
	case name == "":
		return 0, &inputError{"the place has no name yet", "Type one that you will recognise, such as blue-disk."}
	case where == "":
		return 0, &inputError{"it is not said where the place is", "The example below the field shows what it looks like."}
	case r.PostFormValue("password") == "":
		return 0, &inputError{"the copies need a password", "Take the one that is suggested, or type your own."}
	}
	keys := map[string]string{}
	for _, k := range places {
		for _, c := range k.Keys {
			if v := strings.TrimSpace(r.PostFormValue(c.Field)); v != "" && k.Kind == r.PostFormValue("kind") {
				keys[c.Field] = v
			}
		}
	}
	return p.o.Service.AddTarget(r.Context(), whoFrom(r.Context()), name, where, keys, secret.NewRepositoryPassword(r.PostFormValue("password")))
}

func (p *pages) copyTarget(w http.ResponseWriter, r *http.Request) error {
	id, err := p.o.Service.Copy(r.Context(), whoFrom(r.Context()), r.PathValue("name"))
	if err != nil {
		return again(err, func(e *problem) error { return p.showTargets(w, r, e) })
	}
	return seeOther(w, r, fmt.Sprintf("/activity/%d", id))
}

// askRemoveTarget asks whether a place is really to be forgotten.
func (p *pages) askRemoveTarget(w http.ResponseWriter, r *http.Request) error {
	o, err := p.adminOverview(r)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(o.Targets, func(t service.Target) bool { return t.Name == r.PathValue("name") })
	if i < 0 {
		return errAbsent
	}
	return p.render(w, r, "untarget", view{Title: "Forget a place", Here: "/targets", Width: "narrow", P: o.Targets[i]})
}

func (p *pages) removeTarget(w http.ResponseWriter, r *http.Request) error {
	if err := p.o.Service.RemoveTarget(r.Context(), whoFrom(r.Context()), r.PathValue("name")); err != nil {
		return again(err, func(e *problem) error { return p.showTargets(w, r, e) })
	}
	return seeOther(w, r, "/targets?said=removed")
}
