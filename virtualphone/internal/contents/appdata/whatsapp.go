package appdata

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"
	"time"
)

// Kinds of chat (ZSESSIONTYPE) and of message (ZMESSAGETYPE), content-schemas.md 12.
const (
	waPrivate, waGroup, waBroadcast, waStatus = 0, 1, 2, 3

	waText, waImage, waVideo, waAudio, waContact, waLocation = 0, 1, 2, 3, 4, 5
	waGroupEvent, waLink, waDocument, waSystem               = 6, 7, 8, 10
	waGIF, waDeleted, waSticker, waPoll                      = 11, 14, 15, 46
	waOnce, waFuture                                         = 38, 66 // seen once; of a version to come
)

// Events of a group (ZGROUPEVENTTYPE).
const waRenamed, waLeft, waCreated = 1, 3, 12

var whatsAppEntities = []entity{{name: "WABlackListItem"}, {name: "WAChatExtension", optional: true}, {name: "WAChatProperties"}, {name: "WAChatPushConfig"},
	{name: "WAChatSession"}, {name: "WAGroupInfo"}, {name: "WAGroupMember"}, {name: "WAGroupMembersChange"}, {name: "WAMediaItem"}, {name: "WAMessage"},
	{name: "WAMessageDataItem"}, {name: "WAMessageInfo"}, {name: "WAProfilePictureItem"}, {name: "WAProfilePushName"}, {name: "WAVCardMention"},
	{name: "WAZ1PaymentTransaction"}}

// waChat is a chat session with what messages need of it.
type waChat struct {
	pk, kind int
	jid      string
	members  []waMember
	sort     int
	last     int
	lastDate time.Time
}

type waMember struct {
	pk  int
	jid string
}

// waBook writes chats and messages.
type waBook struct {
	w     *world
	d     *db
	r     *rng
	m     *model
	art   *artwork
	chats []*waChat
}

func createWhatsApp(ctx context.Context, w *world) error {
	r := w.rng("whatsapp")
	art, err := newArtwork(w.rng("whatsapp artwork"), 6)
	if err != nil {
		return err
	}
	f := dbFile{path: w.path(whatsAppDomain, "ChatStorage.sqlite"), autoVacuum: 2, mtime: w.now.Add(-15 * time.Minute)}
	err = build(ctx, f, func(d *db) {
		d.schema("chatstorage.sql")
		b := &waBook{w: w, d: d, r: r, m: newModel(r, whatsAppEntities), art: art}
		b.makeChats()
		b.fill(w.n.chats, span{w.begin(), w.now.Add(-15 * time.Minute)})
		b.finish()
		b.m.writeTables(d, r, metadata{identifier: "2.12.14", extra: map[string]any{"wa.r": "8", "wa.futureproofVersion": 22300878}})
	})
	if err != nil {
		return err
	}
	if err := createWhatsAppContacts(ctx, w, r); err != nil {
		return err
	}
	if err := createWhatsAppLIDs(ctx, w, r); err != nil {
		return err
	}
	return createWhatsAppCalls(ctx, w, r)
}

// usesWhatsApp says who of the address book has it.
func usesWhatsApp(p person) bool { return p.index%2 == 0 }

// makeChats opens private chats, one of them under an opaque number, groups
// whose members include such numbers, and the status feed.
func (b *waBook) makeChats() {
	var users []person
	for _, p := range b.w.people {
		if usesWhatsApp(p) {
			users = append(users, p)
			b.chat(waPrivate, p.jid(), p.name())
			b.m.insert(b.d, "ZWAPROFILEPUSHNAME", "WAProfilePushName", "ZJID", p.jid(), "ZPUSHNAME", p.first)
		}
	}
	b.chat(waPrivate, users[1].lid, "~"+users[1].first)
	for g := range max(2, len(users)/8) {
		c := b.chat(waGroup, fmt.Sprintf("1203630%d@g.us", 10000000000+b.r.Int64N(80000000000)), pick(b.r, []string{"Neighbours", "Choir", "Parents", "Allotment"}))
		info := b.m.insert(b.d, "ZWAGROUPINFO", "WAGroupInfo", "ZSTATE", 0, "ZCHATSESSION", c.pk, "ZCREATIONDATE", cocoa(b.w.begin()),
			"ZSUBJECTTIMESTAMP", cocoa(b.w.begin()), "ZCREATORJID", users[0].jid(), "ZOWNERJID", users[0].jid())
		b.d.exec("UPDATE ZWACHATSESSION SET ZGROUPINFO=? WHERE Z_PK=?", info, c.pk)
		b.member(c, b.w.me.jid(), "", 1)
		for i := range 4 {
			p := users[(g+i)%len(users)]
			if i == 3 {
				b.member(c, p.lid, "", 0)
				continue
			}
			b.member(c, p.jid(), p.name(), flag(i == 0))
		}
	}
	b.chat(waStatus, "status@broadcast", "")
	b.d.exec("UPDATE ZWACHATSESSION SET ZARCHIVED=1 WHERE Z_PK=2")
	b.d.exec("UPDATE ZWACHATSESSION SET ZREMOVED=1 WHERE Z_PK=3")
	b.m.insert(b.d, "ZWABLACKLISTITEM", "WABlackListItem", "ZJID", "12025550199@s.whatsapp.net")
	pic := b.m.insert(b.d, "ZWAPROFILEPICTUREITEM", "WAProfilePictureItem", "ZREQUESTDATE", distantFuture, "ZJID", users[0].jid(),
		"ZPATH", "Media/Profile/"+strings.TrimSuffix(users[0].jid(), "@s.whatsapp.net")+"-1", "ZPICTUREID", "1")
	if b.d.err == nil && pic > 0 {
		rel := "Media/Profile/" + strings.TrimSuffix(users[0].jid(), "@s.whatsapp.net") + "-1"
		b.d.fail(b.w.write(whatsAppDomain, rel+".jpg", b.art.jpeg(b.r, 4096), b.w.begin()))
		b.d.fail(b.w.write(whatsAppDomain, rel+".thumb", b.art.jpegs[0], b.w.begin()))
	}
}

func (b *waBook) chat(kind int, jid, name string) *waChat {
	c := &waChat{kind: kind, jid: jid}
	c.pk = b.m.insert(b.d, "ZWACHATSESSION", "WAChatSession", "ZARCHIVED", 0, "ZCONTACTABID", 0, "ZFLAGS", 256, "ZHIDDEN", 0, "ZIDENTITYVERIFICATIONEPOCH", 0,
		"ZIDENTITYVERIFICATIONSTATE", 0, "ZMESSAGECOUNTER", 0, "ZREMOVED", 0, "ZSESSIONTYPE", kind, "ZSPOTLIGHTSTATUS", 1, "ZUNREADCOUNT", 0, "ZCONTACTJID", jid,
		"ZPARTNERNAME", name, "ZETAG", "pn")
	b.chats = append(b.chats, c)
	return c
}

func (b *waBook) member(c *waChat, jid, name string, admin int) {
	pk := b.m.insert(b.d, "ZWAGROUPMEMBER", "WAGroupMember", "ZCONTACTABID", 0, "ZISACTIVE", flag(!strings.HasSuffix(jid, "@lid")), "ZISADMIN", admin,
		"ZCHATSESSION", c.pk, "ZCONTACTNAME", name, "ZMEMBERJID", jid)
	if jid != b.w.me.jid() {
		c.members = append(c.members, waMember{pk, jid})
	}
}

// fill writes n messages; the first of each chat is a notice, then the kinds
// take turns: one of everything in every few dozen.
func (b *waBook) fill(n int, when span) {
	media := max(1, n/max(1, b.w.n.chatMedia))
	for i, at := range b.r.moments(n, when) {
		if b.d.err != nil {
			return
		}
		c := b.chats[i%len(b.chats)]
		if i >= 2*len(b.chats) {
			x := b.r.Float64()
			c = b.chats[int(x*x*float64(len(b.chats)))]
		}
		kind := waKindOf(i, media)
		for kind == waGroupEvent && c.kind != waGroup {
			c = pick(b.r, b.chats)
		}
		b.message(c, kind, at)
	}
}

// waKindOf chooses the kind of the i-th message.
func waKindOf(i, media int) int {
	rare := map[int]int{1: waSystem, 3: waContact, 5: waLocation, 7: waLink, 9: waDeleted, 11: waSticker, 13: waPoll, 15: waGroupEvent, 17: waDocument, 19: waVideo, 21: waGIF, 23: waAudio, 25: waImage, 27: waOnce, 29: waFuture, 31: waGroupEvent, 33: waGroupEvent}
	if kind, ok := rare[i%400]; ok {
		return kind
	}
	if i%media == media-1 {
		return []int{waImage, waImage, waAudio, waDocument, waImage, waVideo}[i/media%6]
	}
	return waText
}

// finish sets what sessions say of their last message.
func (b *waBook) finish() {
	for _, c := range b.chats {
		if c.last > 0 {
			b.d.exec("UPDATE ZWACHATSESSION SET ZLASTMESSAGE=?, ZLASTMESSAGEDATE=?, ZMESSAGECOUNTER=? WHERE Z_PK=?", c.last, cocoa(c.lastDate), c.sort, c.pk)
			b.d.exec("UPDATE ZWAMESSAGE SET ZLASTSESSION=CASE WHEN Z_PK=? THEN ? END WHERE ZCHATSESSION=? AND (ZLASTSESSION IS NOT NULL OR Z_PK=?)", c.last, c.pk, c.pk, c.last)
		}
	}
}

// message writes one message with its receipt or reactions and its media.
func (b *waBook) message(c *waChat, kind int, at time.Time) {
	r := b.r
	fromMe := r.chance(0.45) && kind != waSystem && kind != waGroupEvent && c.kind != waStatus
	pk, info := b.m.next("WAMessage"), b.m.next("WAMessageInfo")
	c.sort, c.last, c.lastDate = c.sort+1, pk, at
	stanza := fmt.Sprintf("3A%X", r.bytes(9))
	from, to, member := any(c.jid), any(nil), any(nil)
	sender := c.jid
	if kind == waSystem || kind == waGroupEvent {
		to = b.w.me.jid()
	}
	if fromMe {
		from, to, sender = nil, c.jid, b.w.me.jid()
	} else if c.kind == waGroup && kind != waGroupEvent && kind != waSystem {
		m := pick(r, c.members)
		member, sender = m.pk, m.jid
	}
	text, event := b.textOf(kind)
	if event == waLeft {
		member = pick(r, c.members).pk
	}
	media := b.media(c, pk, kind, stanza, sender, at)
	section := any(nil)
	if media != nil && kind != waText {
		section = at.Format("2006-01")
	}
	b.m.insertAs(b.d, "ZWAMESSAGE", "WAMessage", pk, "ZCHILDMESSAGESDELIVEREDCOUNT", 0, "ZCHILDMESSAGESPLAYEDCOUNT", 0, "ZCHILDMESSAGESREADCOUNT", 0,
		"ZDATAITEMVERSION", 3, "ZDOCID", pk, "ZENCRETRYCOUNT", 0, "ZFILTEREDRECIPIENTCOUNT", 0, "ZFLAGS", 1<<24, "ZGROUPEVENTTYPE", event, "ZISFROMME", flag(fromMe),
		"ZMESSAGEERRORSTATUS", 0, "ZMESSAGESTATUS", 8*flag(kind != waSystem && kind != waGroupEvent), "ZMESSAGETYPE", kind, "ZSORT", c.sort, "ZSPOTLIGHTSTATUS", -32768,
		"ZSTARRED", flag(pk%50 == 7), "ZCHATSESSION", c.pk, "ZGROUPMEMBER", member, "ZMEDIAITEM", media, "ZMESSAGEINFO", info, "ZMESSAGEDATE", cocoa(at),
		"ZSENTDATE", cocoa(at)+0.5, "ZFROMJID", from, "ZTOJID", to, "ZMEDIASECTIONID", section, "ZPUSHNAME", waPushName(b.w.me.jid(), fromMe, at), "ZSTANZAID", stanza, "ZTEXT", text)
	b.m.insertAs(b.d, "ZWAMESSAGEINFO", "WAMessageInfo", info, "ZMESSAGE", pk, "ZRECEIPTINFO", orBlob(b.receipt(c, fromMe, pk, at)))
	if kind == waLink {
		b.m.insert(b.d, "ZWAMESSAGEDATAITEM", "WAMessageDataItem", "ZINDEX", 0, "ZOWNSTHUMBNAIL", 0, "ZTYPE", 1, "ZMESSAGE", pk, "ZDATE", cocoa(at), "ZCHATJID", c.jid,
			"ZCONTENT1", "https://www.example.com/walks/ridge", "ZMATCHEDTEXT", "https://www.example.com/walks/ridge", "ZSENDERJID", sender, "ZTITLE", "The ridge walk",
			"ZSUMMARY", "Nine miles along the ridge.")
	}
}

// textOf is the text column and the event number of a message.
func (b *waBook) textOf(kind int) (text any, event int) {
	switch kind {
	case waText:
		if b.r.chance(0.04) {
			return pick(b.r, otherScripts), 0
		}
		return sentence(b.r), 0
	case waLink:
		return "Look: https://www.example.com/walks/ridge", 0
	case waSystem:
		return nil, 2
	case waGroupEvent:
		switch b.r.IntN(3) {
		case 0:
			return "Choir and cake", waRenamed
		case 1:
			return nil, waLeft
		}
		return nil, waCreated
	case waPoll:
		return "Which day suits?", 0
	}
	return nil, 0
}

// waPushName is what newer versions keep in ZPUSHNAME: base64 of {1 Unix time,
// 3 own JID if sent, 4 sent}.
func waPushName(me string, fromMe bool, at time.Time) string {
	var p pb
	p.varint(1, uint64(at.Unix()))
	if fromMe {
		p.str(3, me)
	}
	p.varint(4, uint64(flag(fromMe)))
	return base64.StdEncoding.EncodeToString(p)
}

// receipt is ZRECEIPTINFO. Sent messages say when they were sent and who got them:
// {2 {1 number, 4 and 5 seconds until it was delivered and read, 10 {1, 2}}, 2 {1 own
// number}, 3 Unix time, 4: 2}; a number is 81 and its digits as nibbles, F at the end.
// Some received ones have reactions: {4: 2, 7 {1 {1 stanza, 2 JID, 3 emoji} of others,
// 2 {1 stanza, 2 emoji, 3 Unix milliseconds, 4: 1} the owner's}}.
func (b *waBook) receipt(c *waChat, fromMe bool, pk int, at time.Time) []byte {
	var p pb
	switch {
	case fromMe:
		p.message(2, func(p *pb) {
			p.bytes(1, waNumber(b.w.people[0].phone()))
			p.varint(4, 0)
			p.varint(5, uint64(b.r.between(0, 40)))
			p.message(10, func(p *pb) { p.varint(1, 0); p.varint(2, 2) })
		})
		p.message(2, func(p *pb) { p.bytes(1, waNumber(b.w.me.phone())) })
		p.varint(3, uint64(at.Unix()))
		p.varint(4, 2)
	case pk%6 == 0:
		p.varint(4, 2)
		p.message(7, func(p *pb) {
			if len(c.members) > 0 {
				p.message(1, func(p *pb) {
					p.str(1, fmt.Sprintf("3A%X", b.r.bytes(9)))
					p.str(2, pick(b.r, c.members).jid)
					p.str(3, "🙏")
				})
			}
			p.message(2, func(p *pb) {
				p.str(1, fmt.Sprintf("3A%X", b.r.bytes(9)))
				p.str(2, pick(b.r, []string{"👍", "❤️", "😂"}))
				p.varint(3, uint64(at.Add(time.Minute).UnixMilli()))
				p.varint(4, 1)
			})
		})
	default:
		return nil
	}
	return p
}

func waNumber(e164 string) []byte {
	digits := strings.TrimPrefix(e164, "+") + "f"
	if len(digits)%2 == 1 {
		digits += "f"
	}
	out := []byte{0x81}
	for i := 0; i < len(digits); i += 2 {
		var n byte
		for _, c := range []byte(digits[i : i+2]) {
			n <<= 4
			if c == 'f' {
				n |= 0xf
			} else {
				n |= c - '0'
			}
		}
		out = append(out, n)
	}
	return out
}
