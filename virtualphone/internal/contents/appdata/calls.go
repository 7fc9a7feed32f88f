package appdata

import (
	"context"
	"fmt"
	"time"

	"github.com/keepsake-backup/keepsake/internal/plist"
)

const (
	callHistory     = "Library/CallHistoryDB/CallHistory.storedata"
	callHistoryTemp = "Library/CallHistoryDB/CallHistoryTemp.storedata"
	callHistoryInfo = "Library/CallHistoryDB/com.apple.callhistory.databaseInfo.plist"
)

// Values of ZCALLRECORD.ZCALLTYPE (content-schemas.md 4).
const (
	callThirdParty    = 0
	callPhone         = 1
	callFaceTimeVideo = 8
	callFaceTimeAudio = 16
)

// callEntities: the number of CallRecord is part of a table's name.
var callEntities = []entity{{name: "CallDBProperties"}, {name: "CallMigrationState", optional: true}, {name: "CallRecord"},
	{name: "EmergencyMediaItem", optional: true}, {name: "Handle"}}

func createCalls(ctx context.Context, w *world) error {
	r := w.rng("calls")
	when := span{w.begin(), w.now.Add(-2 * time.Hour)}
	if err := callStore(ctx, w, r, callHistory, w.n.calls, when); err != nil {
		return err
	}
	// Calls before the first unlock wait in a second database of the same form.
	if err := callStore(ctx, w, r, callHistoryTemp, 1, span{w.now.Add(-90 * time.Minute), w.now.Add(-80 * time.Minute)}); err != nil {
		return err
	}
	info, err := plist.Marshal(map[string]any{"version": 46}, plist.Binary)
	if err != nil {
		return err
	}
	return w.write(homeDomain, callHistoryInfo, info, w.begin())
}

func callStore(ctx context.Context, w *world, r *rng, rel string, n int, when span) error {
	f := dbFile{path: w.path(homeDomain, rel), autoVacuum: 2, mtime: when.to}
	return build(ctx, f, func(d *db) {
		d.schema("callhistory.sql")
		m := newModel(r, callEntities)
		c := &callBook{w: w, d: d, r: r, m: m}
		calls, handles := c.columns()
		d.exec(fmt.Sprintf("CREATE TABLE Z_%[1]dREMOTEPARTICIPANTHANDLES ( %[2]s INTEGER, %[3]s INTEGER, PRIMARY KEY (%[2]s, %[3]s) )",
			m.num["CallRecord"], calls, handles))
		for i, at := range r.moments(n, when) {
			c.add(i, at)
		}
		c.odd(rel, when)
		m.insert(d, "ZCALLDBPROPERTIES", "CallDBProperties", "ZTIMER_ALL", 3600.0, "ZTIMER_INCOMING", 1800.0, "ZTIMER_LAST", 42.0,
			"ZTIMER_LIFETIME", 36000.0, "ZTIMER_OUTGOING", 1800.0)
		m.writeTables(d, r, metadata{})
	})
}

// callBook writes calls.
type callBook struct {
	w *world
	d *db
	r *rng
	m *model
}

// columns names the two columns of the table that joins calls and participants.
func (c *callBook) columns() (calls, handles string) {
	return fmt.Sprintf("Z_%dREMOTEPARTICIPANTCALLS", c.m.num["CallRecord"]), fmt.Sprintf("Z_%dREMOTEPARTICIPANTHANDLES", c.m.num["Handle"])
}

// add writes a call; i cycles through the kinds, rare ones included.
func (c *callBook) add(i int, at time.Time) {
	r := c.r
	p := pick(r, c.w.people)
	kind, provider, address, name := callPhone, "com.apple.Telephony", any(p.phone()), any(p.name())
	participants := []string{p.phone()}
	switch i % 10 {
	case 3:
		kind, provider = callFaceTimeVideo, "com.apple.FaceTime"
	case 5:
		kind, provider, address, participants = callFaceTimeAudio, "com.apple.FaceTime", p.mail(), []string{p.mail()}
	case 7:
		kind, provider = callThirdParty, "net.whatsapp.WhatsApp"
	case 8: // withheld number
		address, name, participants = nil, nil, nil
	case 9: // group call
		kind, provider, name = callFaceTimeVideo, "com.apple.FaceTime", nil
		for _, q := range c.w.people[:2] {
			if q.index != p.index {
				participants = append(participants, q.phone())
			}
		}
	}
	outgoing, answered := r.chance(0.5), r.chance(0.8)
	seconds, cause := 0.0, 0
	if outgoing || answered {
		seconds = float64(r.between(3, 2400)) + r.Float64()
	}
	if !outgoing && !answered {
		cause = 6
	}
	pk := c.m.insert(c.d, "ZCALLRECORD", "CallRecord", "ZANSWERED", flag(!outgoing && answered), "ZCALL_CATEGORY", 1, "ZCALLTYPE", kind,
		"ZDISCONNECTED_CAUSE", cause, "ZFACE_TIME_DATA", faceTimeBytes(kind, r), "ZFILTERED_OUT_REASON", 0, "ZHANDLE_TYPE", 2, "ZHASMESSAGE", 0,
		"ZJUNKCONFIDENCE", 0, "ZNUMBER_AVAILABILITY", 0, "ZORIGINATED", flag(outgoing), "ZREAD", flag(outgoing || answered || i%3 > 0),
		"ZVERIFICATIONSTATUS", 0, "ZWASEMERGENCYCALL", 0, "ZDATE", cocoa(at)+0.25, "ZDURATION", seconds, "ZADDRESS", address,
		"ZISO_COUNTRY_CODE", "us", "ZLOCATION", "United States", "ZNAME", name, "ZSERVICE_PROVIDER", provider, "ZUNIQUE_ID", r.guid(),
		"ZPARTICIPANTGROUPUUID", r.bytes(16))
	calls, handles := c.columns()
	for _, value := range participants {
		h := c.m.insert(c.d, "ZHANDLE", "Handle", "ZTYPE", 2, "ZNORMALIZEDVALUE", value, "ZVALUE", value)
		c.d.insert(fmt.Sprintf("Z_%dREMOTEPARTICIPANTHANDLES", c.m.num["CallRecord"]), calls, pk, handles, h)
	}
}

// odd adds what is rare: a call that both databases have, one that was rejected, one
// that an app has blocked, one to an emergency number, and addresses as bytes, as they
// were before iOS 12 and stay in phones that were updated since.
func (c *callBook) odd(rel string, when span) {
	r := c.w.rng("odd calls")
	p := c.w.people[0]
	call := func(outgoing, answered bool, seconds float64, at any, kv ...any) {
		c.m.insert(c.d, "ZCALLRECORD", "CallRecord", append([]any{"ZCALL_CATEGORY", 1, "ZCALLTYPE", callPhone, "ZHANDLE_TYPE", 2, "ZREAD", 1, "ZANSWERED", flag(answered),
			"ZORIGINATED", flag(outgoing), "ZDATE", at, "ZDURATION", seconds, "ZISO_COUNTRY_CODE", "us", "ZSERVICE_PROVIDER", "com.apple.Telephony"}, kv...)...)
	}
	from := cocoa(when.from)
	call(false, true, 61.5, from+1, "ZUNIQUE_ID", r.guid(), "ZADDRESS", []byte(p.phone()), "ZNAME", p.name())
	if rel != callHistory {
		return
	}
	call(false, false, 0, from+2, "ZUNIQUE_ID", r.guid(), "ZADDRESS", p.phone(), "ZDISCONNECTED_CAUSE", 6)
	call(false, false, 0, from+3, "ZUNIQUE_ID", r.guid(), "ZADDRESS", "+12025550199", "ZBLOCKEDBYEXTENSION", "com.example.blocker", "ZFILTERED_OUT_REASON", 1, "ZJUNKCONFIDENCE", 2)
	call(true, false, 33, from+4, "ZUNIQUE_ID", r.guid(), "ZADDRESS", "911", "ZWASEMERGENCYCALL", 1)
	call(false, false, 0, nil, "ZADDRESS", p.phone()) // neither a date nor an id
}

func faceTimeBytes(kind int, r *rng) any {
	if kind == callFaceTimeVideo || kind == callFaceTimeAudio {
		return r.between(100_000, 90_000_000)
	}
	return nil
}

func liveCalls(ctx context.Context, w *world, sp span) error {
	r := w.rng("calls live " + sp.label())
	return liveUpdate(ctx, w, homeDomain, callHistory, sp, r, func(d *db) {
		m := loadModel(d)
		c := &callBook{w: w, d: d, m: m, r: w.rng(fmt.Sprintf("calls live %s after %d", sp.label(), m.last["CallRecord"]))}
		for i, at := range c.r.moments(2+w.n.calls/100, sp) {
			c.add(i, at)
		}
		m.saveMax(d)
	})
}
