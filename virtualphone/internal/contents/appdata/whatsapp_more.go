package appdata

import (
	"context"
	"fmt"
	"strings"
	"time"
)

func createWhatsAppContacts(ctx context.Context, w *world, r *rng) error {
	f := dbFile{path: w.path(whatsAppDomain, "ContactsV2.sqlite"), autoVacuum: 2, mtime: w.now.Add(-11 * time.Hour)}
	return build(ctx, f, func(d *db) {
		d.schema("whatsappcontacts.sql")
		m := newModel(r, []entity{{name: "WAAccountInfo", optional: true}, {name: "WAAddressBookContact"}})
		for i, p := range w.people {
			// Everyone is listed; who has no account has no address.
			var id any
			if usesWhatsApp(p) {
				id = p.jid()
			}
			m.insert(d, "ZWAADDRESSBOOKCONTACT", "WAAddressBookContact", "ZDISAPPEARINGMODEDURATION", 0, "ZPHONESTATUS", flag(usesWhatsApp(p)), "ZSORT", i,
				"ZABOUTTIMESTAMP", cocoa(w.begin()), "ZABOUTTEXT", "Out in the "+pick(r, places), "ZFULLNAME", p.name(), "ZGIVENNAME", p.first,
				"ZHIGHLIGHTEDNAME", p.last, "ZIDENTIFIER", p.guid, "ZLOCALIZEDPHONENUMBER", displayNumber(p.phone(), 1), "ZPHONENUMBER", displayNumber(p.phone(), p.index),
				"ZPHONENUMBERLABEL", "mobile", "ZSECTIONTITLE", sortSection(p.last), "ZWHATSAPPID", id)
		}
		m.writeTables(d, r, metadata{})
	})
}

// createWhatsAppLIDs writes whose opaque numbers the app knows: of one in two.
func createWhatsAppLIDs(ctx context.Context, w *world, r *rng) error {
	f := dbFile{path: w.path(whatsAppDomain, "LID.sqlite"), autoVacuum: 2, mtime: w.now.Add(-11 * time.Hour)}
	return build(ctx, f, func(d *db) {
		d.schema("whatsapplid.sql")
		m := newModel(r, []entity{{name: "WAZAccount"}, {name: "WAZDevice", optional: true}})
		for _, p := range w.people {
			if p.index%4 == 0 {
				m.insert(d, "ZWAZACCOUNT", "WAZAccount", "ZCREATEDAT", cocoa(w.begin()), "ZIDENTIFIER", p.lid, "ZPHONENUMBER", strings.TrimPrefix(p.phone(), "+"))
			}
		}
		m.writeTables(d, r, metadata{})
	})
}

var whatsAppCallEntities = []entity{{name: "WAAggregateCallEvent"}, {name: "WACDCallEvent"}, {name: "WACDCallEventParticipant"}, {name: "WAJoinableCallEvent", optional: true}}

func createWhatsAppCalls(ctx context.Context, w *world, r *rng) error {
	f := dbFile{path: w.path(whatsAppDomain, "CallHistory.sqlite"), autoVacuum: 2, mtime: w.now.Add(-12 * time.Hour)}
	return build(ctx, f, func(d *db) {
		d.schema("whatsappcalls.sql")
		m := newModel(r, whatsAppCallEntities)
		for i, at := range r.moments(max(6, w.n.calls/5), span{w.begin(), w.now.Add(-12 * time.Hour)}) {
			p := w.people[(2*i)%len(w.people)/2*2]
			outcome := []int{0, 0, 1, 4, 0}[i%5] // ended, missed, rejected
			incoming := i%2 == 0
			all := m.insert(d, "ZWAAGGREGATECALLEVENT", "WAAggregateCallEvent", "ZINCOMING", flag(incoming), "ZMISSED", flag(outcome == 1), "ZMISSEDREASON", 0, "ZVIDEO", flag(i%3 == 0), "ZFIRSTDATE", cocoa(at))
			seconds := 0.0
			if outcome == 0 {
				seconds = float64(r.between(5, 1800))
			}
			e := m.insert(d, "ZWACDCALLEVENT", "WACDCallEvent", "ZBYTESRECEIVED", int(seconds)*4000, "ZBYTESSENT", int(seconds)*4100, "ZOUTCOME", outcome,
				"Z1CALLEVENTS", all, "Z_FOK_1CALLEVENTS", 1, "ZDATE", cocoa(at), "ZDURATION", seconds)
			m.insert(d, "ZWACDCALLEVENTPARTICIPANT", "WACDCallEventParticipant", "ZOUTCOME", outcome, "Z1PARTICIPANTS", e, "Z_FOK_1PARTICIPANTS", 1, "ZJIDSTRING", p.jid())
		}
		m.writeTables(d, r, metadata{})
	})
}

// liveWhatsApp adds a day's chatting, one picture at least.
func liveWhatsApp(ctx context.Context, w *world, sp span) error {
	r := w.rng("whatsapp live " + sp.label())
	art, err := newArtwork(r, 2)
	if err != nil {
		return err
	}
	return liveUpdate(ctx, w, whatsAppDomain, "ChatStorage.sqlite", sp, r, func(d *db) {
		b := &waBook{w: w, d: d, m: loadModel(d), art: art}
		b.r = w.rng(fmt.Sprintf("whatsapp live %s after %d", sp.label(), b.m.last["WAMessage"]))
		b.open()
		if len(b.chats) == 0 {
			return
		}
		for i, at := range b.r.moments(4+w.n.chats/400, sp) {
			kind := waText
			if i%4 == 1 {
				kind = waImage
			}
			b.message(pick(b.r, b.chats), kind, at)
		}
		b.finish()
		b.m.saveMax(d)
	})
}

// open takes up existing chats and their members.
func (b *waBook) open() {
	byPK := map[int]*waChat{}
	b.d.rows(`SELECT s.Z_PK, s.ZSESSIONTYPE, s.ZCONTACTJID, coalesce((SELECT max(ZSORT) FROM ZWAMESSAGE WHERE ZCHATSESSION=s.Z_PK), 0)
		FROM ZWACHATSESSION s WHERE s.ZREMOVED=0 AND s.ZSESSIONTYPE IN (0, 1) ORDER BY s.Z_PK`, func(scan func(...any) error) error {
		c := &waChat{}
		if err := scan(&c.pk, &c.kind, &c.jid, &c.sort); err != nil {
			return err
		}
		byPK[c.pk] = c
		b.chats = append(b.chats, c)
		return nil
	})
	b.d.rows("SELECT Z_PK, ZMEMBERJID, ZCHATSESSION FROM ZWAGROUPMEMBER ORDER BY Z_PK", func(scan func(...any) error) error {
		var m waMember
		var chat int
		if err := scan(&m.pk, &m.jid, &chat); err != nil {
			return err
		}
		if c := byPK[chat]; c != nil && m.jid != b.w.me.jid() {
			c.members = append(c.members, m)
		}
		return nil
	})
}
