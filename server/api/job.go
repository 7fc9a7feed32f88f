package api

import "time"

// Job is a piece of work.
type Job struct {
	ID         int64     `json:"id"`
	Kind       string    `json:"kind" doc:"backup, media, restore, pair, encryption, rehearse, check, forget, copy, handover"`
	UDID       string    `json:"udid,omitempty"`
	Name       string    `json:"name,omitempty"`
	Target     string    `json:"target,omitempty"`
	Trigger    string    `json:"trigger"`
	State      string    `json:"state" doc:"queued, running; at the end done, failed, cancelled or refused"`
	Text       string    `json:"text" doc:"The phase that runs, or how it ended"`
	Do         string    `json:"do,omitempty" doc:"Who must do what now"`
	Fraction   float64   `json:"fraction" doc:"0 to 1; -1 unknown"`
	Files      int64     `json:"files"`
	FilesTotal int64     `json:"files_total"`
	Bytes      int64     `json:"bytes"`
	BytesTotal int64     `json:"bytes_total"`
	Rate       float64   `json:"rate" doc:"Bytes a second; 0 unknown"`
	Seconds    float64   `json:"seconds_left" doc:"Estimate; 0 unknown"`
	Error      string    `json:"error,omitempty"`
	Hint       string    `json:"hint,omitempty"`
	Version    string    `json:"version,omitempty" doc:"That it made"`
	Queued     time.Time `json:"queued,omitzero"`
	Started    time.Time `json:"started,omitzero"`
	Ended      time.Time `json:"ended,omitzero"`
	Log        []LogLine `json:"log,omitempty"`
}

// Over tells whether the job has ended, well or not.
func (j Job) Over() bool {
	switch j.State {
	case "done", "failed", "cancelled", "refused":
		return true
	}
	return false
}

// LogLine is one line of a job's log.
type LogLine struct {
	Time time.Time `json:"time"`
	Kind string    `json:"kind"`
	Text string    `json:"text"`
}

// Jobs is a page of jobs, the newest first.
type Jobs struct {
	Jobs []Job `json:"jobs"`
	Next int64 `json:"next,omitempty" doc:"Pass it as before to get older ones"`
}

// Started names the job that does the work.
type Started struct {
	Job int64 `json:"job"`
}

// Event tells that something has changed: ask for it anew.
type Event struct {
	Kind string `json:"kind" doc:"phone, job, target or setting"`
	UDID string `json:"udid,omitempty"`
	Job  *Job   `json:"job,omitempty"`
}

// Backup is how to back up.
type Backup struct {
	Full bool `json:"full,omitempty" doc:"Everything anew, not only what has changed"`
}

// Encryption changes the backup password of a phone: on, off or another one.
type Encryption struct {
	Old string `json:"old,omitempty" doc:"The backup password now; empty when there is none"`
	New string `json:"new,omitempty" doc:"And from now on; empty switches encryption off"`
}

// Rehearse says what to restore onto a virtual phone.
type Rehearse struct {
	Version string `json:"version,omitempty" doc:"Empty is the newest"`
}

// Restore says what is to be put where.
type Restore struct {
	UDID         string   `json:"udid" doc:"The phone that gets it"`
	Source       string   `json:"source" doc:"The phone whose backup it is"`
	Version      string   `json:"version"`
	Settings     bool     `json:"settings,omitempty"`
	System       bool     `json:"system,omitempty"`
	RemoveOthers bool     `json:"remove_others,omitempty"`
	Domains      []string `json:"domains,omitempty" doc:"Only these; empty is everything" maxItems:"1000"`
	Password     string   `json:"password,omitempty" doc:"The backup password, when it is not remembered"`
}

// Preflight is what is known before a restore.
type Preflight struct {
	Ready         bool      `json:"ready"`
	Findings      []Finding `json:"findings"`
	Files         int64     `json:"files"`
	Bytes         int64     `json:"bytes"`
	AppsBack      []string  `json:"apps_back,omitempty"`
	AppsByHand    []string  `json:"apps_by_hand,omitempty"`
	NeedsPassword bool      `json:"needs_password"`
}

// Finding is one line of a Preflight.
type Finding struct {
	Blocks bool   `json:"blocks"`
	Text   string `json:"text"`
	Do     string `json:"do,omitempty"`
}

// Answer is what happens now, in words.
type Answer struct {
	Text string `json:"text"`
}
