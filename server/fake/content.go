package fake

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"io/fs"
	"slices"
	"sync"
	"time"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/chat"
	"github.com/keepsake-backup/keepsake/service"
)

// thing is a record that is made up.
type thing struct {
	entry extract.Entry
	row   []string
}

// Entry implements extract.Record.
func (t thing) Entry() extract.Entry { return t.entry }

// Row implements extract.Record.
func (t thing) Row() []string { return slices.Clone(t.row) }

// MarshalJSON shows the row.
func (t thing) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]any{"key": t.entry.Key, "values": t.row})
}

// Unreadable is the kind that no version's reader can read.
const Unreadable = "calls"

// made is what every version of the household holds of a kind.
type made struct {
	kind    service.ContentKind
	groups  []extract.Group
	records []extract.Record // newest first
	in      map[string][]string
}

// contents are made once. Every version holds the same.
var contents = sync.OnceValue(func() []made {
	at := time.Date(2026, 3, 14, 15, 9, 26, 0, time.UTC)
	kind := func(name, title, groups string, state service.ContentState, columns ...string) service.ContentKind {
		return service.ContentKind{Info: extract.Info{Kind: name, Title: title, Groups: groups, Tables: []extract.Table{{Name: name, Title: title, Columns: columns}}},
			Formats: []extract.Format{{Name: "files", Title: "Files"}, {Name: "jsonl", Title: "JSON Lines (.jsonl)"}, {Name: "csv", Title: "Table for spreadsheets (.csv)"}},
			State:   state, Previews: name == "photos"}
	}
	photos := made{kind: kind("photos", "Photos", "albums", service.ContentThere, "Name", "Taken", "Size"),
		groups: []extract.Group{{Key: "smart/favourites", Title: "Favourites", Count: 31}, {Key: "a1", Title: "Lake Garda, summer", Count: 410}}, in: map[string][]string{}}
	for i := range 1240 {
		name := fmt.Sprintf("IMG_%04d.HEIC", 1240-i)
		r := thing{extract.Entry{Table: "photos", Key: fmt.Sprintf("p%d", i), Title: name, Time: at.Add(-time.Duration(i) * 7 * time.Hour),
			Files: []string{fmt.Sprintf("CameraRollDomain/Media/DCIM/%dAPPLE/%s", 100+(1240-i-1)/1000, name)}, Deleted: i == 3, Hidden: i == 5},
			[]string{name, at.Add(-time.Duration(i) * 7 * time.Hour).Format(time.RFC3339), "4032 × 3024"}}
		photos.records = append(photos.records, r)
		switch {
		case i%40 == 0:
			photos.in["smart/favourites"] = append(photos.in["smart/favourites"], r.entry.Key)
		case i > 100 && i <= 510:
			photos.in["a1"] = append(photos.in["a1"], r.entry.Key)
		}
	}
	photos.groups[1].Count = len(photos.in["a1"])
	contacts := made{kind: kind("contacts", "Contacts", "", service.ContentThere, "Name", "Phone", "E-mail")}
	for i, name := range []string{"Anneliese Brandt", "Tomás Ferreira", "Grandmother", "Dr. Okonkwo’s practice", "שרה לוי", "Zoë 🌻"} {
		phone := fmt.Sprintf("+49 170 55501%02d", i)
		contacts.records = append(contacts.records, thing{extract.Entry{Table: "contacts", Key: fmt.Sprintf("c%d", i), Title: name, Detail: phone}, []string{name, phone, fmt.Sprintf("person%d@example.org", i)}})
	}
	calls := made{kind: kind(Unreadable, "Calls", "", service.ContentFailed, "Who", "When")}
	calls.kind.Why = "read HomeDomain/Library/CallHistoryDB/CallHistory.storedata: the database is damaged"
	return []made{photos, contacts, messages(kind("messages", "Messages", "conversations", service.ContentThere, chat.Table.Columns...), at), calls,
		{kind: kind("voicemail", "Voicemail", "", service.ContentAbsent, "Who")}}
})

func messages(k service.ContentKind, at time.Time) made {
	m := made{kind: k, groups: []extract.Group{{Key: "g1", Title: "Grandmother", Detail: "+49 170 5550102", Count: 160, Time: at}, {Key: "g2", Title: "The lake house", Detail: "Tomás, Zoë 🌻 and you", Count: 3}}, in: map[string][]string{}}
	k.Tables = []extract.Table{chat.Table}
	m.kind.Tables = k.Tables
	texts := []string{"Did you get home all right?", "Yes! The train was late, as ever.", "Look what I found in the attic", "Oh how lovely ❤️\nIs that the one from 1971?", "It is. Your mother wore it, too."}
	for i := range 163 {
		g, from := "g1", chat.Person{Address: "+491705550102", Name: "Grandmother"}
		if i >= 160 {
			g, from = "g2", chat.Person{Address: "+491705550101", Name: "Tomás Ferreira"}
		}
		c := chat.Message{Key: fmt.Sprintf("m%d", i), Conversation: g, Kind: chat.KindText, Time: at.Add(-time.Duration(i) * 3 * time.Hour), FromMe: i%2 == 1, Service: "iMessage", Text: texts[i%len(texts)]}
		if !c.FromMe {
			c.From = from
		}
		switch i {
		case 2:
			c.Attachments = []chat.Attachment{{Name: "attic.jpg", Type: "image/jpeg"}}
			c.Reactions = []chat.Reaction{{FromMe: true, Emoji: "❤️"}}
		case 4:
			c.ReplyText, c.Edited = "Is that the one from 1971?", at
		case 161:
			c.Kind, c.Text = chat.KindSystem, "Tomás named the conversation “The lake house”"
		}
		m.records = append(m.records, c)
		m.in[g] = append(m.in[g], c.Key)
	}
	return m
}

func (h *Household) content(who service.Who, udid, version, kind string) (service.Version, made, error) {
	v, err := h.version(who, udid, version)
	if err != nil {
		return v, made{}, err
	}
	i := slices.IndexFunc(contents(), func(m made) bool { return m.kind.Kind == kind })
	if i < 0 {
		return v, made{}, fs.ErrNotExist
	}
	m := contents()[i]
	switch m.kind.State {
	case service.ContentAbsent:
		return v, m, extract.ErrAbsent
	case service.ContentFailed:
		return v, m, &hintError{"it could not be read: " + m.kind.Why, "The other kinds and the files are not touched by this. An earlier or later version may have it whole."}
	}
	return v, m, nil
}

// Kinds implements server.Reader.
func (h *Household) Kinds(_ context.Context, who service.Who, udid, version string) ([]service.ContentKind, error) {
	if _, err := h.version(who, udid, version); err != nil {
		return nil, err
	}
	var all []service.ContentKind
	for _, m := range contents() {
		all = append(all, m.kind)
	}
	return all, nil
}

// Groups implements server.Reader.
func (h *Household) Groups(_ context.Context, who service.Who, udid, version, kind string) ([]extract.Group, error) {
	_, m, err := h.content(who, udid, version, kind)
	return m.groups, err
}

// Records implements server.Reader.
func (h *Household) Records(_ context.Context, who service.Who, udid, version, kind string, q extract.Query) (service.RecordPage, error) {
	v, m, err := h.content(who, udid, version, kind)
	page := service.RecordPage{Version: v, Kind: m.kind}
	if err != nil {
		return page, err
	}
	for _, r := range m.records {
		e := r.Entry()
		switch {
		case q.Key != "" && e.Key != q.Key, q.Group != "" && !slices.Contains(m.in[q.Group], e.Key), q.Table != "" && e.Table != q.Table:
			continue
		case q.Skip > 0:
			q.Skip--
			page.Next--
			continue
		case q.Limit > 0 && len(page.Records) == q.Limit:
			page.Next = -page.Next + q.Limit
			return page, nil
		}
		page.Records = append(page.Records, r)
	}
	page.Next = 0
	return page, nil
}

// Preview implements server.Reader: a square of a colour of its own.
func (h *Household) Preview(_ context.Context, who service.Who, udid, version, kind, key string, size int) (extract.Preview, error) {
	_, m, err := h.content(who, udid, version, kind)
	if err != nil {
		return extract.Preview{}, err
	}
	i := slices.IndexFunc(m.records, func(r extract.Record) bool { return r.Entry().Key == key })
	if i < 0 || !m.kind.Previews || i == 7 {
		return extract.Preview{}, extract.ErrNoPreview
	}
	img := image.NewRGBA(image.Rect(0, 0, size/8, size/8))
	for y := range size / 8 {
		for x := range size / 8 {
			img.Set(x, y, color.RGBA{uint8(40 + i*37%160 + x), uint8(90 + i*53%120), uint8(60 + i*91%150 + y), 255})
		}
	}
	var b bytes.Buffer
	err = jpeg.Encode(&b, img, nil)
	return extract.Preview{Type: "image/jpeg", Data: b.Bytes()}, err
}

// Extract implements server.Reader.
func (h *Household) Extract(_ context.Context, who service.Who, udid, version, kind string, o extract.ExportOptions, started func(service.Version, extract.Info) io.Writer) (int, error) {
	v, m, err := h.content(who, udid, version, kind)
	if err != nil {
		return 0, err
	}
	out := zip.NewWriter(started(v, m.kind.Info))
	w, err := out.Create(m.kind.Title + "/" + m.kind.Kind + "." + o.Format)
	if err != nil {
		return 0, err
	}
	for _, r := range m.records {
		if err := json.NewEncoder(w).Encode(r); err != nil {
			return 0, err
		}
	}
	return 0, out.Close()
}
