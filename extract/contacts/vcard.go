package contacts

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/keepsake-backup/keepsake/extract/ical"
)

// vCard 4.0 is RFC 6350, 3.0 is RFC 2426. Lines have the form of those of iCalendar
// (folded at 75 bytes between letters, CRLF), which [ical.Writer] writes. What neither
// knows is written as Apple's own programs do, which Google and others read, too:
//
//	item1.TEL;TYPE=VOICE:+1 202 555 0100
//	item1.X-ABLabel:_$!<Main>!$_               a label of the phone's own
//	item2.X-ABDATE;X-APPLE-OMIT-YEAR=1604:1604-05-03
//	item2.X-ABLabel:First swim                 a label of the owner's
type vcard struct {
	four  bool // 4.0, else 3.0
	buf   bytes.Buffer
	w     *ical.Writer
	items int
}

func newVCard(four bool) *vcard {
	v := &vcard{four: four}
	v.w = ical.NewWriter(&v.buf)
	return v
}

// encode gives the card of a contact with its picture, which may be nil. What it gives
// is good until the next one.
func (v *vcard) encode(c *Contact, kind string, picture []byte) ([]byte, error) {
	v.buf.Reset()
	v.items = 0
	v.w.Begin("VCARD")
	version := "3.0"
	if v.four {
		version = "4.0"
	}
	v.w.Line("VERSION", version)
	v.w.Line("PRODID", "-//Keepsake//Contacts//EN")
	v.identity(c)
	v.names(c)
	v.reach(c)
	v.days(c)
	v.people(c)
	v.rest(c)
	v.photo(kind, picture)
	v.w.End("VCARD")
	err := v.w.Flush()
	return v.buf.Bytes(), err
}

func (v *vcard) identity(c *Contact) {
	switch _, err := uuid.Parse(c.Key); {
	case !v.four:
		v.text("UID", c.Key)
	case err == nil && len(c.Key) == 36:
		v.w.Line("UID", "urn:uuid:"+c.Key)
	default:
		v.text("UID", c.Key, "VALUE", "text")
	}
	if v.four {
		v.w.Line("KIND", map[bool]string{true: "org", false: "individual"}[c.Organisation])
		if !c.Created.IsZero() {
			v.w.Line("CREATED", c.Created.UTC().Format("20060102T150405Z")) // RFC 9554
		}
	}
	if !c.Modified.IsZero() {
		v.w.Line("REV", c.Modified.UTC().Format("20060102T150405Z"))
	}
}

func (v *vcard) names(c *Contact) {
	name := v.escape(c.Name)
	if strings.TrimSpace(name) == "" {
		name = noName
	}
	v.w.Line("FN", name)
	v.w.Line("N", v.parts(c.Last, c.First, c.Middle, c.Prefix, c.Suffix))
	v.text("NICKNAME", c.Nickname)
	v.text("X-MAIDENNAME", c.PreviousFamily)
	v.text("X-PHONETIC-FIRST-NAME", c.PhoneticFirst)
	v.text("X-PHONETIC-MIDDLE-NAME", c.PhoneticMiddle)
	v.text("X-PHONETIC-LAST-NAME", c.PhoneticLast)
	v.text("X-PHONETIC-ORG", c.PhoneticOrganization)
	v.text("X-PRONUNCIATION-FIRST-NAME", c.SpokenFirst)
	v.text("X-PRONUNCIATION-MIDDLE-NAME", c.SpokenMiddle)
	v.text("X-PRONUNCIATION-LAST-NAME", c.SpokenLast)
	v.text("X-PRONUNCIATION-ORG", c.SpokenOrganization)
	switch {
	case c.Department != "":
		v.w.Line("ORG", v.parts(c.Organization, c.Department))
	case c.Organization != "":
		v.w.Line("ORG", v.parts(c.Organization))
	}
	v.text("TITLE", c.JobTitle)
	if c.Organisation {
		v.w.Line("X-ABShowAs", "COMPANY")
	}
}

func (v *vcard) reach(c *Contact) {
	for _, p := range c.Phones {
		v.labelled("TEL", v.escape(p.Value), p.Label, phoneTypes)
	}
	for _, m := range c.Emails {
		var internet []string
		if !v.four {
			internet = []string{"TYPE", "INTERNET"}
		}
		v.labelled("EMAIL", v.escape(m.Value), m.Label, placeTypes, internet...)
	}
	for _, a := range c.Addresses {
		item := v.labelled("ADR", v.parts("", "", a.Street, a.City, a.State, a.ZIP, a.Country), a.Label, placeTypes,
			"X-APPLE-SUBLOCALITY", a.SubLocality, "X-APPLE-SUBADMINISTRATIVEAREA", a.District)
		if a.CountryCode != "" {
			v.w.Line(v.item(item)+"X-ABADR", v.escape(a.CountryCode))
		}
	}
	for _, u := range c.URLs {
		at := address(u.Value)
		if !v.four {
			at = componentEscapes.Replace(at) // no need to, but some readers take a comma for an end
		}
		v.labelled("URL", at, u.Label, placeTypes)
	}
}

func (v *vcard) days(c *Contact) {
	d := c.Birthday
	switch {
	case d == Date{}:
	case v.four:
		v.w.Line("BDAY", basic(d))
	case d.Year == 0:
		v.w.Line("BDAY", omitted(d), "VALUE", "date", "X-APPLE-OMIT-YEAR", strconv.Itoa(noYear))
	default:
		v.w.Line("BDAY", d.String(), "VALUE", "date")
	}
	v.text("X-KEEPSAKE-ALTERNATE-BIRTHDAY", c.AlternateBirthday)
	anniversary := v.four
	for _, d := range c.Dates {
		if anniversary && d.Label == (Label{Label: "Anniversary"}) {
			v.w.Line("ANNIVERSARY", basic(d.Date))
			anniversary = false // there may be one
			continue
		}
		if d.Date.Year == 0 {
			v.labelled("X-ABDATE", omitted(d.Date), d.Label, nil, "X-APPLE-OMIT-YEAR", strconv.Itoa(noYear))
		} else {
			v.labelled("X-ABDATE", d.Date.String(), d.Label, nil)
		}
	}
}

// basic is a day as vCard 4 has it: 19800503, --0503.
func basic(d Date) string {
	s := d.String()
	if d.Year == 0 {
		return "--" + strings.ReplaceAll(s[2:], "-", "")
	}
	return strings.ReplaceAll(s, "-", "")
}

func omitted(d Date) string {
	d.Year = noYear
	return d.String()
}

func (v *vcard) people(c *Contact) {
	for _, r := range c.Related {
		if v.four {
			v.labelled("RELATED", v.escape(r.Value), r.Label, kinTypes, "VALUE", "text")
		} else {
			v.labelled("X-ABRELATEDNAMES", v.escape(r.Value), r.Label, nil)
		}
	}
	for _, p := range c.Messaging {
		who, extra := p.User, ""
		if who == "" {
			who = p.Identifier
		} else {
			extra = p.Identifier
		}
		v.labelled("IMPP", scheme(p.Service)+":"+escapeURI(who), p.Label, placeTypes, "X-SERVICE-TYPE", p.Service,
			"X-USERID", extra, "X-DISPLAYNAME", p.Shown, "X-URL", p.URL, "X-BUNDLEIDENTIFIERS", p.Bundle)
	}
	for _, p := range c.Social {
		at := address(p.URL)
		if at == "" {
			at = "x-apple:" + escapeURI(p.User)
		}
		v.labelled("X-SOCIALPROFILE", at, p.Label, nil, "TYPE", p.Service, "X-USER", p.User, "X-USERID", p.Identifier, "X-DISPLAYNAME", p.Shown, "X-BUNDLEIDENTIFIERS", p.Bundle)
	}
}

// scheme is how Apple's programs write addresses of a service.
func scheme(service string) string {
	switch strings.ToLower(service) {
	case "jabber", "googletalk", "facebook", "xmpp":
		return "xmpp"
	case "aim", "icq":
		return "aim"
	case "msn":
		return "msnim"
	case "yahoo":
		return "ymsgr"
	case "skype":
		return "skype"
	}
	return "x-apple"
}

func (v *vcard) rest(c *Contact) {
	v.text("NOTE", c.Note)
	if len(c.Groups) > 0 {
		list := make([]string, len(c.Groups))
		for i, g := range c.Groups {
			list[i] = v.component(g)
		}
		v.w.Line("CATEGORIES", strings.Join(list, ","))
	}
	v.text("X-IMAGETYPE", c.PictureKind)
	for _, o := range c.Other {
		value := o.Value
		if len(o.Parts) > 0 {
			data, err := json.Marshal(o.Parts)
			if err != nil {
				continue // a map of texts has a form
			}
			value = string(data)
		}
		v.labelled("X-KEEPSAKE-VALUE", v.escape(value), o.Label, nil, "PROPERTY", strconv.FormatInt(o.Property, 10))
	}
}

func (v *vcard) photo(kind string, data []byte) {
	if len(data) == 0 {
		return
	}
	text := base64.StdEncoding.EncodeToString(data)
	if v.four {
		v.w.Line("PHOTO", "data:"+kind+";base64,"+text)
		return
	}
	v.w.Line("PHOTO", text, "ENCODING", "b", "TYPE", strings.ToUpper(strings.TrimPrefix(kind, "image/")))
}

// text writes a property whose value is one text, unless that is empty.
func (v *vcard) text(name, value string, params ...string) {
	if value = v.escape(value); value != "" {
		v.w.Line(name, value, params...)
	}
}

// labelled writes a property with a label: as types where they say all of it, and in
// the words of the label where they do not. It gives the number of the item, 0 = none.
func (v *vcard) labelled(name, value string, l Label, types map[string]typeOf, params ...string) int {
	var t typeOf
	if !l.Own {
		t = types[l.Label]
	}
	for _, word := range strings.Fields(t.types) {
		if !v.four {
			word = strings.ToUpper(word)
		}
		params = append(params, "TYPE", word)
	}
	wants := l.Label != "" && !t.exact
	item := 0
	if wants || name == "ADR" {
		v.items++
		item = v.items
		name = v.item(item) + name
	}
	v.w.Line(name, value, params...)
	if wants {
		label := l.Label
		if !l.Own && label != bare {
			label = "_$!<" + label + ">!$_"
		}
		v.w.Line(v.item(item)+"X-ABLabel", v.escape(label))
	}
	return item
}

func (v *vcard) item(n int) string { return "item" + strconv.Itoa(n) + "." }

// typeOf is how a label of the phone's own is written as types; exact tells that it is
// all that there is to say.
type typeOf struct {
	types string
	exact bool
}

var (
	phoneTypes = map[string]typeOf{"Mobile": {"cell", true}, "Home": {"home", true}, "Work": {"work", true}, "HomeFAX": {"home fax", true},
		"WorkFAX": {"work fax", true}, "Pager": {"pager", true}, "OtherFAX": {"fax", false}, "Main": {"voice", false}, "Other": {"voice", false},
		"iPhone": {"cell", false}, "AppleWatch": {"cell", false}}
	placeTypes = map[string]typeOf{"Home": {"home", true}, "Work": {"work", true}}
	// kinTypes are of the RELATED of vCard 4, whose words are fewer than the phone's.
	kinTypes = map[string]typeOf{"Mother": {"parent", false}, "Father": {"parent", false}, "Parent": {"parent", true}, "Brother": {"sibling", false},
		"Sister": {"sibling", false}, "Sibling": {"sibling", true}, "Child": {"child", true}, "Son": {"child", false}, "Daughter": {"child", false},
		"Friend": {"friend", true}, "Spouse": {"spouse", true}, "Wife": {"spouse", false}, "Husband": {"spouse", false}, "Partner": {"sweetheart", false},
		"Assistant": {"agent", false}, "Manager": {"co-worker", false}, "Colleague": {"colleague", true}}
)

// parts joins the components of a structured value; those at the end that are empty
// stay, so that N always has five and ADR seven.
func (v *vcard) parts(list ...string) string {
	for i, s := range list {
		list[i] = v.component(s)
	}
	return strings.Join(list, ";")
}

// escape is a text as a value. A semicolon is escaped where 3.0 asks for it; in 4.0 it
// stands for itself (RFC 6350 3.4).
func (v *vcard) escape(s string) string {
	if v.four {
		return escapes.Replace(clean(s))
	}
	return v.component(s)
}

func (v *vcard) component(s string) string { return componentEscapes.Replace(clean(s)) }

var (
	escapes          = strings.NewReplacer("\\", "\\\\", ",", "\\,", "\n", "\\n")
	componentEscapes = strings.NewReplacer("\\", "\\\\", ",", "\\,", "\n", "\\n", ";", "\\;")
	lineEnds         = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\v", "\n", "\f", "\n", "\u0085", "\n", "\u2028", "\n", "\u2029", "\n")
)

// clean makes every end of a line a newline and leaves out what no vCard may have:
// control characters.
func clean(s string) string {
	plain := true
	for i := range len(s) {
		if s[i] < 0x20 && s[i] != '\n' || s[i] >= 0x7f {
			plain = false
			break
		}
	}
	if plain {
		return s
	}
	return strings.Map(func(r rune) rune {
		if r < 0x20 && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 || r == utf8.RuneError {
			return -1
		}
		return r
	}, lineEnds.Replace(s))
}

// address is a value of type URI: not escaped, so that what may not be in one is written
// as in addresses.
func address(s string) string {
	return strings.NewReplacer("\n", "%0A", " ", "%20", "\t", "%09", "\\", "%5C", `"`, "%22").Replace(clean(s))
}

func escapeURI(s string) string { return strings.ReplaceAll(url.PathEscape(clean(s)), "%40", "@") }
