package server

import (
	"context"
	"errors"
	"net/http"
	"runtime"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/keepsake-backup/keepsake/service"
)

// Counter is what a Service implements besides if it counts what has happened.
type Counter interface {
	Counts(ctx context.Context) (service.Counts, error)
}

const collectTimeout = 10 * time.Second

// household collects metrics from the service when it is asked for them.
type household struct {
	svc                                                       Service
	now                                                       func() time.Time
	version                                                   string
	verified, rehearsed, rehearsal, stored, versions, reached *prometheus.Desc
	behind, here, jobs, running, prompts, received, added     *prometheus.Desc
	up, build, free                                           *prometheus.Desc
}

func newHousehold(o Options) *household {
	d := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("keepsake_"+name, help, labels, nil)
	}
	return &household{
		svc: o.Service, now: o.Now, version: o.Version,
		verified:  d("verified_backup_age_seconds", "Since the last backup of the phone that was verified; absent when there is none.", "udid", "phone"),
		rehearsed: d("rehearsal_age_seconds", "Since the last rehearsal of the phone's backup; absent when there is none.", "udid", "phone"),
		rehearsal: d("rehearsal_ok", "1 when the last rehearsal brought everything back.", "udid", "phone"),
		stored:    d("stored_bytes", "What the phone takes in the repository.", "udid", "phone"),
		versions:  d("versions", "Versions of the phone.", "udid", "phone"),
		reached:   d("phone_reachable", "1 when the phone can be reached now, by cable or Wi-Fi.", "udid", "phone", "how"),
		behind:    d("target_behind_versions", "Versions that the target lacks; absent when it is not known.", "target"),
		here:      d("target_here", "1 when the target can be reached now.", "target"),
		jobs:      d("jobs_total", "Jobs that have ended.", "kind", "state"),
		running:   d("jobs", "Jobs that wait or run now.", "kind", "state"),
		prompts:   d("prompts_total", "Times that a phone asked for its passcode.", "udid", "answer"),
		received:  d("received_bytes_total", "Bytes that came from phones."),
		added:     d("added_bytes_total", "Bytes that were added to repositories."),
		up:        d("place_reachable", "1 when the place of the backups can be reached."),
		free:      d("place_free_bytes", "What its disk has left; absent when it is not known."),
		build:     d("build_info", "1, with what runs.", "version", "go"),
	}
}

// Describe sends nothing: what there is depends on the phones there are.
func (h *household) Describe(ch chan<- *prometheus.Desc) { ch <- h.build }

// Collect asks the service.
func (h *household) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), collectTimeout)
	defer cancel()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		for i, l := range labels {
			labels[i] = strings.ToValidUTF8(l, "_")
		}
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	gauge(h.build, 1, h.version, runtime.Version())
	o, err := h.svc.Overview(ctx, service.System)
	if err != nil {
		ch <- prometheus.NewInvalidMetric(h.up, err)
		return
	}
	gauge(h.up, truth(o.PlaceErr == ""))
	if o.Free >= 0 {
		gauge(h.free, float64(o.Free))
	}
	for _, p := range o.Phones {
		h.phone(gauge, p)
	}
	for _, t := range o.Targets {
		gauge(h.here, truth(t.Here), t.Name)
		if t.Behind >= 0 {
			gauge(h.behind, float64(t.Behind), t.Name)
		}
	}
	running := map[[2]string]float64{}
	for _, j := range o.Running {
		running[[2]string{string(j.Kind), string(j.State)}]++
	}
	for k, n := range running {
		gauge(h.running, n, k[0], k[1])
	}
	h.counts(ctx, ch)
}

func (h *household) phone(gauge func(*prometheus.Desc, float64, ...string), p service.Phone) {
	now := h.now()
	if !p.LastVerified.IsZero() {
		gauge(h.verified, now.Sub(p.LastVerified).Seconds(), p.UDID, p.Name)
	}
	if !p.LastRehearsal.IsZero() {
		gauge(h.rehearsed, now.Sub(p.LastRehearsal).Seconds(), p.UDID, p.Name)
		gauge(h.rehearsal, truth(p.RehearsalOK), p.UDID, p.Name)
	}
	gauge(h.stored, float64(p.Stored), p.UDID, p.Name)
	gauge(h.versions, float64(p.Versions), p.UDID, p.Name)
	gauge(h.reached, truth(p.Cable), p.UDID, p.Name, "cable")
	gauge(h.reached, truth(p.WiFi), p.UDID, p.Name, "wifi")
}

func (h *household) counts(ctx context.Context, ch chan<- prometheus.Metric) {
	c, ok := h.svc.(Counter)
	if !ok {
		return
	}
	n, err := c.Counts(ctx)
	if err != nil {
		ch <- prometheus.NewInvalidMetric(h.jobs, err)
		return
	}
	count := func(d *prometheus.Desc, v int64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	for kind, states := range n.Jobs {
		for state, v := range states {
			count(h.jobs, v, string(kind), string(state))
		}
	}
	for udid, answers := range n.Prompts {
		for answer, v := range answers {
			count(h.prompts, v, udid, answer)
		}
	}
	count(h.received, n.Received)
	count(h.added, n.Added)
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// metrics serves Prometheus, from a registry of our own, to whom may see it: names
// of phones are in it. They are this computer itself, admins by session or by a
// token with the scope admin, and anyone if Options.MetricsOpen.
func (rt *router) metrics() http.Handler {
	reg := prometheus.NewRegistry()
	reg.MustRegister(newHousehold(rt.o), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	h := promhttp.HandlerFor(reg, promhttp.HandlerOpts{ErrorLog: promLog{rt}, ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: 3, Timeout: 2 * collectTimeout})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := visitorFrom(r.Context())
		if !rt.o.MetricsOpen && !originFrom(r.Context()).local && (!v.Admin || v.Session == 0 && !v.has(scopeAdmin)) {
			rt.respondAPIError(w, r, service.ErrForbidden)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// promLog takes what cannot be collected into the log.
type promLog struct{ rt *router }

func (l promLog) Println(v ...any) {
	err := errors.New("metrics")
	for _, e := range v {
		if e, ok := e.(error); ok {
			err = e
		}
	}
	l.rt.o.Log.Error("metrics could not be collected", "err", err)
}
