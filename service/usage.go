package service

import (
	"context"
	"fmt"
	"io/fs"
	"strings"

	"github.com/keepsake-backup/keepsake/catalog"
	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/snapshot"
)

// kinds of what takes room on a phone, in the order in which they are shown.
var kinds = []string{"Photos", "Apps", "Media", "Messages", "System", "Other"}

// kindOf tells to what a file of a backup belongs.
func kindOf(name string) string {
	domain, inside, _ := strings.Cut(name, "/")
	switch {
	case domain == "CameraRollDomain":
		return "Photos"
	case strings.HasPrefix(domain, "AppDomain"):
		return "Apps"
	case strings.HasPrefix(inside, "Library/SMS/"):
		return "Messages"
	case domain == "MediaDomain" || domain == "TonesDomain" || domain == "BooksDomain":
		return "Media"
	}
	return "Other"
}

// measure sums up what takes room on the phone: it says how full it is, and not by
// what (protocol.md 2.6), so the parts are those of its newest version. What no
// backup holds, such as the programs of apps and the system, is the rest.
func (t *task) measure(ctx context.Context, r *repository.Repository, udid string, rep progress.Reporter) {
	sums, err := t.sumUp(ctx, r)
	if err != nil {
		rep.Say(progress.Detail, fmt.Sprintf("What takes room on the iPhone was not summed up: %v", err))
		return
	}
	n := t.nearOf(udid)
	var known int64
	for _, b := range sums {
		known += b
	}
	c := n.contact.usage
	if c.TotalCapacity > c.DataCapacity && c.DataCapacity > 0 {
		sums["System"] = int64(c.TotalCapacity - c.DataCapacity)
	}
	if used := int64(c.DataCapacity) - int64(c.DataAvailable); c.DataCapacity > 0 && used > known {
		sums["Other"] += used - known
	}
	err = t.update(ctx, udid, func(p *catalog.Phone) error { p.Usage = sums; return nil })
	if err != nil {
		t.log.Error("what takes room on a phone was not noted", "phone", udid, "err", err)
	}
}

func (t *task) sumUp(ctx context.Context, r *repository.Repository) (sums map[string]int64, err error) {
	v, err := t.views.take(ctx, t.job.UDID, t.version)
	if err != nil {
		return nil, err
	}
	defer t.views.give(v)
	if v.phone.Meta().Sealed {
		return nil, snapshot.ErrSealed
	}
	sums = map[string]int64{}
	err = fs.WalkDir(v.phone.FS(ctx), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			sums[kindOf(name)] += info.Size()
		}
		return err
	})
	return sums, err
}
