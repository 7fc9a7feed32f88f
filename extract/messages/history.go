package messages

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/chat"
	"github.com/keepsake-backup/keepsake/extract/typedstream"
	"github.com/keepsake-backup/keepsake/internal/plist"
)

// maxSummary is the longest message_summary_info that is read.
const maxSummary = 4 << 20

// summary is a message_summary_info (content-schemas.md 3).
type summary struct {
	// Events are the wordings of each part, the first one first, the present one last.
	Events map[string][]wording `plist:"ec"`
	// Unsent are the parts that were taken back.
	Unsent []int64 `plist:"rp"`
}

type wording struct {
	Date float64 `plist:"d"`
	Text []byte  `plist:"t"`
}

// history reads earlier wordings, and which parts were taken back: a message all of
// which was is of the kind unsent. What is no property list is left alone.
func (b *book) history(r *raw, m *chat.Message) {
	if len(r.summary) == 0 && m.Unsent.IsZero() {
		return
	}
	var s summary
	if len(r.summary) > 0 && len(r.summary) <= maxSummary {
		if err := plist.Unmarshal(r.summary, &s); err != nil {
			note(m, "message_summary_info=%d bytes that are not understood", len(r.summary))
		}
	}
	for _, part := range slices.SortedFunc(maps.Keys(s.Events), byNumber) {
		list := s.Events[part]
		for i, e := range list {
			text, err := typedstream.Text(e.Text)
			if err != nil {
				text = "?"
			}
			text = words(text)
			// The last one is the part as it is, unless it was taken back after that.
			if i == len(list)-1 && strings.Contains(m.Text, text) {
				break
			}
			m.Edits = append(m.Edits, chat.Edit{Text: text, Time: extract.CocoaTime(e.Date)})
		}
	}
	slices.SortStableFunc(m.Edits, func(a, c chat.Edit) int { return a.Time.Compare(c.Time) })
	if m.Unsent.IsZero() && len(s.Unsent) == 0 {
		return
	}
	if m.Text == "" && len(m.Attachments) == 0 {
		m.Kind = chat.KindUnsent
		m.Unsent = firstTime(m.Unsent, m.Edited, m.Time)
		return
	}
	parts := make([]string, len(s.Unsent))
	for i, p := range s.Unsent {
		parts[i] = strconv.FormatInt(p, 10)
	}
	m.Unsent = firstTime(m.Unsent, m.Edited)
	note(m, "unsent_parts=%s", strings.Join(parts, ","))
}

func byNumber(a, b string) int {
	return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
}

func firstTime(times ...time.Time) time.Time {
	for _, t := range times {
		if !t.IsZero() {
			return t
		}
	}
	return time.Time{}
}

// itemLocation is item_type of sharing the place where somebody is.
const itemLocation = 4

// event tells what happened, for messages that nobody wrote. Sources differ in what
// the numbers mean, so a name decides first, and the numbers are in Raw.
func (b *book) event(r *raw, m *chat.Message) string {
	who := m.Sender()
	if m.FromMe {
		who = "You"
	}
	whom := "somebody"
	if p, ok := b.people[r.other.Int]; ok {
		whom = p.Label()
	}
	note(m, "item_type=%d group_action_type=%d", r.item.Int, r.action.Int)
	switch {
	case r.item.Int == 1 && r.action.Int == 0 && r.other.Valid && r.other.Int != 0 && r.other.Int == r.handle.Int:
		return who + " changed to another phone number"
	case r.title.String != "":
		return fmt.Sprintf("%s named the conversation “%s”", who, r.title.String)
	case r.item.Int == 2:
		return who + " removed the name of the conversation"
	case r.item.Int == 1 && r.action.Int == 0:
		return who + " added " + whom
	case r.item.Int == 1 && r.action.Int == 1:
		return who + " removed " + whom
	case r.item.Int == 3 && r.action.Int == 0:
		return who + " left the conversation"
	case r.item.Int == 3 && r.action.Int == 1:
		return who + " changed the picture of the conversation"
	case r.item.Int == 3 && r.action.Int == 2:
		return who + " removed the picture of the conversation"
	case r.item.Int == 3 && r.action.Int == 4:
		return who + " changed the background of the conversation"
	case r.item.Int == 3 && r.action.Int == 6:
		return who + " removed the background of the conversation"
	case r.item.Int == itemLocation:
		note(m, "share_status=%d share_direction=%d", r.share.Int, r.toward.Int)
		if r.share.Int == 1 {
			return who + " stopped sharing the location"
		}
		return who + " started sharing the location"
	case r.item.Int == 5:
		return who + " kept an audio message"
	case r.item.Int == 6:
		return who + " shared with SharePlay"
	}
	return "Something happened in the conversation"
}
