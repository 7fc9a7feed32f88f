package search

import (
	"time"

	"github.com/keepsake-backup/keepsake/search/internal/segment"
)

// Hit is a document that was found.
type Hit struct {
	Kind    string    `json:"kind"`
	Table   string    `json:"table"`
	Key     string    `json:"key"`
	Title   string    `json:"title"`
	Detail  string    `json:"detail,omitempty"`
	Text    string    `json:"-"` // all of it; Snippet is for people
	Time    time.Time `json:"time,omitzero"`
	Group   string    `json:"group,omitempty"`
	Files   []string  `json:"files,omitempty"`
	Deleted bool      `json:"deleted,omitempty"` // recently deleted, when it was last seen
	Hidden  bool      `json:"hidden,omitempty"`

	// TitleMarks are in the title, Snippet is a piece of the text, or of the detail.
	TitleMarks []Range `json:"title_marks,omitempty"`
	Snippet    Snippet `json:"snippet"`

	// InVersions are the versions that have it in this form, the oldest first; the
	// first and the last of them are also by themselves.
	InVersions   []string `json:"in_versions"`
	FirstVersion string   `json:"first_version"`
	LastVersion  string   `json:"last_version"`
	// Changed tells that the newest version has it in another form.
	Changed bool `json:"changed,omitempty"`
	// Gone tells that it is no longer on the phone, in any form: it is not in the newest
	// version in which its kind could be read, and is not of those that go by
	// themselves. GoneSince is the first version without it after the last one with it.
	Gone      bool   `json:"gone,omitempty"`
	GoneSince string `json:"gone_since,omitempty"`
	// Doubtful tells that some of its kind could not be read in that version, and that
	// it may be one of those.
	Doubtful bool `json:"doubtful,omitempty"`

	rank int64
	id   segment.ID
}

func (f *finder) hit(s *scope) (*Hit, error) {
	d := s.doc
	e := &d.Entry
	h := &Hit{Kind: d.Kind, Table: e.Table, Key: e.Key, Title: e.Title, Detail: e.Detail, Text: e.Text, Time: e.Time, Group: e.Group, Files: e.Files,
		Deleted: e.Deleted, Hidden: e.Hidden, rank: s.rank, id: d.ID}
	f.matcher.scan(e)
	h.TitleMarks = f.matcher.marks(0)
	detail, text := f.matcher.marks(1), f.matcher.marks(2)
	if e.Detail != "" && (len(text) == 0 && len(detail) > 0 || e.Text == "") {
		h.Snippet = snippetOf(e.Detail, detail)
	} else {
		h.Snippet = snippetOf(e.Text, text)
	}
	has := make([]bool, len(f.st.versions))
	for i, v := range f.st.versions {
		if has[i] = v.docs(s.seg).Has(s.at); has[i] {
			h.InVersions = append(h.InVersions, v.ID)
		}
	}
	if len(h.InVersions) > 0 {
		h.FirstVersion, h.LastVersion = h.InVersions[0], h.InVersions[len(h.InVersions)-1]
	}
	if n := len(has); n == 0 || has[n-1] {
		return h, nil
	}
	return h, f.fate(h, e.Volatile, has)
}

// fate tells what has become of a document that the newest version does not have. has
// tells which versions have it.
func (f *finder) fate(h *Hit, volatile bool, has []bool) error {
	if err := f.otherForms(h, has); err != nil {
		return err
	}
	last := len(has) - 1
	h.Changed = has[last]
	for last >= 0 && !has[last] {
		last--
	}
	judge := -1 // the newest version that can tell
	for i := last + 1; i < len(has); i++ {
		if f.st.versions[i].Kind(h.Kind).conclusive() {
			if judge < 0 && !volatile {
				h.GoneSince = f.st.versions[i].ID
			}
			judge = i
		}
	}
	h.Gone = judge >= 0 && !volatile
	h.Doubtful = h.Gone && f.st.versions[judge].Kind(h.Kind).Problems > 0
	return nil
}

// otherForms adds the versions that have the record in another form.
func (f *finder) otherForms(h *Hit, has []bool) error {
	key := [8]byte(h.id[:8])
	for _, seg := range f.st.segments {
		forms, err := seg.Forms(key)
		if err != nil {
			return (&scope{seg: seg}).wrap(err)
		}
		for _, doc := range forms {
			for i, v := range f.st.versions {
				has[i] = has[i] || v.docs(seg).Has(doc)
			}
		}
	}
	return nil
}

// Fate tells in words since when a hit is there, or is gone; "" when that is not known.
// day says when a version was made.
func (h *Hit) Fate(day func(version string) string) string {
	switch {
	case h.Gone && h.GoneSince != "":
		text := "gone since " + day(h.GoneSince) + "; last in the version of " + day(h.LastVersion)
		if h.Doubtful {
			text += " (not everything of that version could be read)"
		}
		return text
	case h.Changed:
		return "changed since; so until " + day(h.LastVersion)
	case h.FirstVersion != "":
		return "there since the version of " + day(h.FirstVersion)
	}
	return ""
}
