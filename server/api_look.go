package server

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"runtime"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/keepsake-backup/keepsake/server/api"
	"github.com/keepsake-backup/keepsake/service"
)

// What many operations take; huma reads it by the tags, and embedded structs only
// if their names are exported.
type (
	none struct{}
	// PhonePath names a phone.
	PhonePath struct {
		UDID string `path:"udid" maxLength:"64"`
	}
	// VersionPath names a version of it.
	VersionPath struct {
		PhonePath
		ID string `path:"id" maxLength:"64" doc:"Of the version"`
	}
	// AccountPath names an account, or a token of one.
	AccountPath struct {
		ID int64 `path:"id"`
	}
	// PageQuery asks for a page of a long list.
	PageQuery struct {
		After string `query:"after" maxLength:"4096" doc:"The next of the page before"`
		Limit int    `query:"limit" minimum:"1" maximum:"1000" default:"200"`
	}
	jobIn struct {
		ID int64 `path:"id"`
	}
)

// body is an answer with T in it.
type body[T any] struct{ Body T }

func bodyOf[T any](v T) *body[T] { return &body[T]{v} }

func (a *apiRoutes) lookOperations() {
	svc := a.rt.o.Service
	handle(a, operation{method: "GET", path: "/version", id: "version", summary: "What runs", tag: "service", scope: scopeRead},
		func(context.Context, service.Who, *none) (*body[api.Build], error) {
			return bodyOf(a.rt.build()), nil
		})
	handle(a, operation{method: "GET", path: "/overview", id: "overview", summary: "How everything is", tag: "service", scope: scopeRead, covers: "Overview"},
		func(ctx context.Context, who service.Who, _ *none) (*body[api.Overview], error) {
			o, err := svc.Overview(ctx, who)
			return bodyOf(wireOverview(o)), err
		})
	handle(a, operation{method: "GET", path: "/phones/{udid}", id: "phone", summary: "All that is known of a phone", tag: "phones", scope: scopeRead, covers: "Phone"},
		func(ctx context.Context, who service.Who, in *PhonePath) (*body[api.Phone], error) {
			p, err := svc.Phone(ctx, who, in.UDID)
			return bodyOf(wirePhone(p)), err
		})
	handle(a, operation{method: "GET", path: "/phones/{udid}/versions", id: "versions", summary: "Its versions, the newest first", tag: "versions", scope: scopeRead, covers: "Versions"},
		func(ctx context.Context, who service.Who, in *PhonePath) (*body[api.Versions], error) {
			v, err := svc.Versions(ctx, who, in.UDID)
			return bodyOf(api.Versions{Versions: each(v, wireVersion)}), err
		})
	a.jobOperations()
	handle(a, operation{method: "GET", path: "/events", id: "events", summary: "What changes, as server-sent events (text/event-stream)", tag: "service", scope: scopeRead, covers: "Watch"},
		func(ctx context.Context, who service.Who, in *struct {
			Last string `header:"Last-Event-ID" maxLength:"100"`
		}) (*huma.StreamResponse, error) {
			return a.raw(a.rt.events), nil
		})
}

func (a *apiRoutes) jobOperations() {
	svc := a.rt.o.Service
	handle(a, operation{method: "GET", path: "/jobs", id: "jobs", summary: "Jobs, the newest first", tag: "jobs", scope: scopeRead, covers: "Jobs"},
		func(ctx context.Context, who service.Who, in *struct {
			UDID   string `query:"udid" maxLength:"64" doc:"Of this phone only"`
			Before int64  `query:"before" minimum:"0" doc:"Older than the job with this number"`
			Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"50"`
		}) (*body[api.Jobs], error) {
			jobs, err := svc.Jobs(ctx, who, in.UDID, in.Before, in.Limit)
			out := api.Jobs{Jobs: each(jobs, wireJob)}
			if len(jobs) == in.Limit {
				out.Next = jobs[len(jobs)-1].ID
			}
			return bodyOf(out), err
		})
	handle(a, operation{method: "GET", path: "/jobs/{id}", id: "job", summary: "A job with its log", tag: "jobs", scope: scopeRead, covers: "Job"},
		func(ctx context.Context, who service.Who, in *jobIn) (*body[api.Job], error) {
			j, err := svc.Job(ctx, who, in.ID)
			return bodyOf(wireJob(j)), err
		})
	handle(a, operation{method: "GET", path: "/jobs/{id}/events", id: "follow", summary: "A job as it goes on: a line of JSON (Job, without its log) for each change, until it has ended", tag: "jobs", scope: scopeRead},
		func(ctx context.Context, who service.Who, in *jobIn) (*huma.StreamResponse, error) {
			if _, err := svc.Job(ctx, who, in.ID); err != nil {
				return nil, err
			}
			return a.raw(func(w http.ResponseWriter, r *http.Request) error { return a.rt.follow(w, r, in.ID) }), nil
		})
	handle(a, operation{method: "POST", path: "/jobs/{id}/cancel", id: "cancel", summary: "End a job", tag: "jobs", scope: scopeBackup, covers: "Cancel", status: http.StatusNoContent},
		func(ctx context.Context, who service.Who, in *jobIn) (*none, error) {
			return &none{}, svc.Cancel(ctx, who, in.ID)
		})
}

// build is what runs.
func (rt *router) build() api.Build {
	return api.Build{Version: rt.o.Version, Go: runtime.Version(), API: 1}
}

// followEvery is how often a job is looked at besides when it says that it has
// changed: events may be lost, ends may not.
const followEvery = 5 * time.Second

// follow writes the job with number id as a line of JSON, and again whenever it has
// changed, until it has ended.
func (rt *router) follow(w http.ResponseWriter, r *http.Request, id int64) error {
	v := visitorFrom(r.Context())
	if !rt.streams.enter(v.Account) {
		return tooMany("too many streams are open", "Close some of them.")
	}
	defer rt.streams.leave(v.Account)
	ctx := r.Context()
	c := long(w)
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.Header().Set("X-Accel-Buffering", "no")
	if r.Method == http.MethodHead {
		return nil
	}
	ch := rt.o.Service.Watch(ctx, v.Who)
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	enc := json.NewEncoder(w)
	var last string
	for {
		j, err := rt.o.Service.Job(ctx, v.Who, id)
		if err != nil {
			return fmt.Errorf("follow job: %w", err)
		}
		j.Log = nil
		wire := wireJob(j)
		if now := fmt.Sprint(wire); now != last {
			last = now
			if err := enc.Encode(wire); err != nil {
				return nil // whoever followed has gone
			}
			if err := c.Flush(); err != nil {
				return nil
			}
		}
		if wire.Over() {
			return nil
		}
		if !rt.awaitJob(ctx, r, ch, tick.C, id) {
			return nil
		}
	}
}

// awaitJob waits until the job may have changed; false means that nobody listens
// any more, or may.
func (rt *router) awaitJob(ctx context.Context, r *http.Request, ch <-chan service.Event, tick <-chan time.Time, id int64) bool {
	for {
		select {
		case <-ctx.Done():
			return false
		case e, ok := <-ch:
			if !ok {
				return false
			}
			if e.Job == nil || e.Job.ID == id {
				return true
			}
		case <-tick:
			return rt.still(r)
		}
	}
}
