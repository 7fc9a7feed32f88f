package service

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/keepsake-backup/keepsake/catalog"
	"github.com/keepsake-backup/keepsake/device"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/notify"
	"github.com/keepsake-backup/keepsake/schedule"
)

const (
	// tellTime is how long a message may take, all its places together.
	tellTime = time.Minute
	// tellAgain is how soon the same thing is told again at the earliest.
	tellAgain = 12 * time.Hour
	// tellPrompt is how soon a prompt is told of again: it is over soon itself.
	tellPrompt = 15 * time.Minute
	// tellTarget is how soon a target that is missed is told of again, missTarget how
	// long it may be away, or lack versions, before that.
	tellTarget = 7 * 24 * time.Hour
	missTarget = 30 * 24 * time.Hour
)

func sendByNotify(urls []secret.Text) (Sender, error) { return notify.New(urls, notify.Options{}), nil }

func pingByNotify(ctx context.Context, url secret.Text, text string, err error) error {
	if err != nil {
		return notify.Ping{URL: url}.Fail(ctx, text)
	}
	return notify.Ping{URL: url}.Success(ctx, text)
}

// say sends a message beside everything else, unless the same thing, as key names
// it, was said within pause. That it is not delivered is logged and no more: a
// message never fails a backup.
func (s *Service) say(ctx context.Context, key string, pause time.Duration, m notify.Message) {
	now := s.o.Now()
	s.mu.Lock()
	last, said := s.said[key]
	if said && now.Sub(last) < pause {
		s.mu.Unlock()
		return
	}
	s.said[key] = now
	for k, at := range s.said { // nothing is kept for ever
		if now.Sub(at) > 2*tellTarget {
			delete(s.said, k)
		}
	}
	s.mu.Unlock()
	s.spawn(func(ctx context.Context) {
		if err := s.send(ctx, m); err != nil && ctx.Err() == nil {
			s.log.Warn("a message was not delivered everywhere", "title", m.Title, "err", err)
		}
	})
}

func (s *Service) send(ctx context.Context, m notify.Message) error {
	urls, err := s.notifyURLs(ctx)
	if err != nil || len(urls) == 0 {
		return err
	}
	sender, err := s.o.Notify(urls)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, tellTime)
	defer cancel()
	return sender.Send(ctx, m)
}

// TestNotification sends a message to every place of the settings.
func (s *Service) TestNotification(ctx context.Context, who Who) error {
	if err := s.mayHere(who, toManage); err != nil {
		return err
	}
	urls, err := s.notifyURLs(ctx)
	if err != nil {
		return err
	}
	if len(urls) == 0 {
		return hinted("add one in the settings", "send a test: there is no place for messages")
	}
	return s.send(ctx, notify.Message{Title: "Keepsake can reach you", Text: "This is a test. You get a message like this when a phone needs you."})
}

// remind tells the owner of a phone that it asks for its passcode now.
func (s *Service) remind(udid, name string) {
	s.say(s.ctx, "prompt."+udid, tellPrompt, notify.Message{Title: "Enter the passcode on " + name, Text: s.toOwner(s.ctx, udid, "a backup has begun, and "+name+" asks for its passcode now."), Urgent: true})
}

// toOwner addresses the owner of a phone by name.
func (s *Service) toOwner(ctx context.Context, udid, text string) string {
	p, err := s.db.Phone(ctx, udid)
	if err == nil {
		if owner := s.ownerName(ctx, p.Owner); owner != "" {
			return owner + ": " + text
		}
	}
	return sentence(text)
}

// sentence makes one of an error's words.
func sentence(text string) string {
	r, n := utf8.DecodeRuneInString(text)
	text = string(unicode.ToUpper(r)) + text[n:]
	if !strings.HasSuffix(text, ".") {
		text += "."
	}
	return text
}

// remedy is what an error says to do, as a sentence behind another.
func remedy(err error) string {
	hint := device.Hint(err)
	if hint == "" {
		return ""
	}
	return " " + sentence(hint)
}

// remindOf tells that a phone had no verified backup for long.
func (s *Service) remindOf(ctx context.Context, p catalog.Phone) error {
	if p.Owner == 0 {
		return nil
	}
	u := s.upkeepOf(p.UDID)
	k := s.known(ctx, p)
	o := schedule.Overdue{Now: k.now, Phone: nameOr(p), Owner: k.owner, LastVerified: k.sum.verified, Known: p.FirstSeen, LastSent: u.Reminded, Do: schedule.Decide(p.Policy, k.facts()).Do}
	r := schedule.Remind(p.Policy, o)
	if !r.Owner && !r.Admin {
		return nil
	}
	text := r.Text
	if k.owner != "" && !strings.Contains(text, k.owner) {
		text = k.owner + ": " + text
	}
	s.say(ctx, "overdue."+p.UDID, tellAgain, notify.Message{Title: r.Title, Text: text, Urgent: r.Admin})
	s.noteUpkeep(ctx, p.UDID, func(u *upkeep) { u.Reminded = k.now })
	return nil
}

// tellFailed tells that a job failed for a reason that does not go away by itself.
func (t *task) tellFailed(ctx context.Context, out outcome) {
	what := map[JobKind]string{BackupJob: "The backup of %s failed", MediaJob: "The media copy of %s failed", RehearseJob: "A rehearsal of %s failed", CheckJob: "A check of the backups of %s failed",
		ForgetJob: "Old versions of %s were not removed", CopyJob: "A copy to a target failed", HandOverJob: "New photos of %s were not handed over"}[t.r.kind]
	if what == "" {
		return // somebody sits in front of it
	}
	title := what
	if strings.Contains(what, "%s") {
		title = fmt.Sprintf(what, t.rep.name)
	}
	text := sentence(out.err)
	if out.hint != "" {
		text += " " + sentence(out.hint)
	}
	t.say(ctx, "failed."+t.job.Kind+"."+t.job.UDID+t.job.Target, tellAgain, notify.Message{Title: title, Text: text, Urgent: true})
}

// tellWell tells that what was broken works again.
func (t *task) tellWell(ctx context.Context) {
	t.say(ctx, "well."+t.job.UDID, time.Minute, notify.Message{Title: t.rep.name + " is backed up again", Text: "The backup that had failed went well. Nobody has to do anything."})
}

// ping tells a dead man's switch that all phones that are to be backed up were,
// as their owners want it.
func (t *task) ping(ctx context.Context) {
	url, err := t.pingURL(ctx)
	if err != nil || url.IsZero() {
		return
	}
	phones, err := t.db.Phones(ctx)
	if err != nil {
		return
	}
	for _, p := range phones {
		k := t.known(ctx, p)
		if p.Owner != 0 && p.Policy.Automatic && k.late() {
			return // its silence is heard
		}
	}
	t.spawn(func(ctx context.Context) { t.pinged(t.o.Ping(ctx, url, t.rep.name+" was backed up.", nil)) })
}

func (t *task) pingFailed(ctx context.Context, out outcome) {
	url, err := t.pingURL(ctx)
	if err != nil || url.IsZero() {
		return
	}
	t.spawn(func(ctx context.Context) {
		t.pinged(t.o.Ping(ctx, url, "The backup of "+t.rep.name+" failed: "+out.err, fmt.Errorf("%s", out.err)))
	})
}

func (t *task) pinged(err error) {
	if err != nil {
		t.log.Warn("the dead man's switch was not told", "err", err)
	}
}
