package fake

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/keepsake-backup/keepsake/schedule"
	"github.com/keepsake-backup/keepsake/service"
)

const (
	gib = 1 << 30
	mib = 1 << 20
)

// story is what a phone of the family is like.
type story struct {
	udid, name, model, product, ios, color string
	owner                                  int64
	capacity                               int64
	full                                   float64 // of capacity
	versions                               int
	last                                   time.Duration // since the last version
	rehearsed                              time.Duration // since the last rehearsal; 0 never
	tell                                   func(p *service.Phone, now time.Time)
}

// The UDIDs of the family that tests name.
const (
	Anna    = "00008130-001A31E41E8A001C"                // good
	Ben     = "00008110-000C59D20A82801E"                // a backup runs
	Clara   = "00008120-0006384C1EBB401E"                // wants its passcode
	David   = "00008030-00096D2E0E90802E"                // late: it is not on this network
	Kitchen = "00008103-001E4DA21A90C01E"                // waits for its charger
	Old     = "7d3c5b0e9a6f42d18c0b7e35a1f4926d8e0b3c57" // failed
	Reset   = "00008140-000A45C83C41801E"                // fresh: as after a factory reset
	Guest   = "00008101-000D29A41E08001E"                // fresh: never paired
)

var family = []story{
	{Anna, "Anna’s iPhone", "iPhone 15 Pro", "iPhone16,1", "26.1", "#4a5a6a", 1, 256 * gib, .62, 118, 9 * time.Hour, 6 * 24 * time.Hour, func(p *service.Phone, now time.Time) {
		p.State = service.State{Mood: service.Good, Text: "Backed up last night and verified.", Why: "The next one starts when the phone is unlocked on its charger."}
		p.Next, p.NextWhy = tomorrow(now, 1), "when it is unlocked on its charger"
		p.WiFi, p.BatteryPercent = true, 81
	}},
	{Ben, "Ben’s iPhone", "iPhone 13", "iPhone14,5", "18.6.2", "#8fa9c4", 2, 128 * gib, .81, 74, 32 * time.Hour, 20 * 24 * time.Hour, func(p *service.Phone, now time.Time) {
		p.State = service.State{Mood: service.Good, Text: "Backed up yesterday and verified."}
		p.Cable, p.BatteryPercent, p.Charging = true, 64, true
		p.Next, p.NextWhy = tomorrow(now, 1), "when it is on its charger, between 01:00 and 06:00"
		p.Policy.OnPower, p.Policy.Window = true, schedule.Window{From: 60, To: 360}
	}},
	{Clara, "Clara’s iPhone", "iPhone 14", "iPhone14,7", "26.0.1", "#d9c7e8", 3, 128 * gib, .44, 61, 75 * time.Hour, 25 * 24 * time.Hour, func(p *service.Phone, now time.Time) {
		p.State = service.State{Mood: service.Asking, Text: "A backup is due, and the phone asks for its passcode.", Do: "Clara: unlock the iPhone and enter the passcode when it asks for it.", Why: "Every iPhone with a passcode asks for it each time a backup starts. Nobody answered at 19:40; Keepsake asks again tomorrow, or when you press Back Up Now."}
		p.WiFi, p.BatteryPercent = true, 38
		p.Next, p.NextWhy = now.Add(22*time.Hour), "at the hour when the passcode is usually entered"
	}},
	{David, "David’s iPhone", "iPhone 11", "iPhone12,1", "18.5", "#b7403c", 4, 64 * gib, .93, 55, 9*24*time.Hour + 5*time.Hour, 38 * 24 * time.Hour, func(p *service.Phone, now time.Time) {
		p.State = service.State{Mood: service.Late, Text: "No verified backup for 9 days: the phone is not on this network.", Do: "David: come home, join the Wi-Fi “Lindenhof” and unlock the iPhone once, or plug it in here.", Why: "It was seen last on 14 November over Wi-Fi. After 30 days without contact a phone has to be plugged in by cable again."}
		p.LastSeen, p.BatteryPercent = now.Add(-9*24*time.Hour), -1
	}},
	{Kitchen, "Kitchen iPad", "iPad Air (5th generation)", "iPad13,16", "26.1", "#a9b4c0", 1, 64 * gib, .35, 40, 50 * time.Hour, 12 * 24 * time.Hour, func(p *service.Phone, now time.Time) {
		p.State = service.State{Mood: service.Waiting, Text: "Waits for its charger.", Why: "A backup is due since yesterday. It starts by itself when the iPad charges."}
		p.WiFi, p.BatteryPercent = true, 17
		p.Next, p.NextWhy = now.Add(7*time.Hour), "when it is on its charger"
		p.Policy.OnPower = true
	}},
	{Old, "Old iPhone (music)", "iPhone 8", "iPhone10,4", "16.7.12", "#2c2c2e", 2, 64 * gib, .71, 12, 16 * 24 * time.Hour, 0, func(p *service.Phone, now time.Time) {
		p.State = service.State{Mood: service.Failed, Text: "The backup password was changed on the phone.", Do: "Ben: type the new backup password here, under “Encrypt backup”.", Why: "The phone encrypts its backups with a password that Keepsake does not know. Older versions are safe and open with the old one."}
		p.WiFi, p.BatteryPercent, p.Charging = true, 100, true
		p.KnowsPassword = false
	}},
}

func tomorrow(now time.Time, hour int) time.Time {
	y, m, d := now.Date()
	return time.Date(y, m, d+1, hour, 0, 0, 0, now.Location())
}

// family fills the house with its six phones.
func (h *Household) family() {
	for i, s := range family {
		if h.o.Versions > 0 {
			s.versions = h.o.Versions
		}
		h.add(s, uint64(i))
	}
	if !h.o.Still {
		h.addFresh(h.o.Now())
	}
}

// crowd fills it with n phones, which are the family's many times over.
func (h *Household) crowd(n int) {
	for i := range n {
		s := family[i%len(family)]
		if i >= len(family) {
			s.udid = fmt.Sprintf("%08X-%016X", 0x8100+i, uint64(i)*0x9E3779B97F4A7C15)
			s.name = fmt.Sprintf("%s %d", s.name, i/len(family)+1)
		}
		if h.o.Versions > 0 {
			s.versions = h.o.Versions
		}
		h.add(s, uint64(i))
	}
}

// add makes a phone of s, with its versions.
func (h *Household) add(s story, seed uint64) {
	now := h.o.Now()
	rnd := rand.New(rand.NewPCG(seed, 5))
	p := &phone{password: "summer 1998"}
	p.Phone = service.Phone{
		UDID: s.udid, Name: s.name, Model: s.model, ProductType: s.product, IOS: s.ios, Color: s.color,
		Owner: s.owner, OwnerName: accounts[s.owner], Paired: true, WiFiOn: true, LastSeen: now,
		Encrypted: true, EncryptedKnown: true, KnowsPassword: true, Capacity: s.capacity,
		Storage: usage(s.capacity, s.full, rnd), Policy: schedule.Default(),
		Retention: service.Retention{Last: 3, Daily: 14, Weekly: 8, Monthly: 12, Yearly: 5}, DaysVerified: -1,
	}
	s.tell(&p.Phone, now)
	p.versions = someVersions(s, p.Phone, now, rnd)
	if s.rehearsed > 0 {
		p.LastRehearsal, p.RehearsalOK = now.Add(-s.rehearsed), true
	}
	p.sum()
	h.phones[p.UDID] = p
	h.order = append(h.order, p.UDID)
}

func (h *Household) addFresh(now time.Time) {
	for _, p := range []service.Phone{
		{UDID: Reset, Name: "iPhone", Model: "iPhone 16", ProductType: "iPhone17,3", IOS: "26.1", Color: "#e8e3d9", Cable: true, InSetup: true, LastSeen: now, BatteryPercent: 72, Charging: true, Capacity: 256 * gib, DaysVerified: -1,
			State: service.State{Mood: service.Asking, Text: "This iPhone is new or was reset: it shows its set-up.", Do: "Choose what to restore onto it, or go on with its set-up and pair it afterwards."}},
		{UDID: Guest, Name: "iPhone", Model: "iPhone 12 mini", ProductType: "iPhone13,1", IOS: "18.6", Color: "#31453a", Cable: true, LastSeen: now, BatteryPercent: 55, Charging: true, DaysVerified: -1,
			State: service.State{Mood: service.Asking, Text: "Plugged in, and not known here yet.", Do: "Press “Pair”, then tap Trust on the phone."}},
	} {
		p.Policy = schedule.Default()
		h.phones[p.UDID] = &phone{Phone: p, fresh: true}
		h.order = append(h.order, p.UDID)
	}
}

// usage divides what is used of capacity into kinds.
func usage(capacity int64, full float64, rnd *rand.Rand) []service.Usage {
	used := full * float64(capacity)
	parts := []struct {
		kind  string
		share float64
	}{{"Photos", .42}, {"Apps", .24}, {"Media", .09}, {"Messages", .06}, {"System", .13}, {"Other", .06}}
	var all []service.Usage
	for _, p := range parts {
		all = append(all, service.Usage{Kind: p.kind, Bytes: int64(used * p.share * (.8 + .4*rnd.Float64()))})
	}
	return all
}

// sum brings what Phone says of its versions up to date.
func (p *phone) sum() {
	p.Versions, p.Stored = len(p.versions), 0
	p.LastBackup, p.LastVerified = time.Time{}, time.Time{}
	for _, v := range p.versions {
		p.Stored += v.Added
		if v.Media {
			continue
		}
		if p.LastBackup.IsZero() {
			p.LastBackup = v.Time
		}
		if p.LastVerified.IsZero() && !v.Verified.IsZero() {
			p.LastVerified = v.Time
		}
	}
}
