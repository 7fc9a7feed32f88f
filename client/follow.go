package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/server/api"
)

const (
	maxLine    = 1 << 20 // bytes of one job or event
	firstPause = 500 * time.Millisecond
	maxPause   = 15 * time.Second
	patience   = 10 * time.Minute // without a word of the service: it may be updated and start anew
)

// Follow calls seen for the job with number id now and whenever it has changed, and
// gives it when it has ended, well or not: see its State. A connection that breaks
// is made anew; after ten minutes in which the service cannot be reached it fails.
// seen may be nil.
func (c *Client) Follow(ctx context.Context, id int64, seen func(api.Job)) (api.Job, error) {
	pause, last := firstPause, time.Now()
	for {
		job, heard, err := c.follow(ctx, id, seen)
		if err == nil && job.Over() {
			return job, nil
		}
		if refused, ok := errors.AsType[*Error](err); ok && !refused.passing() {
			return job, err
		}
		if ctx.Err() != nil {
			return job, fmt.Errorf("follow job %d: %w", id, context.Cause(ctx))
		}
		if heard {
			pause, last = firstPause, time.Now()
		} else if time.Since(last) > patience {
			return job, err
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = min(2*pause, maxPause)
	}
}

// passing tells whether the same request may be granted later.
func (e *Error) passing() bool {
	return e.Status == http.StatusTooManyRequests || e.Status >= 500
}

// follow reads one stream of a job; heard tells whether anything came.
func (c *Client) follow(ctx context.Context, id int64, seen func(api.Job)) (job api.Job, heard bool, err error) {
	resp, err := c.request(ctx, fmt.Sprintf("follow job %d", id), http.MethodGet, at("jobs", number(id), "events"), nil, nil, nil)
	if err != nil {
		return job, false, err
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(make([]byte, 0, 4096), maxLine)
	for lines.Scan() {
		job = api.Job{}
		if err := json.Unmarshal(lines.Bytes(), &job); err != nil {
			return job, heard, fmt.Errorf("follow job %d: read: %w", id, err)
		}
		heard = true
		if seen != nil {
			seen(job)
		}
	}
	if err := lines.Err(); err != nil {
		return job, heard, fmt.Errorf("follow job %d: %w", id, err)
	}
	if !job.Over() {
		err = fmt.Errorf("follow job %d: %w", id, io.ErrUnexpectedEOF)
	}
	return job, heard, err
}

// Watch calls seen for every event until ctx ends, seen fails or the stream breaks;
// it gives why. After a break ask for everything anew: events are not repeated.
func (c *Client) Watch(ctx context.Context, seen func(api.Event) error) error {
	resp, err := c.request(ctx, "watch events", http.MethodGet, "/events", nil, nil, http.Header{"Accept": {"text/event-stream"}})
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(make([]byte, 0, 4096), maxLine)
	var data strings.Builder
	for lines.Scan() {
		line := lines.Text()
		switch {
		case strings.HasPrefix(line, "data:"):
			if data.Len()+len(line) > maxLine {
				return fmt.Errorf("watch events: an event of more than %d bytes", maxLine)
			}
			data.WriteString(strings.TrimPrefix(line[len("data:"):], " "))
		case line == "" && data.Len() > 0:
			var e api.Event
			if err := json.Unmarshal([]byte(data.String()), &e); err != nil {
				return fmt.Errorf("watch events: read: %w", err)
			}
			data.Reset()
			if e.Kind == "" {
				continue // "again": a stream that begins needs none
			}
			if err := seen(e); err != nil {
				return err
			}
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("watch events: %w", err)
	}
	return fmt.Errorf("watch events: %w", io.ErrUnexpectedEOF)
}
