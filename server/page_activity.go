package server

import (
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"strconv"

	"github.com/keepsake-backup/keepsake/service"
)

// jobsPage is how many jobs one page of the activity shows.
const jobsPage = 50

// activity lists the jobs, newest first, and says for each phone what it waits for.
func (p *pages) activity(w http.ResponseWriter, r *http.Request) error {
	ctx, who, q := r.Context(), whoFrom(r.Context()), r.URL.Query()
	before, _ := strconv.ParseInt(q.Get("before"), 10, 64) // anything else is the newest
	jobs, err := p.o.Service.Jobs(ctx, who, q.Get("phone"), before, jobsPage+1)
	if err != nil {
		return fmt.Errorf("look at jobs: %w", err)
	}
	o, err := p.o.Service.Overview(ctx, who)
	if err != nil {
		return fmt.Errorf("look at everything: %w", err)
	}
	values := url.Values{}
	if q.Get("phone") != "" {
		values.Set("phone", q.Get("phone"))
	}
	pg := pager{NextName: "Earlier", PrevName: "The newest"}
	if before > 0 {
		pg.Prev = "/activity?" + values.Encode()
	}
	if len(jobs) > jobsPage {
		jobs = jobs[:jobsPage]
		values.Set("before", strconv.FormatInt(jobs[jobsPage-1].ID, 10))
		pg.Next = "/activity?" + values.Encode()
	}
	var idle []service.Phone
	for _, ph := range o.Phones {
		if ph.Job == nil && ph.State.Mood != service.Good {
			idle = append(idle, ph)
		}
	}
	return p.render(w, r, "activity", view{Title: "Activity", Width: "middle", Here: "/activity", Busy: len(o.Running) > 0, P: struct {
		Running []service.Job
		Idle    []service.Phone
		More    int // phones that wait and are not shown
		Jobs    []service.Job
		Phones  []service.Phone
		Phone   string
		First   bool
		Pager   pager
	}{o.Running[:min(len(o.Running), 20)], idle[:min(len(idle), 12)], max(len(idle)-12, 0), jobs, o.Phones, q.Get("phone"), before == 0, pg}})
}

// job is the page of one job: live while it runs, and what became of it.
func (p *pages) job(w http.ResponseWriter, r *http.Request) error { return p.showJob(w, r, nil) }

func jobID(r *http.Request) (int64, error) {
	id, err := strconv.ParseInt(r.PathValue("job"), 10, 64)
	if err != nil {
		return 0, fs.ErrNotExist
	}
	return id, nil
}

// logLines is how much of a job's log its page shows: the end of it.
const logLines = 300

func (p *pages) showJob(w http.ResponseWriter, r *http.Request, wrong *problem) error {
	id, err := jobID(r)
	if err != nil {
		return err
	}
	j, err := p.o.Service.Job(r.Context(), whoFrom(r.Context()), id)
	if err != nil {
		return fmt.Errorf("look at job: %w", err)
	}
	cut := max(len(j.Log)-logLines, 0)
	j.Log = j.Log[cut:]
	over := !j.Ended.IsZero() || j.State != service.Running && j.State != service.Queued
	crumbs := []crumb{{"/activity", "Activity"}}
	if j.UDID != "" {
		crumbs = []crumb{{"/", "Phones"}, {phonePath(j.UDID), j.Name}}
	}
	return p.render(w, r, "job", view{Title: "Job", Width: "middle", Here: "/activity", Problem: wrong, Busy: !over, P: struct {
		service.Job
		Crumbs []crumb
		Over   bool
		Cut    int
		Look   string // at the version that it made
		Retry  string
	}{j, crumbs, over, cut, lookAt(j), retry(j)}})
}

func lookAt(j service.Job) string {
	if j.Version == "" || j.UDID == "" {
		return ""
	}
	return versionPath(j.UDID, j.Version)
}

// retry is where to POST so that the same is tried again, "" if it has to be
// asked for anew, as a restore has.
func retry(j service.Job) string {
	if j.State != service.FailedJob && j.State != service.Refused && j.State != service.Cancelled {
		return ""
	}
	what := map[service.JobKind]string{service.BackupJob: "backup", service.MediaJob: "media", service.PairJob: "pair", service.CheckJob: "check", service.RehearseJob: "rehearse"}[j.Kind]
	if what == "" || j.UDID == "" {
		return ""
	}
	return phonePath(j.UDID) + "/" + what
}

func (p *pages) cancel(w http.ResponseWriter, r *http.Request) error {
	id, err := jobID(r)
	if err != nil {
		return err
	}
	if err := p.o.Service.Cancel(r.Context(), whoFrom(r.Context()), id); err != nil {
		return again(err, func(e *problem) error { return p.showJob(w, r, e) })
	}
	return seeOther(w, r, fmt.Sprintf("/activity/%d", id))
}
