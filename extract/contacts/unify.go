package contacts

import (
	"slices"
	"strings"
)

// unify makes one card of several, the preferred one first.
func unify(cards []Card) Card {
	c := Card{GUID: cards[0].GUID, Organisation: cards[0].Organisation, Created: cards[0].Created, Modified: cards[0].Modified}
	// Names are not mixed: they are all of the first card that has any.
	for i := range cards {
		if from := &cards[i]; from.ownName() != "" {
			for to, name := range map[*string]string{&c.Prefix: from.Prefix, &c.First: from.First, &c.Middle: from.Middle, &c.Last: from.Last, &c.Suffix: from.Suffix,
				&c.PhoneticFirst: from.PhoneticFirst, &c.PhoneticMiddle: from.PhoneticMiddle, &c.PhoneticLast: from.PhoneticLast,
				&c.SpokenFirst: from.SpokenFirst, &c.SpokenMiddle: from.SpokenMiddle, &c.SpokenLast: from.SpokenLast} {
				*to = name
			}
			c.Organisation = from.Organisation
			break
		}
	}
	var notes, accounts []string
	for _, from := range cards {
		for _, f := range []struct{ to, from *string }{
			{&c.Nickname, &from.Nickname}, {&c.PreviousFamily, &from.PreviousFamily}, {&c.Organization, &from.Organization},
			{&c.PhoneticOrganization, &from.PhoneticOrganization}, {&c.SpokenOrganization, &from.SpokenOrganization}, {&c.Department, &from.Department},
			{&c.JobTitle, &from.JobTitle}, {&c.AlternateBirthday, &from.AlternateBirthday}, {&c.PictureKind, &from.PictureKind},
		} {
			if *f.to == "" {
				*f.to = *f.from
			}
		}
		if c.Birthday == (Date{}) {
			c.Birthday = from.Birthday
		}
		c.Phones = union(c.Phones, from.Phones, func(v Value) string { return dialled(v.Value) })
		c.Emails = union(c.Emails, from.Emails, func(v Value) string { return strings.ToLower(v.Value) })
		c.URLs = union(c.URLs, from.URLs, func(v Value) string { return v.Value })
		c.Related = union(c.Related, from.Related, func(v Value) string { return v.Label.Label + "\x00" + v.Value })
		c.Dates = union(c.Dates, from.Dates, func(d LabeledDate) string { return d.Label.Label + "\x00" + d.Date.String() })
		c.Addresses = union(c.Addresses, from.Addresses, func(a Address) string { return a.lines() })
		c.Messaging = union(c.Messaging, from.Messaging, profileKey)
		c.Social = union(c.Social, from.Social, profileKey)
		c.Other = append(c.Other, from.Other...)
		notes, accounts = addNew(notes, from.Note), addNew(accounts, from.Account)
		for _, g := range from.Groups {
			c.Groups = addNew(c.Groups, g)
		}
		if c.Created.IsZero() || !from.Created.IsZero() && from.Created.Before(c.Created) {
			c.Created = from.Created
		}
		if from.Modified.After(c.Modified) {
			c.Modified = from.Modified
		}
	}
	c.Note, c.Account = strings.Join(notes, "\n\n"), strings.Join(accounts, ", ")
	return c
}

func profileKey(p Profile) string {
	p.Label = Label{}
	return p.line()
}

// union appends those of more that list does not have.
func union[T any](list, more []T, key func(T) string) []T {
	known := make(map[string]bool, len(list))
	for _, v := range list {
		known[key(v)] = true
	}
	list = slices.Clip(list)
	for _, v := range more {
		if k := key(v); !known[k] {
			known[k] = true
			list = append(list, v)
		}
	}
	return list
}

func addNew(list []string, s string) []string {
	if s == "" || slices.Contains(list, s) {
		return list
	}
	return append(slices.Clip(list), s)
}
