package contacts_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"maps"
	"net/url"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	vcard "github.com/emersion/go-vcard"
	"github.com/google/go-cmp/cmp"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/contacts"
	"github.com/keepsake-backup/keepsake/extract/extracttest"
	"github.com/keepsake-backup/keepsake/extract/outtree"
)

// line is a line of a vCard as a judge has read it.
type line struct {
	Group  string
	Name   string
	Params map[string][]string
	Values []string // components
}

// bundle exports all contacts of a source and gives the file with everybody.
func bundle(t *testing.T, fsys fs.FS, format string) (text []byte, want []*contacts.Contact, dir string) {
	t.Helper()
	src := extracttest.Source(t, fsys)
	dir = t.TempDir()
	tree, err := outtree.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	c := &extracttest.Collector{}
	if err := contacts.New().Export(t.Context(), src, extract.ExportOptions{Format: format}, tree, c); err != nil {
		t.Fatal(err)
	}
	if err := tree.Close(); err != nil {
		t.Fatal(err)
	}
	sub := map[string]string{"vcard": "Contacts", "vcard3": "Contacts/vCard 3"}[format]
	// A person may be called so, too: the file with everybody is the largest.
	files, err := filepath.Glob(filepath.Join(dir, sub, "*.vcf"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if data := readFile(t, name); len(data) > len(text) {
			text = data
		}
	}
	for _, r := range extracttest.Read(t, contacts.New(), src, extract.Query{}).Records {
		want = append(want, r.(*contacts.Contact))
	}
	if len(files) != len(want)+1 {
		t.Errorf("%d files of %d contacts", len(files), len(want))
	}
	return text, want, dir
}

// strict holds text to what RFC 6350 and 2426 say of lines.
func strict(t *testing.T, text []byte) {
	t.Helper()
	if !utf8.Valid(text) {
		t.Error("not UTF-8")
	}
	for i, l := range strings.SplitAfter(string(text), "\r\n") {
		l = strings.TrimSuffix(l, "\r\n")
		if len(l) > 75 || !utf8.ValidString(l) || strings.ContainsFunc(l, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
			t.Errorf("line %d is not as it should be: %q", i+1, l)
		}
	}
}

func TestVCard(t *testing.T) {
	for name, fsys := range map[string]fs.FS{"public": public(t), "everybody": everybody(t)} {
		t.Run(name, func(t *testing.T) { roundTrip(t, fsys) })
	}
}

// roundTrip writes contacts in both formats and has them read by others.
func roundTrip(t *testing.T, fsys fs.FS) {
	t.Helper()
	text, want, _ := bundle(t, fsys, "vcard")
	strict(t, text)
	compare(t, read4(t, text), want, true)
	text, want, _ = bundle(t, fsys, "vcard3")
	strict(t, text)
	compare(t, read3(t, text), want, false)
}

// read4 reads vCard 4 with go-vcard.
func read4(t *testing.T, text []byte) (got [][]line) {
	t.Helper()
	dec := vcard.NewDecoder(bytes.NewReader(text))
	for {
		card, err := dec.Decode()
		if errors.Is(err, io.EOF) {
			return got
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, linesOf(card))
	}
}

// linesOf takes over what the library has read, those of one name in their order. It leaves semicolons as they are
// written, which is right where they separate components.
func linesOf(card vcard.Card) []line {
	var list []line
	for name, fields := range card {
		for _, f := range fields {
			l := line{Group: strings.ToLower(f.Group), Name: name, Params: f.Params, Values: []string{f.Value}}
			if slices.Contains([]string{"N", "ADR", "ORG"}, name) {
				l.Values = strings.Split(strings.ReplaceAll(f.Value, "\\;", "\x00"), ";")
				for i := range l.Values {
					l.Values[i] = strings.ReplaceAll(l.Values[i], "\x00", ";")
				}
			}
			list = append(list, l)
		}
	}
	return list
}

// judge3 prints what vobject reads, as JSON.
const judge3 = `
import json, sys, vobject
out = []
for card in vobject.readComponents(sys.stdin.buffer.read().decode("utf-8"), validate=True):
    assert card.name == "VCARD"
    card.validate(raiseException=True)
    lines = []
    for c in card.getChildren():
        v = c.value
        if c.name == "N":
            v = [v.family, v.given, v.additional, v.prefix, v.suffix]
        elif c.name == "ADR":
            v = [v.box, v.extended, v.street, v.city, v.region, v.code, v.country]
        elif isinstance(v, bytes):
            import base64
            v = [base64.b64encode(v).decode()]
        elif not isinstance(v, list):
            v = [v]
        v = [",".join(x) if isinstance(x, list) else x for x in v]
        lines.append({"Group": c.group or "", "Name": c.name, "Params": c.params, "Values": v})
    out.append(lines)
print(json.dumps(out))
`

// read3 reads vCard 3 with vobject.
func read3(t *testing.T, text []byte) (got [][]line) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/usr/bin/python3", "-c", judge3)
	cmd.Stdin = bytes.NewReader(text)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("vobject: %v: %s", err, stderr.Bytes())
	}
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatal(err)
	}
	return got
}

func compare(t *testing.T, got [][]line, want []*contacts.Contact, four bool) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("the judge reads %d cards, want %d", len(got), len(want))
	}
	for i, w := range want {
		g, name, photo := contactOf(got[i])
		if fn := strings.TrimSpace(cleaned(w.Name)); name != fn && fn != "" {
			t.Errorf("name %q, want %q", name, w.Name)
		}
		if photo != (w.Picture != "") && !strings.HasPrefix(w.Name, "Lone") {
			t.Errorf("%s: picture %t, want %q", w.Name, photo, w.Picture)
		}
		if diff := cmp.Diff(expected(w, four), g); diff != "" {
			t.Errorf("%s came back otherwise (- written, + read):\n%s", w.Name, diff)
		}
	}
}

// expected is what a vCard can say of a contact.
func expected(c *contacts.Contact, four bool) contacts.Card {
	data, err := json.Marshal(c.Card)
	if err != nil {
		panic(err)
	}
	var w contacts.Card
	data = bytes.ReplaceAll(data, []byte(`"birthday"`), []byte(`"-"`))
	data = bytes.ReplaceAll(data, []byte(`"date"`), []byte(`"-"`))
	if err := json.Unmarshal(data, &w); err != nil {
		panic(err)
	}
	for i, d := range c.Dates {
		w.Dates[i].Date = d.Date
	}
	if four { // ANNIVERSARY stands for the first one
		i := slices.IndexFunc(w.Dates, func(d contacts.LabeledDate) bool { return d.Label == contacts.Label{Label: "Anniversary"} })
		if i > 0 {
			w.Dates = slices.Concat(w.Dates[i:i+1], w.Dates[:i], w.Dates[i+1:])
		}
	} else {
		w.Created = time.Time{}
	}
	w.Birthday = c.Birthday
	w.GUID, w.Account = "", ""
	w.Modified = w.Modified.Truncate(time.Second)
	for _, s := range []*string{&w.First, &w.Last, &w.Middle, &w.Organization, &w.Note} {
		*s = cleaned(*s)
	}
	for i := range w.Phones {
		w.Phones[i].Value = cleaned(w.Phones[i].Value)
	}
	for i := range w.URLs {
		w.URLs[i].Value = strings.ReplaceAll(w.URLs[i].Value, " ", "%20")
	}
	return w
}

// cleaned is a text without what no vCard may have.
func cleaned(s string) string {
	s = strings.NewReplacer("\r\n", "\n", "\u2028", "\n", "\u0085", "\n", "\v", "\n", "\f", "\n", "\uFFFD", "").Replace(s)
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' {
			return -1
		}
		return r
	}, s)
}

// contactOf understands a card again. It is written from the RFCs and Apple's exports.
func contactOf(lines []line) (c contacts.Card, name string, photo bool) {
	labels := map[string]string{}
	codes := map[string]string{}
	for _, l := range lines {
		switch strings.ToUpper(l.Name) {
		case "X-ABLABEL":
			labels[l.Group] = l.Values[0]
		case "X-ABADR":
			codes[l.Group] = l.Values[0]
		}
	}
	for _, l := range lines {
		v := l.Values[0]
		param := func(name string) string {
			for k, list := range l.Params {
				if strings.EqualFold(k, name) {
					return strings.NewReplacer("^n", "\n", "^'", `"`, "^^", "^").Replace(strings.Join(list, ","))
				}
			}
			return ""
		}
		label := labelOf(labels[l.Group], l.Params)
		date := func() contacts.Date {
			s := strings.ReplaceAll(strings.TrimPrefix(v, "--"), "-", "")
			if len(s) == 4 || param("X-APPLE-OMIT-YEAR") != "" {
				s = "0000" + s[len(s)-4:]
			}
			n, err := strconv.Atoi(s)
			if err != nil {
				return contacts.Date{}
			}
			return contacts.Date{Year: n / 10000, Month: time.Month(n / 100 % 100), Day: n % 100}
		}
		switch strings.ToUpper(l.Name) {
		case "FN":
			name = v
		case "N":
			c.Last, c.First, c.Middle, c.Prefix, c.Suffix = v, l.Values[1], l.Values[2], l.Values[3], l.Values[4]
		case "ORG":
			c.Organization = v
			if len(l.Values) > 1 {
				c.Department = l.Values[1]
			}
		case "NICKNAME":
			c.Nickname = v
		case "TITLE":
			c.JobTitle = v
		case "NOTE":
			c.Note = v
		case "X-MAIDENNAME":
			c.PreviousFamily = v
		case "X-PHONETIC-FIRST-NAME":
			c.PhoneticFirst = v
		case "X-PHONETIC-MIDDLE-NAME":
			c.PhoneticMiddle = v
		case "X-PHONETIC-LAST-NAME":
			c.PhoneticLast = v
		case "X-PHONETIC-ORG":
			c.PhoneticOrganization = v
		case "X-PRONUNCIATION-FIRST-NAME":
			c.SpokenFirst = v
		case "X-PRONUNCIATION-MIDDLE-NAME":
			c.SpokenMiddle = v
		case "X-PRONUNCIATION-LAST-NAME":
			c.SpokenLast = v
		case "X-PRONUNCIATION-ORG":
			c.SpokenOrganization = v
		case "X-ABSHOWAS":
			c.Organisation = v == "COMPANY"
		case "X-IMAGETYPE":
			c.PictureKind = v
		case "X-KEEPSAKE-ALTERNATE-BIRTHDAY":
			c.AlternateBirthday = v
		case "X-KEEPSAKE-VALUE":
			o := contacts.OtherValue{Label: label, Value: v}
			o.Property, _ = strconv.ParseInt(param("PROPERTY"), 10, 64)
			if json.Unmarshal([]byte(v), &o.Parts) == nil {
				o.Value = ""
			}
			c.Other = append(c.Other, o)
		case "CATEGORIES":
			if len(l.Values) == 1 {
				l.Values = strings.Split(v, ",")
			}
			c.Groups = l.Values
		case "BDAY":
			c.Birthday = date()
		case "ANNIVERSARY":
			c.Dates = append([]contacts.LabeledDate{{Label: contacts.Label{Label: "Anniversary"}, Date: date()}}, c.Dates...)
		case "X-ABDATE":
			c.Dates = append(c.Dates, contacts.LabeledDate{Label: label, Date: date()})
		case "CREATED":
			c.Created, _ = time.Parse("20060102T150405Z", v)
		case "REV":
			c.Modified, _ = time.Parse("20060102T150405Z", v)
		case "TEL":
			c.Phones = append(c.Phones, contacts.Value{Label: label, Value: v})
		case "EMAIL":
			c.Emails = append(c.Emails, contacts.Value{Label: label, Value: v})
		case "URL":
			c.URLs = append(c.URLs, contacts.Value{Label: label, Value: v})
		case "RELATED", "X-ABRELATEDNAMES":
			c.Related = append(c.Related, contacts.Value{Label: label, Value: v})
		case "ADR":
			c.Addresses = append(c.Addresses, contacts.Address{Label: label, Street: l.Values[2], City: l.Values[3], State: l.Values[4], ZIP: l.Values[5], Country: l.Values[6],
				CountryCode: codes[l.Group], SubLocality: param("X-APPLE-SUBLOCALITY"), District: param("X-APPLE-SUBADMINISTRATIVEAREA")})
		case "IMPP":
			_, who, _ := strings.Cut(v, ":")
			who, _ = url.PathUnescape(who)
			c.Messaging = append(c.Messaging, contacts.Profile{Label: label, Service: param("X-SERVICE-TYPE"), User: who})
		case "X-SOCIALPROFILE":
			p := contacts.Profile{Label: labelOf(labels[l.Group], nil), Service: param("TYPE"), User: param("X-USER"), URL: v, Identifier: param("X-USERID"), Shown: param("X-DISPLAYNAME")}
			if strings.HasPrefix(v, "x-apple:") {
				p.URL = ""
			}
			c.Social = append(c.Social, p)
		case "PHOTO":
			data, err := base64.StdEncoding.DecodeString(v[strings.LastIndex(v, ",")+1:])
			photo = err == nil && bytes.HasPrefix(data, []byte{0xff, 0xd8}) || bytes.HasPrefix(data, []byte("\x89PNG"))
		}
	}
	return c, name, photo
}

func labelOf(text string, params map[string][]string) contacts.Label {
	if inner, ok := strings.CutPrefix(text, "_$!<"); ok {
		return contacts.Label{Label: strings.TrimSuffix(inner, ">!$_")}
	}
	if text != "" {
		return contacts.Label{Label: text, Own: text != "iPhone"}
	}
	var types []string
	for _, k := range slices.Sorted(maps.Keys(params)) {
		if strings.EqualFold(k, "TYPE") {
			for _, w := range params[k] {
				types = append(types, strings.ToLower(w))
			}
		}
	}
	types = slices.DeleteFunc(types, func(s string) bool { return s == "internet" })
	known := map[string]string{"cell": "Mobile", "home": "Home", "work": "Work", "home fax": "HomeFAX", "work fax": "WorkFAX", "pager": "Pager",
		"spouse": "Spouse", "friend": "Friend", "child": "Child", "parent": "Parent", "sibling": "Sibling", "colleague": "Colleague"}
	return contacts.Label{Label: known[strings.Join(types, " ")]}
}

func TestPhotoOfVCard(t *testing.T) {
	text, _, _ := bundle(t, everybody(t), "vcard3")
	if n := bytes.Count(text, []byte("\r\nPHOTO;ENCODING=b;TYPE=JPEG:/9j/")); n != 2 {
		t.Errorf("%d pictures, want those of Zoë and Robert", n)
	}
}
