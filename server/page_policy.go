package server

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/schedule"
	"github.com/keepsake-backup/keepsake/service"
)

// change does what a form on the page of a phone says, and comes back to it.
func (p *pages) change(w http.ResponseWriter, r *http.Request, done string, f func(udid string) error) error {
	udid := r.PathValue("udid")
	if err := f(udid); err != nil {
		return again(err, func(e *problem) error { return p.showPhone(w, r, e) })
	}
	to := phonePath(udid)
	if next := r.PostFormValue("next"); next == "setup" {
		return seeOther(w, r, "/setup/done")
	}
	return seeOther(w, r, to+"?said="+done)
}

// number reads a whole number of a form that lies in a range.
func number(r *http.Request, field, name string, from, to int) (int, error) {
	n, err := strconv.Atoi(strings.TrimSpace(r.PostFormValue(field)))
	if err != nil || n < from || n > to {
		return 0, &inputError{fmt.Sprintf("%s has to be a number from %d to %d", name, from, to), "Change it and save once more."}
	}
	return n, nil
}

// clockField reads a time of day, "22:30".
func clockField(r *http.Request, field, name string) (schedule.Clock, error) {
	t, err := time.Parse("15:04", strings.TrimSpace(r.PostFormValue(field)))
	if err != nil {
		return 0, &inputError{name + " has to be a time such as 22:30", "Change it and save once more."}
	}
	return schedule.Clock(t.Hour()*60 + t.Minute()), nil
}

// policyForm reads a policy. The window is the whole day unless it says otherwise.
func policyForm(r *http.Request) (schedule.Policy, error) {
	on := func(field string) bool { return r.PostFormValue(field) != "" }
	q := schedule.Policy{Automatic: on("automatic"), OnConnect: on("on_connect"), OnPower: on("on_power"), OnUnlock: on("on_unlock"), Media: on("media")}
	var err error
	if q.EveryDays, err = number(r, "every_days", "the number of days", 1, 30); err != nil {
		return q, err
	}
	if q.MinBattery, err = number(r, "min_battery", "the charge", 0, 100); err != nil {
		return q, err
	}
	if q.RemindAfterDays, err = number(r, "remind_after_days", "the number of days to remind after", 0, 365); err != nil {
		return q, err
	}
	if r.PostFormValue("hours") == "window" {
		if q.Window.From, err = clockField(r, "from", "the beginning"); err != nil {
			return q, err
		}
		if q.Window.To, err = clockField(r, "to", "the end"); err != nil {
			return q, err
		}
	}
	return q, nil
}

func (p *pages) setPolicy(w http.ResponseWriter, r *http.Request) error {
	return p.change(w, r, "saved", func(udid string) error {
		q, err := policyForm(r)
		if err != nil {
			return err
		}
		return p.o.Service.SetPolicy(r.Context(), whoFrom(r.Context()), udid, q)
	})
}

func (p *pages) setRetention(w http.ResponseWriter, r *http.Request) error {
	return p.change(w, r, "saved", func(udid string) error {
		var k service.Retention
		if r.PostFormValue("keep") != "all" {
			for _, f := range []struct {
				to          *int
				field, name string
			}{{&k.Last, "last", "the number of newest"}, {&k.Daily, "daily", "the number of days"}, {&k.Weekly, "weekly", "the number of weeks"}, {&k.Monthly, "monthly", "the number of months"}, {&k.Yearly, "yearly", "the number of years"}} {
				n, err := number(r, f.field, f.name, 0, 10_000)
				if err != nil {
					return err
				}
				*f.to = n
			}
		}
		return p.o.Service.SetRetention(r.Context(), whoFrom(r.Context()), udid, k)
	})
}

func (p *pages) setWiFi(w http.ResponseWriter, r *http.Request) error {
	return p.change(w, r, "saved", func(udid string) error {
		return p.o.Service.SetWiFi(r.Context(), whoFrom(r.Context()), udid, r.PostFormValue("on") != "")
	})
}

func (p *pages) setAddress(w http.ResponseWriter, r *http.Request) error {
	return p.change(w, r, "saved", func(udid string) error {
		return p.o.Service.SetAddress(r.Context(), whoFrom(r.Context()), udid, strings.TrimSpace(r.PostFormValue("address")))
	})
}

func (p *pages) setGrant(w http.ResponseWriter, r *http.Request) error {
	on := r.PostFormValue("on") != ""
	done := "ungranted"
	if on {
		done = "granted"
	}
	return p.change(w, r, done, func(udid string) error {
		return p.o.Service.SetGrant(r.Context(), whoFrom(r.Context()), udid, on)
	})
}

func (p *pages) setOwner(w http.ResponseWriter, r *http.Request) error {
	return p.change(w, r, "saved", func(udid string) error {
		id, err := strconv.ParseInt(r.PostFormValue("owner"), 10, 64)
		if err != nil || id < 0 {
			return &inputError{"that is no account", "Choose somebody from the list."}
		}
		return p.o.Service.SetOwner(r.Context(), whoFrom(r.Context()), udid, id)
	})
}
