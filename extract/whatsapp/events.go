package whatsapp

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/extract/chat"
)

// What happens in a group (ZGROUPEVENTTYPE of kind 6), by IPED (ExtractorIOS.java), whose
// numbers are those of a public archive of many groups, too; 9, 15 and 26 are that
// archive's alone [?].
const (
	eventName       = 1  // ZTEXT is the name
	eventJoined     = 2  // the member; ZTEXT is who added
	eventLeft       = 3  // the member
	eventPicture    = 4  // the member
	eventNoPicture  = 5  // the member
	eventRemoved    = 7  // the member; ZTEXT is who removed
	eventAdmin      = 9  // the member
	eventYouAdmin   = 10 // nobody
	eventCreated    = 12 // ZTEXT is the name, or {"author": …, "subject": …}
	eventByLink     = 15 // the member
	eventDisappear  = 26 // ZTEXT is seconds, 0 or nothing for never
	eventSeveral    = 50 // ZTEXT is who added, a semicolon, and whom with commas between
	maxEventPeople  = 50 // of one event are named
	somebody        = "Somebody"
	secondsOfOneDay = 24 * 3600
)

// eventText says what happened in a group.
func (b *book) eventText(r *row, m *chat.Message) string {
	who, known := m.From.Label(), true
	if m.FromMe {
		who = "You"
	}
	if who == "" {
		who, known = somebody, false
	}
	by, whom := b.people(m.Text)
	switch r.event.Int {
	case eventName:
		if m.Text != "" {
			return fmt.Sprintf("The name of the group was changed to “%s”", m.Text)
		}
		return "The name of the group was changed"
	case eventJoined, eventRemoved:
		return added(r.event.Int, by, who, known)
	case eventSeveral:
		names := strings.Join(whom, ", ")
		if len(whom) == 0 {
			names, by = by, ""
		}
		if names == "" {
			names = "Several people"
		}
		return added(eventJoined, by, names, true)
	case eventLeft:
		return who + " left the group"
	case eventPicture:
		return who + " changed the picture of the group"
	case eventNoPicture:
		return who + " removed the picture of the group"
	case eventAdmin:
		return who + " may now manage the group"
	case eventYouAdmin:
		return "You may now manage the group"
	case eventByLink:
		return who + " joined the group by its link"
	case eventDisappear:
		return disappear(m.Text)
	case eventCreated:
		return b.created(m.Text, who)
	}
	if m.Text != "" && by == "" && !strings.HasPrefix(m.Text, "{") {
		return m.Text
	}
	return fmt.Sprintf("Something happened in the group (%d)", r.event.Int)
}

// added says who came or went, and by whom; without a member it is the owner.
func added(event int64, by, who string, known bool) string {
	verb, alone := "added", "joined the group or was added"
	if event == eventRemoved {
		verb, alone = "removed", "was removed from the group"
	}
	switch {
	case by == "" || by == who:
		return who + " " + alone
	case !known:
		who = "you"
	}
	return by + " " + verb + " " + who
}

// created says who made a group, and how it is called.
func (b *book) created(text, who string) string {
	var about struct{ Author, Subject string }
	if json.Unmarshal([]byte(text), &about) == nil {
		if text = about.Subject; about.Author != "" {
			who = b.label(about.Author)
		}
	}
	by, _ := b.people(text)
	switch {
	case by != "": // not its name
		return by + " created the group"
	case text != "":
		return who + " created the group “" + text + "”"
	case who == somebody:
		return "The group was created"
	}
	return who + " created the group"
}

// people reads a text that is JIDs only: the one in front of a semicolon, or the only
// one, and the others. Of any other text there is none.
func (b *book) people(text string) (first string, others []string) {
	head, tail, several := strings.Cut(text, ";")
	if !several && strings.Contains(text, ",") {
		head, tail = "", text
	}
	if head = strings.TrimSpace(head); head != "" && !isJID(head) {
		return "", nil
	}
	for one := range strings.SplitSeq(tail, ",") {
		one = strings.TrimSpace(one)
		if one == "" || len(others) == maxEventPeople {
			continue
		}
		if !isJID(one) {
			return "", nil
		}
		others = append(others, b.label(one))
	}
	if head != "" {
		first = b.label(head)
	}
	return first, others
}

// isJID tells whether a text is the address of somebody.
func isJID(s string) bool {
	user, host, ok := strings.Cut(s, "@")
	return ok && user != "" && (host == "s.whatsapp.net" || host == "lid" || host == "c.us") && !strings.ContainsAny(user, " \n\t")
}

func (b *book) label(jid string) string {
	if b.dir.isOwn(jid) {
		return "You"
	}
	return b.dir.person(jid, "").Label()
}

// disappear says after how long messages disappear.
func disappear(text string) string {
	seconds, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	switch days := seconds / secondsOfOneDay; {
	case err == nil && seconds == 0:
		return "Messages do not disappear any more"
	case err != nil || seconds < 0 || days > 100_000:
		return "When messages disappear was changed"
	case days > 1:
		return fmt.Sprintf("Messages disappear after %d days", days)
	}
	return fmt.Sprintf("Messages disappear after %v hours", time.Duration(seconds*int64(time.Second)).Hours())
}

// notices are what the app itself tells (ZGROUPEVENTTYPE of kind 10), by IPED.
var notices = map[int64]string{
	1: "Missed voice call", 2: "Messages and calls are end-to-end encrypted", 3: "The security code changed", 4: "Missed video call",
	5: "The phone number was changed", 6: "The phone number was changed", 22: "Missed video call of a group", 25: "This is a conversation with a business",
	26: "This is a conversation with a business", 29: "The business changed its name", 30: "This is a business no longer", 34: "You blocked this contact", 35: "You unblocked this contact",
	38: "This is a conversation with a business", 40: "Video call", 41: "Video call", 45: "Missed voice call", 46: "Missed video call",
}

// noticeText says what a notice of the app itself is.
func (b *book) noticeText(r *row, m *chat.Message) string {
	by, others := b.people(m.Text)
	if m.Text != "" && by == "" && len(others) == 0 {
		return m.Text
	}
	text := notices[r.event.Int]
	switch {
	case r.kind.Int == kindCall:
		text = "Call"
	case text == "":
		text = fmt.Sprintf("A notice of WhatsApp (%d)", r.event.Int)
	}
	if by != "" {
		others = append([]string{by}, others...)
	}
	if len(others) > 0 {
		text += ": " + strings.Join(others, ", ")
	}
	return text
}
