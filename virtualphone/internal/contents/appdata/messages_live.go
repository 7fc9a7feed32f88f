package appdata

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// leavesWAL says whether the phone is "in use" on a day: every other day,
// beginning with the seed.
func leavesWAL(seed uint64, day time.Time) bool {
	return (uint64(day.Unix()/86400)+seed)%2 == 0
}

// liveMessages adds a day's conversations to sms.db, some of them with files.
func liveMessages(ctx context.Context, w *world, sp span) error {
	r := w.rng("messages live " + sp.label())
	art, err := newArtwork(r, 2)
	if err != nil {
		return err
	}
	f := dbFile{path: w.path(homeDomain, smsDB), mtime: r.moment(span{sp.to.Add(-time.Hour), sp.to})}
	return ifThere(update(ctx, f, leavesWAL(w.seed, sp.to), w.seed^uint64(sp.to.Unix()), func(d *db) {
		b := &smsBook{w: w, d: d, art: art, account: smsAccount(w)}
		b.open()
		// The state is part of the seed: the same day twice gives other guids.
		b.r = w.rng(fmt.Sprintf("messages live %s after %d", sp.label(), b.lastMsg))
		b.day(sp)
	}))
}

// dayMessages is how many messages a day brings, one in six with a file.
func (w *world) dayMessages() int { return 6 + w.n.messages/1500 }

func (b *smsBook) day(sp span) {
	if len(b.chats) == 0 {
		return
	}
	n := b.w.dayMessages()
	var last string
	for i, at := range b.r.moments(n, sp) {
		m := b.chatter(b.r.IntN(len(b.chats)), at)
		switch {
		case i%6 == 2:
			b.attach(&m, b.art.attachment(b.w, b.r))
		case i == n-1 && last != "":
			m = message{date: at, fromMe: true, target: "p:0/" + last, targetType: 2001, targetLen: 1, parts: 1,
				body: encodeBody(plainRuns("Liked a message"), false)}
		}
		m.unread = !m.fromMe && i%5 == 4
		last = b.add(m)
	}
}

// open takes up an existing sms.db.
func (b *smsBook) open() {
	d := b.d
	b.lastMsg = int(d.number("SELECT max(seq) FROM sqlite_sequence WHERE name='message'"))
	b.lastAtt = int(d.number("SELECT max(seq) FROM sqlite_sequence WHERE name='attachment'"))
	d.rows(`SELECT c.ROWID, c.guid, c.style, c.service_name, coalesce(c.room_name,''),
		(SELECT group_concat(handle_id) FROM (SELECT handle_id FROM chat_handle_join WHERE chat_id=c.ROWID ORDER BY handle_id))
		FROM chat c WHERE c.ROWID IN (SELECT chat_id FROM chat_handle_join) ORDER BY c.ROWID`, func(scan func(...any) error) error {
		var c conversation
		var style int
		var handles string
		if err := scan(&c.id, &c.guid, &style, &c.service, &c.room, &handles); err != nil {
			return err
		}
		c.group = style == styleGroup
		for h := range strings.SplitSeq(handles, ",") {
			n, err := strconv.Atoi(h)
			if err != nil {
				return err
			}
			c.handles = append(c.handles, n)
		}
		b.chats = append(b.chats, c)
		return nil
	})
}
