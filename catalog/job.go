package catalog

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// The states that a job is open in; every other one is an end.
const (
	Queued  = "queued"
	Running = "running"
)

// Job is a piece of work, from the wish to the end.
type Job struct {
	ID                     int64
	Kind, UDID, Target     string
	Trigger                string // why, in words
	Account                int64  // who asked; 0 is the service
	State                  string
	Text, Error, Hint      string
	Version                string // that it made
	Request, Result        json.RawMessage
	Queued, Started, Ended time.Time
}

const jobColumns = "id, kind, udid, target, caused_by, account, state, text, error, hint, version, request, result, queued, started, ended"

func scanJob(row scanner) (Job, error) {
	var j Job
	var account sql.NullInt64
	var request, result sql.NullString
	err := row.Scan(&j.ID, &j.Kind, &j.UDID, &j.Target, &j.Trigger, &account, &j.State, &j.Text, &j.Error, &j.Hint, &j.Version, &request, &result,
		when{&j.Queued}, when{&j.Started}, when{&j.Ended})
	j.Account = account.Int64
	if request.Valid {
		j.Request = json.RawMessage(request.String)
	}
	if result.Valid {
		j.Result = json.RawMessage(result.String)
	}
	return j, err
}

func document(m json.RawMessage) any {
	if m == nil {
		return nil
	}
	return string(m)
}

// Enqueue puts a job into the queue, unless one of the same kind, phone and target is
// open: then it gives that one's ID, and existing.
func (db *DB) Enqueue(ctx context.Context, j Job) (id int64, existing bool, err error) {
	err = db.change(ctx, func(tx *sql.Tx) error {
		err := tx.QueryRowContext(ctx, "SELECT id FROM job WHERE kind = ? AND udid = ? AND target = ? AND state IN ('queued', 'running')", j.Kind, j.UDID, j.Target).Scan(&id)
		if err == nil {
			existing = true
			return nil
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		var account any
		if j.Account != 0 {
			account = j.Account
		}
		res, err := tx.ExecContext(ctx, "INSERT INTO job (kind, udid, target, caused_by, account, state, text, error, hint, version, request, queued) VALUES (?, ?, ?, ?, ?, 'queued', ?, '', '', '', ?, ?)",
			j.Kind, j.UDID, j.Target, j.Trigger, account, j.Text, document(j.Request), db.now().UnixMilli())
		if err != nil {
			return err
		}
		id, err = res.LastInsertId()
		return err
	})
	if err != nil {
		return 0, false, fmt.Errorf("enqueue %s: %w", j.Kind, err)
	}
	return id, existing, nil
}

// Start makes a queued job a running one. ErrNotFound: it is not in the queue.
func (db *DB) Start(ctx context.Context, id int64) error {
	return db.exec(ctx, "UPDATE job SET state = 'running', started = ? WHERE id = ? AND state = 'queued'", db.now().UnixMilli(), id)
}

// End is how a job ended.
type End struct {
	State             string // not Queued, not Running
	Text, Error, Hint string
	Version           string
	Result            json.RawMessage
}

// Finish ends an open job. ErrNotFound: it has ended already.
func (db *DB) Finish(ctx context.Context, id int64, e End) error {
	if e.State == Queued || e.State == Running || e.State == "" {
		return fmt.Errorf("finish job %d: %q is no end", id, e.State)
	}
	return db.exec(ctx, "UPDATE job SET state = ?, text = ?, error = ?, hint = ?, version = ?, result = ?, ended = ? WHERE id = ? AND state IN ('queued', 'running')",
		e.State, e.Text, e.Error, e.Hint, e.Version, document(e.Result), db.now().UnixMilli(), id)
}

// Requeue puts a running job back into the queue, as when the process ends under it.
func (db *DB) Requeue(ctx context.Context, id int64) error {
	return db.exec(ctx, "UPDATE job SET state = 'queued', started = NULL WHERE id = ? AND state = 'running'", id)
}

// Interrupted puts all running jobs back into the queue and gives them: to be called
// when a service starts, since nothing runs then.
func (db *DB) Interrupted(ctx context.Context) (jobs []Job, err error) {
	err = db.change(ctx, func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, "UPDATE job SET state = 'queued', started = NULL WHERE state = 'running' RETURNING "+jobColumns)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			j, err := scanJob(rows)
			if err != nil {
				return err
			}
			jobs = append(jobs, j)
		}
		return rows.Err()
	})
	slices.SortFunc(jobs, func(a, b Job) int { return int(a.ID - b.ID) })
	return jobs, err
}

// Job is one of them without its log, or ErrNotFound.
func (db *DB) Job(ctx context.Context, id int64) (Job, error) {
	j, err := scanJob(db.read.QueryRowContext(ctx, "SELECT "+jobColumns+" FROM job WHERE id = ?", id))
	return j, missing(err)
}

// JobFilter chooses jobs; the zero value chooses all.
type JobFilter struct {
	UDID, Kind string
	UDIDs      []string // of any of these; nil is no condition, an empty list chooses none
	Open       bool     // only those that are queued or running
	State      string
	Before     int64 // only those with a smaller ID; 0 is no condition
	Limit      int   // 0 is no limit
}

// Jobs are those that the filter chooses, the newest first.
func (db *DB) Jobs(ctx context.Context, f JobFilter) ([]Job, error) {
	var conditions []string
	var args []any
	where := func(condition string, arg ...any) {
		conditions = append(conditions, condition)
		args = append(args, arg...)
	}
	if f.UDID != "" {
		where("udid = ?", f.UDID)
	}
	if f.Kind != "" {
		where("kind = ?", f.Kind)
	}
	if f.UDIDs != nil {
		text, err := json.Marshal(f.UDIDs)
		if err != nil {
			return nil, err
		}
		where("udid IN (SELECT value FROM json_each(?))", string(text))
	}
	if f.Open {
		where("state IN ('queued', 'running')")
	}
	if f.State != "" {
		where("state = ?", f.State)
	}
	if f.Before != 0 {
		where("id < ?", f.Before)
	}
	query := "SELECT " + jobColumns + " FROM job"
	if len(conditions) > 0 {
		query += " WHERE " + strings.Join(conditions, " AND ")
	}
	query += " ORDER BY id DESC"
	if f.Limit > 0 {
		query += " LIMIT ?"
		args = append(args, f.Limit)
	}
	return list(ctx, db.read, scanJob, query, args...)
}

// CountJobs counts jobs by kind and state.
func (db *DB) CountJobs(ctx context.Context) (map[[2]string]int64, error) {
	rows, err := db.read.QueryContext(ctx, "SELECT kind, state, count(*) FROM job GROUP BY kind, state")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	counts := map[[2]string]int64{}
	for rows.Next() {
		var k [2]string
		var n int64
		if err := rows.Scan(&k[0], &k[1], &n); err != nil {
			return nil, err
		}
		counts[k] = n
	}
	return counts, rows.Err()
}

// TrimJobs removes ended jobs, with their logs, that ended before a moment, and all
// but the newest keep of those that ended.
func (db *DB) TrimJobs(ctx context.Context, before time.Time, keep int) error {
	_, err := db.write.ExecContext(ctx, `DELETE FROM job WHERE state NOT IN ('queued', 'running') AND (ended < ?
		OR id NOT IN (SELECT id FROM job WHERE state NOT IN ('queued', 'running') ORDER BY id DESC LIMIT ?))`, before.UnixMilli(), keep)
	return err
}

// LogLine is one line of a job's log.
type LogLine struct {
	Time       time.Time
	Kind, Text string
}

// maxLog bounds a job's log, in lines; what comes then is dropped, and the last line
// says so.
const maxLog = 5000

// AppendLog adds lines to the log of a job.
func (db *DB) AppendLog(ctx context.Context, job int64, lines []LogLine) error {
	return db.change(ctx, func(tx *sql.Tx) error {
		var n int
		if err := tx.QueryRowContext(ctx, "SELECT coalesce(max(n) + 1, 0) FROM log WHERE job = ?", job).Scan(&n); err != nil {
			return err
		}
		for _, l := range lines {
			if n == maxLog {
				l = LogLine{l.Time, "notice", "The log has become too long; what came later is not here."}
			} else if n > maxLog {
				return nil
			}
			if _, err := tx.ExecContext(ctx, "INSERT INTO log (job, n, time, kind, text) VALUES (?, ?, ?, ?, ?)", job, n, l.Time.UnixMilli(), l.Kind, l.Text); err != nil {
				return err
			}
			n++
		}
		return nil
	})
}

// Log is the log of a job.
func (db *DB) Log(ctx context.Context, job int64) ([]LogLine, error) {
	return list(ctx, db.read, func(row scanner) (l LogLine, err error) { return l, row.Scan(when{&l.Time}, &l.Kind, &l.Text) },
		"SELECT time, kind, text FROM log WHERE job = ? ORDER BY n", job)
}
