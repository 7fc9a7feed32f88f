package appdata

import (
	"fmt"
	"strings"
	"time"
)

// oddMessages is how many messages [smsBook.oddities] adds, without those that
// need a newer release.
const oddMessages = 44

// editMessages are those of them that were edited or taken back (iOS 16).
const editMessages = 3

// oddBody is the release whose phones have one message with a body that is cut short.
// Those of the others can be read without a complaint.
const oddBody = 16

// oddities writes, over the three weeks before yesterday, one of everything
// that readers stumble over (content-schemas.md 3 and 14).
func (b *smsBook) oddities() {
	clock := b.w.now.AddDate(0, 0, -21)
	s := &script{b: b, next: func() time.Time { clock = clock.Add(10 * time.Hour); return clock }}
	s.texts()
	s.tapbacks()
	if b.w.major >= columnSince["date_edited"] {
		s.editing()
	}
	s.groupEvents()
	s.attachments()
	s.specials()
}

// script is a run of messages hours apart.
type script struct {
	b    *smsBook
	next func() time.Time
}

// in makes a received message with a body but no text column, in the first chat.
func (s *script) in(text string) message {
	return message{date: s.next(), handle: s.b.chats[0].handles[0], body: encodeBody(plainRuns(text), true), parts: 1}
}

// out makes the same, sent.
func (s *script) out(text string) message {
	return message{date: s.next(), fromMe: true, body: encodeBody(plainRuns(text), false), parts: 1}
}

// firstGroup is the place of a group among the chats.
func (b *smsBook) firstGroup() int {
	for i, c := range b.chats {
		if c.group {
			return i
		}
	}
	return 0
}

// texts: classes, length forms, scripts, attributes, and in one release a body cut short.
func (s *script) texts() {
	s.b.add(s.in("Plain text with no text column"))
	s.b.add(s.out(strings.Repeat("Two-byte length. ", 20)))
	s.b.add(s.in(longText(s.b.r, 70000)))
	s.b.add(s.in("Beyond the BMP: 𝒽𝑒𝓁𝓁𝑜 👩‍👩‍👧‍👦 🏴‍☠️"))
	s.b.add(s.in("مرحبا، هل نلتقي غدا؟ שלום"))
	m := s.out("")
	m.body = encodeBody([]textRun{{"Some ", bold(false)}, {"bold", bold(true)}, {" words", bold(false)}}, true)
	s.b.add(m)
	m = s.in("Nothing odd about this one")
	if s.b.w.major == oddBody {
		m.body = m.body[:60] // undecodable: must be reported as such, not as empty
	}
	s.b.add(m)
	m = s.in("With a subject")
	m.text, m.subject = "With a subject", "Saturday"
	s.b.add(m)
	m = s.out("This one never arrived")
	m.failure = 22
	s.b.add(m)
	m = s.out("Sent as a text message instead")
	m.service, m.downgraded = "SMS", true
	s.b.add(m)
	m = s.in("Not read yet")
	m.unread = true
	s.b.add(m)
}

func bold(yes bool) []attribute {
	if yes {
		return []attribute{{attrPart, tsInt(0)}, {attrBold, tsInt(1)}}
	}
	return []attribute{{attrPart, tsInt(0)}}
}

// tapbacks: given, taken back, changed, by several, and on a reply's part.
func (s *script) tapbacks() {
	const love, laugh, like, otherEmoji, remove = 2000, 2003, 2001, 2006, 1000
	target := s.b.add(s.out("React to this"))
	react := func(kind int, fromMe bool, emoji string) {
		m := s.in("Loved “React to this”")
		m.fromMe, m.target, m.targetType, m.targetLen, m.emoji = fromMe, "p:0/"+target, kind, len("React to this"), emoji
		if fromMe {
			m.handle = 0
		}
		s.b.add(m)
	}
	react(love, false, "")
	react(love+remove, false, "")
	react(laugh, false, "")
	react(like, true, "")
	if s.b.w.major >= 18 {
		react(otherEmoji, false, "🦔")
	}
	reply := s.in("A reply to that")
	reply.thread, reply.threadPart = target, fmt.Sprintf("0:0:%d", len("React to this"))
	s.b.add(reply)
	second := s.out("And an answer in the thread")
	second.thread, second.threadPart = target, reply.threadPart
	s.b.add(second)
}

// editing: twice edited, unsent, and one part of two taken back (iOS 16).
func (s *script) editing() {
	m := s.out("See you at six, by the clock")
	m.edited = m.date.Add(4 * time.Minute)
	m.summary = s.b.encode(map[string]any{"amc": 0, "ust": true,
		"otr": map[string]any{"0": map[string]any{"lo": 0, "le": 14}},
		"ec": map[string]any{"0": []any{
			s.version("See you at fiv", m.date), s.version("See you at six", m.date.Add(2*time.Minute)), s.version("See you at six, by the clock", m.edited)}}})
	s.b.add(m)
	m = s.out("")
	m.body, m.retracted, m.edited = nil, m.date.Add(time.Minute), m.date.Add(time.Minute)
	m.summary = s.b.encode(map[string]any{"amc": 0, "ust": true, "rp": []any{0}})
	s.b.add(m)
	m = s.in("")
	s.b.attachText(&m, "the picture is gone", file{name: "IMG_0404.jpeg", uti: "public.jpeg", mime: "image/jpeg", purged: true})
	m.edited = m.date.Add(time.Minute)
	m.summary = s.b.encode(map[string]any{"amc": 0, "ust": true, "rp": []any{0},
		"otr": map[string]any{"0": map[string]any{"lo": 0, "le": 1}, "1": map[string]any{"lo": 1, "le": 19}}})
	s.b.add(m)
}

// version is one state of an edited part.
func (s *script) version(text string, at time.Time) map[string]any {
	return map[string]any{"d": cocoa(at), "t": encodeBody(plainRuns(text), true)}
}

// groupEvents: rename, members added and removed, leaving, picture, mention.
func (s *script) groupEvents() {
	g := s.b.firstGroup()
	c := s.b.chats[g]
	event := func(kind, action, other int, title string) {
		s.b.add(message{chat: g, date: s.next(), handle: c.handles[0], itemType: kind, action: action, other: other, title: title})
	}
	event(2, 0, 0, "Hill walkers 🥾")
	event(1, 0, c.handles[1], "")
	event(1, 1, c.handles[1], "")
	event(3, 0, 0, "")
	event(3, 1, 0, "")
	event(6, 0, 0, "")
	s.b.add(message{chat: g, date: s.next(), handle: c.handles[0], itemType: 4, share: 1})
	m := s.in("")
	m.chat, m.handle = g, c.handles[1]
	m.body = encodeBody([]textRun{{"Ask ", []attribute{{attrPart, tsInt(0)}}},
		{s.b.w.me.first, []attribute{{attrPart, tsInt(0)}, {attrMention, s.b.w.me.phone()}}},
		{" about it", []attribute{{attrPart, tsInt(0)}}}}, true)
	s.b.add(m)
}

// attachments: several in one message, a folder, a purged one, one whose file
// is missing, other path forms, a sticker.
func (s *script) attachments() {
	b, r := s.b, s.b.r
	photo := func(name string) file {
		return file{name: name, uti: "public.jpeg", mime: "image/jpeg", data: b.art.jpeg(r, b.w.n.minFile)}
	}
	send := func(text string, files ...file) message {
		m := s.in("")
		if text == "" {
			b.attach(&m, files...)
		} else {
			b.attachText(&m, text, files...)
		}
		return m
	}
	b.add(send("Two from today", photo("IMG_0001.jpeg"), file{name: "Zugverbindung für Anaïs.png", uti: "public.png", mime: "image/png", data: b.art.png(r, b.w.n.minFile)}))
	b.add(send("", photo("IMG_0001.jpeg"))) // a name that is there already
	b.add(send("", file{name: "6F1C2D3E.pluginPayloadAttachment", uti: "com.apple.messages.pluginPayloadAttachment",
		members: map[string][]byte{"Info.plist": b.encode(map[string]any{"version": 1}), "Data/preview.jpeg": b.art.jpeg(r, 2048)}}))
	b.add(send("", file{name: "IMG_0777.jpeg", uti: "public.jpeg", mime: "image/jpeg", purged: true}))
	gone := photo("IMG_0778.jpeg")
	gone.absent = true
	b.add(send("", gone))
	other := photo("IMG_0779.jpeg")
	other.varPath = true
	b.add(send("", other))
	m := send("", voiceMessage(r))
	m.audio = true
	kept := b.add(m)
	b.add(message{date: s.next(), fromMe: true, itemType: 5, target: kept})
	sticker := file{name: "sticker.png", uti: "public.png", mime: "image/png", data: b.art.png(r, 2048), sticker: true}
	m = send("", sticker)
	m.target, m.targetType, m.targetLen = "p:0/"+kept, 1000, 1
	b.add(m)
	b.add(send("", contactFile(b.w.people[1])))
}

// specials: link preview, app balloon, effects, Recently Deleted, and kinds
// of message that newer releases have.
func (s *script) specials() {
	b := s.b
	url := "https://www.example.com/walks/ridge"
	m := s.in("")
	b.attach(&m, file{name: "A1B2C3D4.pluginPayloadAttachment", uti: "dyn.age80s52", data: b.art.jpeg(b.r, 4096), hidden: true})
	m.body = encodeBody([]textRun{{url, []attribute{{attrPart, tsInt(0)}, {attrLink, link(url)}}}}, true)
	m.balloon, m.payload, m.parts = "com.apple.messages.URLBalloonProvider", b.linkPreview(url), 1
	b.add(m)
	m = s.in("\ufffd")
	m.balloon = "com.apple.messages.MSMessageExtensionBalloonPlugin:0000000000:org.example.chess.messages"
	b.add(m)
	for _, effect := range []string{"com.apple.MobileSMS.expressivesend.invisibleink", "com.apple.messages.effect.CKConfettiEffect"} {
		m = s.out("Surprise!")
		m.effect = effect
		b.add(m)
	}
	m = s.in("Deleted, but not for good")
	if b.w.major >= recoverableSince {
		m.recovered = m.date.Add(24 * time.Hour)
	}
	b.add(m)
	if b.w.major >= 18 {
		m = s.in("Sent over RCS")
		m.service = "RCS"
		b.add(m)
		b.add(s.out("To be sent on Sunday"))
		b.d.exec("UPDATE message SET schedule_type=2, schedule_state=1 WHERE ROWID=?", b.lastMsg)
	}
}

// linkPreview is the payload of a URL balloon: a keyed archive of its metadata.
func (b *smsBook) linkPreview(url string) []byte {
	a := newArchive()
	address := a.object([]string{"NSURL", "NSObject"}, field{"NS.base", a.add("")}, field{"NS.relative", a.add(url)})
	meta := a.object([]string{"LPLinkMetadata", "NSObject"}, field{"URL", address}, field{"originalURL", address},
		field{"title", a.add("The ridge walk")}, field{"summary", a.add("Nine miles along the ridge, with two places to rest.")})
	root := a.object([]string{"RichLink", "NSObject"}, field{"richLinkMetadata", meta}, field{"richLinkIsPlaceholder", false})
	out, err := a.encode(root)
	b.d.fail(err)
	return out
}
