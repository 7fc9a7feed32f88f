package appdata

import (
	"fmt"
	"strings"
	"time"
)

// Word lists. Given names are plants and weather, family names places in a
// landscape: plausible as names, nobody's in particular.
var (
	givenNames = strings.Fields(`Alder Amaryllis Aspen Aster Basil Bay Birch Briar Bryony Calla Cedar Celandine Clover
		Cosmo Cypress Dahlia Daisy Elder Fennel Fern Flora Forrest Gale Hazel Heath Heather Holly Iris Ivy Jasmine
		Jasper Juniper Laurel Lark Linden Lily Lotus Magnolia Maple Marigold Moss Myrtle Oleander Olive Pansy Perry
		Poppy Primrose Reed River Robin Rowan Rue Saffron Sage Senna Sorrel Storm Tamar Tansy Teasel Thistle Valerian
		Violet Willow Winter Wren Yarrow Zinnia`)
	familyNames = strings.Fields(`Ashdown Bankside Beckworth Blackmoor Bridgeford Broadleaf Brookfield Burnside Cairnwell
		Calderstone Cliffe Coldwater Copseley Coombes Cragwell Dalewood Deepmere Downham Eastcote Fairlea Farfield Fenwick
		Fieldgate Foxcombe Glenmore Greenhalgh Grovely Hartwell Hawksmere Heathcote Highcroft Hillyard Hollins Islay
		Kirkby Lakeman Langdale Leafield Longacre Lowmoor Marshwood Meadowcroft Millbank Moorgate Northcott Oakhurst
		Orchardson Overstrand Parkmore Pinewood Quarryman Ridgeway Riverton Sandford Shoreham Southgate Stanmore Stoneleigh
		Thornbury Underhill Valedale Waterfield Westbrook Wetherby Whinfield Woodrow Yewdale`)
	companies = strings.Fields(`Bluewater Copperline Evergreen Fernhill Granite Harbour Lantern Northlight Orchard
		Pebble Quill Ridgeline Saltmarsh Tidewater Umbra Windmill`)
	jobTitles = []string{"Gardener", "Translator", "Electrician", "Teacher", "Nurse", "Surveyor", "Baker", "Librarian", "Carpenter", "Analyst"}
	streets   = []string{"Mill Lane", "Station Road", "Harbour Street", "Orchard Way", "Chapel Hill", "Quarry Road", "Lakeside Drive"}
	cities    = []city{{"Springvale", "CA", "90099", "United States", "us"}, {"Rivermouth", "NY", "10099", "United States", "us"},
		{"Hilltop", "TX", "75099", "United States", "us"}, {"Fernbridge", "", "ZZ99 9ZZ", "United Kingdom", "gb"}}
)

type city struct{ name, state, zip, country, code string }

// areaCodes are combined with 555-0100 … 555-0199, the numbers that the North
// American plan reserves for fiction.
var areaCodes = []string{"202", "212", "213", "303", "305", "312", "404", "415", "503", "617", "702", "808"}

// person is a contact of the phone, or (as world.me) its owner.
type person struct {
	index       int // place in world.people; ABPerson.ROWID − 1 for the first card
	first, last string
	middle      string
	nick        string
	company     string // set: the card is an organisation
	job         string
	phones      []string // E.164
	mails       []string
	street      string
	city        city
	birthday    time.Time // zero: unknown; year 1604: year unknown
	note        string
	guid        string // ABPerson.guid, also WhatsApp's ZIDENTIFIER
	personID    string // sms.db handle.person_centric_id
	lid         string // WhatsApp's opaque number
}

// name is the name as shown.
func (p person) name() string {
	if p.company != "" {
		return p.company
	}
	return strings.TrimSpace(p.first + " " + p.last)
}

// phone is the first number, mail the first address; every person has both.
func (p person) phone() string { return p.phones[0] }
func (p person) mail() string  { return p.mails[0] }

// jid is the WhatsApp address.
func (p person) jid() string { return strings.TrimPrefix(p.phone(), "+") + "@s.whatsapp.net" }

// noYear is the year Apple stores when a birthday has none.
const noYear = 1604

func makePeople(r *rng, n int, now time.Time) (me person, all []person) {
	me = makePerson(r, 0, now)
	me.first, me.last, me.company = "Rowan", "Keeper", ""
	me.phones, me.mails = []string{"+15555550100"}, []string{"rowan.keeper@example.com"}
	used := map[string]bool{}
	all = make([]person, n)
	for i := range all {
		p := makePerson(r, i, now)
		for used[p.first+p.last] {
			p.first, p.last = pick(r, givenNames), pick(r, familyNames)
		}
		used[p.first+p.last] = true
		p.mails[0] = strings.ToLower(p.first+"."+p.last) + "@" + mailHost(i)
		all[i] = p
	}
	return me, all
}

func makePerson(r *rng, i int, now time.Time) person {
	p := person{index: i, first: pick(r, givenNames), last: pick(r, familyNames), guid: r.guid(), personID: r.guid()}
	p.phones = []string{fictionNumber(i)}
	p.mails = []string{""}
	p.lid = fmt.Sprintf("%d@lid", 100_000_000_000_000+r.Int64N(800_000_000_000_000))
	p.street, p.city = fmt.Sprintf("%d %s", r.between(1, 99), pick(r, streets)), pick(r, cities)
	born := now.AddDate(-r.between(18, 80), 0, -r.IntN(365))
	switch {
	case i%5 == 1:
		p.birthday = time.Date(noYear, born.Month(), min(born.Day(), 28), 12, 0, 0, 0, time.UTC)
	case i%3 == 0:
		p.birthday = time.Date(born.Year(), born.Month(), born.Day(), 12, 0, 0, 0, time.UTC)
	}
	if r.chance(0.25) {
		p.nick = p.first[:min(3, len(p.first))]
	}
	if r.chance(0.2) {
		p.middle = pick(r, givenNames)
	}
	if r.chance(0.3) {
		p.job = pick(r, jobTitles)
	}
	if r.chance(0.3) {
		p.phones = append(p.phones, fmt.Sprintf("+447700900%03d", i%1000))
	}
	if r.chance(0.3) {
		p.mails = append(p.mails, fmt.Sprintf("contact%d@example.org", i))
	}
	if r.chance(0.15) {
		p.note = "Met at the " + pick(r, places) + "."
	}
	if i%11 == 7 {
		p.company = pick(r, companies) + " " + pick(r, []string{"Works", "Studio", "Supplies", "Clinic"})
	}
	return p
}

func mailHost(i int) string {
	if i%3 == 0 {
		return "example.org"
	}
	return "example.com"
}

// fictionNumber gives a distinct reserved number for i up to 1,199.
func fictionNumber(i int) string {
	return fmt.Sprintf("+1%s55501%02d", areaCodes[i/100%len(areaCodes)], i%100)
}

// displayNumber writes a North American number the way people type it.
func displayNumber(e164 string, style int) string {
	if len(e164) != 12 || !strings.HasPrefix(e164, "+1") {
		return e164
	}
	a, b, c := e164[2:5], e164[5:8], e164[8:]
	switch style % 4 {
	case 0:
		return "(" + a + ") " + b + "-" + c
	case 1:
		return "+1 (" + a + ") " + b + "-" + c
	case 2:
		return a + "-" + b + "-" + c
	}
	return e164
}
