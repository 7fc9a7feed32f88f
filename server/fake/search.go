package fake

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/keepsake-backup/keepsake/extract/changes"
	"github.com/keepsake-backup/keepsake/search"
	"github.com/keepsake-backup/keepsake/service"
)

// SearchContent implements server.Reader: what has the text in it is found. The words
// "being read" are looked for while an index is made, "sealed" where versions are.
func (h *Household) SearchContent(_ context.Context, who service.Who, udid string, q service.ContentQuery) (found service.Found, err error) {
	list, err := h.backups(who, udid)
	if err != nil {
		return found, err
	}
	if q.Version != "" {
		if list = slices.DeleteFunc(list, func(v service.Version) bool { return v.ID != q.Version }); len(list) == 0 {
			return found, fs.ErrNotExist
		}
	}
	if len(strings.Fields(q.Text)) > 64 {
		return found, fmt.Errorf("%w: more than 64 words", search.ErrQuery)
	}
	found.Index = service.Index{Ready: len(list), Of: len(list)}
	switch q.Text {
	case "being read":
		found.Index.Ready, found.Index.Making, found.Index.Text = len(list)/2, true, "Messages of 3 March 2026: 12,000 read"
	case "sealed":
		found.Index.Ready, found.Index.Sealed = len(list)-1, 1
	}
	newest, oldest := list[0], list[len(list)-1]
	for _, m := range contents() {
		if q.Kind != "" && q.Kind != m.kind.Kind {
			continue
		}
		for i, r := range m.records {
			e := r.Entry()
			at := strings.Index(strings.ToLower(e.Title+"\n"+e.Text), strings.ToLower(q.Text))
			if at < 0 {
				continue
			}
			hit := &search.Hit{Kind: m.kind.Kind, Table: e.Table, Key: e.Key, Title: e.Title, Detail: e.Detail, Time: e.Time, Group: e.Group, Deleted: e.Deleted, FirstVersion: oldest.ID, LastVersion: newest.ID}
			mark := search.Range{Start: at, End: at + len(q.Text)}
			if at <= len(e.Title) {
				hit.TitleMarks = []search.Range{mark}
			} else {
				mark.Start, mark.End = mark.Start-len(e.Title)-1, mark.End-len(e.Title)-1
				hit.Snippet = search.Snippet{Text: strings.ReplaceAll(e.Text, "\n", " "), Marks: []search.Range{mark}}
			}
			if i == 2 && len(list) > 1 {
				hit.Gone, hit.GoneSince, hit.LastVersion = true, newest.ID, list[1].ID
			}
			if q.Limit > 0 && len(found.Hits) == q.Limit {
				found.Next = "more"
				return found, nil
			}
			found.Hits = append(found.Hits, hit)
		}
	}
	return found, nil
}

// backups are the versions of a phone that may be looked into, the newest first.
func (h *Household) backups(who service.Who, udid string) ([]service.Version, error) {
	list, err := h.Versions(context.Background(), who, udid)
	if err != nil {
		return nil, err
	}
	list = slices.DeleteFunc(slices.Clone(list), func(v service.Version) bool { return v.Media })
	if len(list) == 0 {
		return nil, fs.ErrNotExist
	}
	_, err = h.version(who, udid, list[0].ID)
	return list, err
}

// CompareVersions implements server.Reader: between any two versions the same has
// changed. To compare with the first takes longer than anybody waits.
func (h *Household) CompareVersions(_ context.Context, who service.Who, udid, older, newer string) (*changes.Changes, error) {
	b, err := h.version(who, udid, newer)
	if err != nil {
		return nil, err
	}
	if older == "" {
		list, err := h.backups(who, udid)
		i := slices.IndexFunc(list, func(v service.Version) bool { return v.ID == newer })
		if err != nil || i < 0 || i+1 == len(list) {
			return nil, errors.Join(err, &hintError{"it is the first version", "Choose a later one."})
		}
		older = list[i+1].ID
	}
	a, err := h.version(who, udid, older)
	if err != nil {
		return nil, err
	}
	if list, err := h.backups(who, udid); err != nil || older == list[len(list)-1].ID && len(list) > 2 {
		return nil, errors.Join(err, context.DeadlineExceeded)
	}
	example := func(kind string, i int) changes.Example {
		m := contents()[slices.IndexFunc(contents(), func(m made) bool { return m.kind.Kind == kind })]
		e := m.records[i].Entry()
		return changes.Example{Table: e.Table, Key: e.Key, Title: e.Title, Detail: e.Detail, Text: e.Text, Time: e.Time}
	}
	changed := example("contacts", 2)
	changed.Fields = []changes.Field{{Name: "Phone", Old: "+49 170 5550102", New: "+49 170 5550999"}, {Name: "E-mail", Old: "person2@example.org"}}
	part := func(count int, e ...changes.Example) changes.Part { return changes.Part{Count: count, Examples: e} }
	return &changes.Changes{Old: changes.Side{Name: a.Name, IOS: a.IOS, Time: a.Time}, New: changes.Side{Name: b.Name, IOS: b.IOS, Time: b.Time},
		Warnings: []changes.Warning{{Kind: "contacts", Reason: "vanished", Text: "310 of 412 contacts are gone at once."}},
		Kinds: []changes.Kind{
			{Kind: "photos", Title: "Photos", Added: part(14, example("photos", 0), example("photos", 1)), Deleted: part(1, example("photos", 3))},
			{Kind: "contacts", Title: "Contacts", Changed: part(1, changed), Removed: part(310, example("contacts", 0), example("contacts", 4))},
			{Kind: "messages", Title: "Messages", GroupsAre: "conversations", Added: part(2, example("messages", 0)),
				GroupsShorter: changes.Groups{Count: 1, Examples: []changes.GroupExample{{Key: "g1", Title: "Grandmother", Old: 1960, New: 160}}}},
			{Kind: "calls", Title: "Calls", Unknown: "it could not be read in the newer version"},
			{Kind: "voicemail", Title: "Voicemail"}, {Kind: "notes", Title: "Notes"},
		}}, nil
}
