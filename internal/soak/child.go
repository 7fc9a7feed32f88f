package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"github.com/keepsake-backup/keepsake/service"
)

// orders are what a child is told, as one line of JSON.
type orders struct {
	Dir  string    `json:"dir"`
	Mux  string    `json:"mux"`
	Now  time.Time `json:"now"`
	Zone string    `json:"zone"`
	UDID string    `json:"udid"` // of the phone to back up
}

// serveChild is the service in a process of its own, until it is killed.
func serveChild(ctx context.Context, in io.Reader, out io.Writer) error {
	line, err := bufio.NewReader(io.LimitReader(in, 1<<16)).ReadBytes('\n')
	if err != nil {
		return err
	}
	var o orders
	if err := json.Unmarshal(line, &o); err != nil {
		return err
	}
	zone, err := time.LoadLocation(o.Zone)
	if err != nil {
		return err
	}
	c := newClock(o.Now.In(zone))
	db, err := openCatalog(ctx, o.Dir, c)
	if err != nil {
		return err
	}
	opt, err := serviceOptions(o.Dir, db, o.Mux, c, newDisk(), &mailbox{}, discard())
	if err != nil {
		return err
	}
	svc, err := service.Open(ctx, opt)
	if err != nil {
		return err
	}
	running := make(chan error, 1)
	go func() { running <- svc.Run(ctx) }()
	for {
		_, err := svc.BackUp(ctx, service.System, o.UDID, false)
		if err == nil {
			break
		}
		select {
		case <-time.After(5 * time.Millisecond): // until the phone was noticed
		case err := <-running:
			return err
		}
	}
	if _, err := fmt.Fprintln(out, "begun"); err != nil {
		return err
	}
	return <-running
}

// kill lets a service in a process of its own back a phone up, and kills it.
func (in *incidents) kill(ctx context.Context) (err error) {
	h := in.h
	if err := h.shut(); err != nil {
		return err
	}
	p := h.people[h.rnd.IntN(len(h.people))]
	if cable, wifi := p.reachable(); !cable && !wifi {
		return nil // nobody to kill it over
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, self, childArgs...)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, cmd.Process.Kill())
		var exit *exec.ExitError
		if ended := cmd.Wait(); !errors.As(ended, &exit) {
			err = errors.Join(err, ended)
		}
	}()
	p.act(h.clock.Now())
	if err := json.NewEncoder(stdin).Encode(orders{h.dir, h.server.Addr(), h.clock.Now(), h.clock.Now().Location().String(), p.phone.UDID()}); err != nil {
		return err
	}
	if _, err := bufio.NewReader(stdout).ReadString('\n'); err != nil {
		return fmt.Errorf("the child did not begin: %w", err)
	}
	h.tally["processes killed"]++
	time.Sleep(time.Duration(h.rnd.IntN(900)) * time.Millisecond)
	return nil
}

// childArgs make this program a child.
var childArgs = []string{"-child"}
