package whatsapp

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/chat"
	"github.com/keepsake-backup/keepsake/internal/sqlitefs"
)

// maxNames of each source of names are kept.
const maxNames = 500_000

// Ends of addresses.
const (
	phoneEnd     = "@s.whatsapp.net"
	lidEnd       = "@lid"
	groupEnd     = "@g.us"
	broadcastEnd = "@broadcast"
	statusEnd    = "@status"
	statusAll    = "status@broadcast"
)

// directory knows people by their JIDs. It is for one reading.
type directory struct {
	ctx      context.Context
	src      *extract.Source
	phones   map[string]string // by lid: JID with a phone number
	contacts map[string]string // ContactsV2
	partners map[string]string // titles of private conversations
	push     map[string]string // what people call themselves
	own      map[string]bool
	known    map[string]chat.Person
	problem  error // names that could not be read: people are numbers then
}

func newDirectory(ctx context.Context, src *extract.Source) *directory {
	return &directory{ctx: ctx, src: src, phones: map[string]string{}, contacts: map[string]string{}, partners: map[string]string{}, push: map[string]string{}, own: map[string]bool{}, known: map[string]chat.Person{}}
}

func (b *book) readNames(ctx context.Context) (*directory, error) {
	d := newDirectory(ctx, b.src)
	// Names that cannot be read are numbers: no reason to lose the messages.
	err := d.table(b.domain+"/LID.sqlite", "ZWAZACCOUNT", "ZIDENTIFIER", "ZPHONENUMBER", "ZCREATEDAT", func(lid, number string) {
		if digits := onlyDigits(number); digits != "" && strings.HasSuffix(lid, lidEnd) {
			d.phones[lid] = digits + phoneEnd
		}
	})
	err = errors.Join(err, d.table(b.domain+"/ContactsV2.sqlite", "ZWAADDRESSBOOKCONTACT", "ZWHATSAPPID", "ZFULLNAME", "Z_PK", func(jid, name string) {
		d.contacts[jid] = name
	}))
	// Newer ones have the opaque number beside the name.
	err = errors.Join(err, d.table(b.domain+"/ContactsV2.sqlite", "ZWAADDRESSBOOKCONTACT", "ZLID", "ZFULLNAME", "Z_PK", func(jid, name string) {
		d.contacts[jid] = name
	}))
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	d.problem = err
	if err := d.pairs(b.db, "ZWAPROFILEPUSHNAME", "ZJID", "ZPUSHNAME", "Z_PK", func(jid, name string) { d.push[jid] = name }); err != nil {
		return nil, err
	}
	if err := d.pairs(b.db, "ZWACHATSESSION", "ZCONTACTJID", "ZPARTNERNAME", "Z_PK", func(jid, name string) {
		if d.partners[jid] == "" && onlyDigits(name) == "" && isPerson(jid) {
			d.partners[jid] = name
		}
	}); err != nil {
		return nil, err
	}
	// Newer sessions have the other form of their address beside the one.
	if err := d.pairs(b.db, "ZWACHATSESSION", "ZCONTACTJID", "ZCONTACTIDENTIFIER", "Z_PK", func(jid, other string) {
		if strings.HasSuffix(jid, phoneEnd) {
			jid, other = other, jid
		}
		if strings.HasSuffix(jid, lidEnd) && strings.HasSuffix(other, phoneEnd) && d.phones[jid] == "" {
			d.phones[jid] = other
		}
	}); err != nil {
		return nil, err
	}
	return d, b.readOwn(ctx, d)
}

// table reads pairs of a database that may not be there.
func (d *directory) table(file, table, key, value, order string, give func(key, value string)) error {
	db, err := d.src.Database(d.ctx, file)
	if errors.Is(err, extract.ErrAbsent) {
		return nil
	}
	if err != nil {
		return err
	}
	return d.pairs(db, table, key, value, order, give)
}

func (d *directory) pairs(db *sqlitefs.DB, table, key, value, order string, give func(key, value string)) error {
	if !db.Has(table, key, value) {
		return nil
	}
	if !db.Has(table, order) {
		order = "ROWID"
	}
	rows, err := db.QueryContext(d.ctx, fmt.Sprintf("SELECT %s FROM %s t WHERE t.%s IS NOT NULL AND t.%s IS NOT NULL ORDER BY t.%s LIMIT %d",
		db.List(table, "t", key, value), table, key, value, order, maxNames))
	if err != nil {
		return db.Err(d.ctx, err)
	}
	defer rows.Close()
	for rows.Next() {
		var k, v sqlitefs.Text
		if err := rows.Scan(&k, &v); err != nil {
			return db.Err(d.ctx, err)
		}
		if k, v := bare(k.String), clean(v.String); k != "" && v != "" {
			give(k, v)
		}
	}
	return db.Err(d.ctx, rows.Err())
}

// readOwn finds the owner's own address: what is sent to it, and what newer versions
// note with the messages that the owner sends. The first and last few hundred
// messages tell.
func (b *book) readOwn(ctx context.Context, d *directory) error {
	for _, order := range []string{"", " DESC"} {
		rows, err := b.db.QueryContext(ctx, fmt.Sprintf("SELECT %s FROM ZWAMESSAGE m ORDER BY m.Z_PK%s LIMIT 400", b.db.List("ZWAMESSAGE", "m", "ZISFROMME", "ZTOJID", "ZPUSHNAME"), order))
		if err != nil {
			return b.db.Err(ctx, err)
		}
		for rows.Next() {
			var fromMe sqlitefs.Int
			var to, push sqlitefs.Text
			if err := rows.Scan(&fromMe, &to, &push); err != nil {
				return errors.Join(b.db.Err(ctx, err), rows.Close())
			}
			if jid := bare(to.String); !fromMe.Bool() && strings.HasSuffix(jid, phoneEnd) {
				d.own[jid] = true
			}
			if _, own := pushName(push.String); fromMe.Bool() && own != "" {
				d.own[bare(own)] = true
			}
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			return b.db.Err(ctx, err)
		}
	}
	return nil
}

// person is who has a JID. hint is a name that the place where it stands gives.
func (d *directory) person(jid, hint string) chat.Person {
	jid = bare(jid)
	if p, ok := d.known[jid]; ok && (p.Name != "" || hint == "") {
		return p
	}
	p := chat.Person{Address: jid}
	phone := jid
	if mapped := d.phones[jid]; mapped != "" {
		phone = mapped
	}
	if number, ok := strings.CutSuffix(phone, phoneEnd); ok && number != "" && onlyDigits(number) == number {
		p.Address = "+" + number
		p.Name = d.src.NameOf(d.ctx, p.Address)
	}
	for _, known := range []map[string]string{d.contacts, d.partners} {
		for _, id := range []string{jid, phone} {
			if name := known[id]; p.Name == "" && name != p.Address {
				p.Name = name
			}
		}
	}
	if hint = clean(hint); p.Name == "" && hint != "" && onlyDigits(hint) == "" {
		p.Name = hint
	}
	for _, id := range []string{jid, phone} {
		if name := d.push[id]; p.Name == "" && name != "" {
			p.Name = "~" + strings.TrimPrefix(name, "~") // as the app marks it
		}
	}
	if len(d.known) < maxNames {
		d.known[jid] = p
	}
	return p
}

// isOwn tells whether a JID is the owner's.
func (d *directory) isOwn(jid string) bool {
	jid = bare(jid)
	return d.own[jid] || d.own[d.phones[jid]]
}

// bare is a JID without the number of a device: 123:7@s.whatsapp.net.
func bare(jid string) string {
	if len(jid) > 256 {
		return ""
	}
	user, host, ok := strings.Cut(jid, "@")
	if !ok {
		return jid
	}
	user, _, _ = strings.Cut(user, ":")
	if host == "c.us" {
		host = "s.whatsapp.net"
	}
	return user + "@" + host
}

// clean takes marks of direction and blanks off a name.
func clean(name string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r == '\u200e' || r == '\u200f' || r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069' || r < ' ' {
			return -1
		}
		return r
	}, name))
}

// onlyDigits gives the digits of what is a phone number and nothing else; "" for
// anything with letters.
func onlyDigits(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r >= '0' && r <= '9':
			b.WriteRune(r)
		case strings.ContainsRune("+()-. \u00a0\u2011", r):
		default:
			return ""
		}
	}
	return b.String()
}
