package contacts_test

import (
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/contacts"
	"github.com/keepsake-backup/keepsake/extract/extracttest"
)

// What follows asks sqlite3 for what testdata/cards.sql does not, with queries written
// from content-schemas.md 1 and nothing else.

type value = extracttest.Value[*contacts.Card]

// plain is the value of a text column of a card.
func plain(column string, give func(*contacts.Card) string) value {
	return value{Name: column, Needs: "ABPerson." + column, SQL: "trim(ifnull(p." + column + ", ''))", Give: give}
}

// parts is the value of those of a property that have parts: their labels, and their
// parts by name.
func parts(property string, give func(*contacts.Card) []string) value {
	return value{Name: "property " + property, SQL: `ifnull((SELECT group_concat(x, ';') FROM (SELECT replace(replace(ifnull((SELECT value FROM ABMultiValueLabel l WHERE l.rowid = v.label), ''), '_$!<', ''), '>!$_', '')
		|| ':' || ifnull((SELECT group_concat(y, ',') FROM (SELECT lower(k.value) || '=' || e.value AS y FROM ABMultiValueEntry e JOIN ABMultiValueEntryKey k ON k.rowid = e.key WHERE e.parent_id = v.UID ORDER BY 1)), '') AS x
		FROM ABMultiValue v WHERE v.record_id = p.ROWID AND v.property = ` + property + ` ORDER BY v.identifier, v.UID)), '')`, Give: func(c *contacts.Card) string { return strings.Join(give(c), ";") }}
}

func pairs(label string, list ...string) string {
	var have []string
	for i := 0; i < len(list); i += 2 {
		if list[i+1] != "" {
			have = append(have, list[i]+"="+list[i+1])
		}
	}
	slices.Sort(have)
	return label + ":" + strings.Join(have, ",")
}

func profiles(list []contacts.Profile) (lines []string) {
	for _, p := range list {
		lines = append(lines, pairs(p.Label.Label, "service", p.Service, "username", p.User, "url", p.URL, "identifier", p.Identifier, "displayname", p.Shown, "bundleidentifiers", p.Bundle))
	}
	return lines
}

var values = []value{
	plain("Prefix", func(c *contacts.Card) string { return c.Prefix }),
	plain("Middle", func(c *contacts.Card) string { return c.Middle }),
	plain("Suffix", func(c *contacts.Card) string { return c.Suffix }),
	plain("Nickname", func(c *contacts.Card) string { return c.Nickname }),
	plain("PreviousFamilyName", func(c *contacts.Card) string { return c.PreviousFamily }),
	plain("FirstPhonetic", func(c *contacts.Card) string { return c.PhoneticFirst }),
	plain("MiddlePhonetic", func(c *contacts.Card) string { return c.PhoneticMiddle }),
	plain("LastPhonetic", func(c *contacts.Card) string { return c.PhoneticLast }),
	plain("OrganizationPhonetic", func(c *contacts.Card) string { return c.PhoneticOrganization }),
	plain("FirstPronunciation", func(c *contacts.Card) string { return c.SpokenFirst }),
	plain("MiddlePronunciation", func(c *contacts.Card) string { return c.SpokenMiddle }),
	plain("LastPronunciation", func(c *contacts.Card) string { return c.SpokenLast }),
	plain("OrganizationPronunciation", func(c *contacts.Card) string { return c.SpokenOrganization }),
	plain("Department", func(c *contacts.Card) string { return c.Department }),
	plain("AlternateBirthday", func(c *contacts.Card) string { return c.AlternateBirthday }),
	plain("ImageType", func(c *contacts.Card) string { return c.PictureKind }),
	{Name: "kind", SQL: "CASE p.Kind WHEN 1 THEN 'yes' ELSE '' END", Give: func(c *contacts.Card) string { return extract.YesNo(c.Organisation) }},
	{Name: "account", SQL: `(SELECT CASE WHEN s.Type = 0 THEN 'On this phone' WHEN s.ExternalIdentifier LIKE '%/carddavhome/%' THEN 'iCloud' WHEN s.ExternalIdentifier LIKE '/carddav/v1/principals/%' THEN 'Google' ELSE s.Name END
		FROM ABStore s WHERE s.ROWID = p.StoreID)`, Give: func(c *contacts.Card) string { a, _, _ := strings.Cut(c.Account, " ("); return a }},
	{Name: "dates", SQL: `ifnull((SELECT group_concat(x, ';') FROM (SELECT CASE strftime('%Y', v.value + 978307200, 'unixepoch') WHEN '1604' THEN strftime('--%m-%d', v.value + 978307200, 'unixepoch')
		ELSE strftime('%Y-%m-%d', v.value + 978307200, 'unixepoch') END AS x FROM ABMultiValue v WHERE v.record_id = p.ROWID AND v.property = 12 ORDER BY v.identifier, v.UID)), '')`, Give: func(c *contacts.Card) string {
		var list []string
		for _, d := range c.Dates {
			list = append(list, d.Date.String())
		}
		return strings.Join(list, ";")
	}},
	parts("5", func(c *contacts.Card) (lines []string) {
		for _, a := range c.Addresses {
			lines = append(lines, pairs(a.Label.Label, "street", a.Street, "sublocality", a.SubLocality, "city", a.City, "subadministrativearea", a.District, "state", a.State,
				"zip", a.ZIP, "country", a.Country, "countrycode", a.CountryCode))
		}
		return lines
	}),
	parts("13", func(c *contacts.Card) []string { return profiles(c.Messaging) }),
	parts("46", func(c *contacts.Card) []string { return profiles(c.Social) }),
	{Name: "what else", SQL: "(SELECT count(*) FROM ABMultiValue v WHERE v.record_id = p.ROWID AND v.property NOT IN (3, 4, 5, 12, 13, 22, 23, 46))", Give: func(c *contacts.Card) string { return string(rune('0' + len(c.Other))) }},
}

// checkValues holds every card against sqlite3, column by column, and the counts of
// groups and accounts.
func checkValues(t *testing.T, fsys fs.FS, all *extracttest.Collector) {
	t.Helper()
	cards := map[string]*contacts.Card{}
	for _, r := range all.Records {
		c := r.(*contacts.Contact)
		for i := range c.Parts {
			cards[c.Parts[i].GUID] = &c.Parts[i]
		}
		if c.Parts == nil {
			cards[c.GUID] = &c.Card
		}
	}
	extracttest.Values(t, fsys, book, "p.guid", "FROM ABPerson p", cards, values)
	groups, err := contacts.New().Groups(t.Context(), extracttest.Source(t, fsys))
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]string{}
	for _, g := range groups {
		counts[g.Key] = string(rune('0'+g.Count/10)) + string(rune('0'+g.Count%10))
	}
	// Linked cards count once.
	for _, row := range extracttest.SQL(t, fsys, book, `WITH who AS (SELECT ROWID AS id, StoreID, CASE WHEN PersonLink >= 0 THEN 'l' || PersonLink ELSE ROWID END AS one FROM ABPerson)
		SELECT g.guid, printf('%02d', (SELECT count(DISTINCT one) FROM ABGroupMembers m JOIN who ON who.id = m.member_id WHERE m.group_id = g.ROWID AND m.member_type = 0)) FROM ABGroup g
		UNION ALL SELECT 'store:' || s.guid, printf('%02d', n) FROM (SELECT StoreID, count(DISTINCT one) AS n FROM who GROUP BY 1) JOIN ABStore s ON s.ROWID = StoreID`) {
		if counts[row[0]] != row[1] {
			t.Errorf("group %s has %s, sqlite3 %s", row[0], counts[row[0]], row[1])
		}
	}
}
