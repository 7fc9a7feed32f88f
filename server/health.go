package server

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/keepsake-backup/keepsake/service"
)

// healthz says "ok", or in words what is wrong, with status 503. Anyone may ask, so
// it names no phone, no place and no person.
func (rt *router) healthz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
	defer cancel()
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if wrong := rt.wrong(ctx); wrong != "" {
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintln(w, wrong)
		return
	}
	fmt.Fprintln(w, "ok")
}

func (rt *router) wrong(ctx context.Context) string {
	o, err := rt.o.Service.Overview(ctx, service.System)
	switch {
	case err != nil:
		rt.o.Log.ErrorContext(ctx, "health: overview failed", "err", err)
		return "the service does not answer; its log says why"
	case !o.Ready:
		return "" // not set up yet is no fault
	case o.PlaceErr != "":
		return "the place of the backups cannot be reached"
	}
	return ""
}
