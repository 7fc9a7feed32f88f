package messages

import (
	"cmp"
	"net/url"
	"slices"
	"strings"

	"github.com/keepsake-backup/keepsake/extract/chat"
	"github.com/keepsake-backup/keepsake/extract/keyedarchive"
)

// apps that write messages, by their bundle (content-schemas.md 3). Some are named in
// other letters on other phones.
var apps = map[string]string{
	"com.apple.messages.urlballoonprovider":                    "Link",
	"com.apple.handwriting.handwritingprovider":                "Handwritten message",
	"com.apple.digitaltouchballoonprovider":                    "Digital Touch",
	"com.apple.passbookuiservice.peerpaymentmessagesextension": "Apple Cash",
	"com.apple.mobileslideshow.photosmessagesapp":              "Photos",
	"com.apple.safetymonitorapp.safetymonitormessages":         "Check In",
	"com.apple.findmy.findmymessagesapp":                       "Find My",
	pollsApp:                                                   "Poll",
	"com.apple.icloud.apps.messages.business.extension":        "Business chat",
	"com.apple.activitymessagesapp.messagesextension":          "Fitness",
	"com.apple.music.messagesapp":                              "Music",
}

const (
	link     = "Link"
	pollsApp = "com.apple.messages.polls"
)

// maxPayload is the longest payload_data that is looked into.
const maxPayload = 4 << 20

// balloon reads what an app says: its name, and what the payload tells of it.
func (l *batch) balloon(r *raw, m *chat.Message) {
	bundle := r.balloon.String[strings.LastIndexByte(r.balloon.String, ':')+1:]
	m.App = apps[strings.ToLower(bundle)]
	var payload any
	if len(r.payload) > 0 && len(r.payload) <= maxPayload {
		var err error
		if payload, err = keyedarchive.Decode(r.payload); err != nil && !isHandwriting(m.App) {
			note(m, "payload_data=%d bytes that are not understood", len(r.payload))
		}
	}
	switch {
	case r.kind.Int == typePollChange:
		l.voted(r, payload, m)
		return
	case m.App == link:
		preview(payload, m)
		return
	case m.App == apps[pollsApp]:
		if p, ok := pollOf(payload); ok {
			m.Text = cmp.Or(p.text(), m.Text)
		}
	}
	root, _ := payload.(map[string]any)
	if m.App == "" {
		m.App = text(root, "an")
	}
	if m.App == "" {
		m.App = bundle
	}
	if m.Text == "" {
		m.Text = strings.Join(lines(root), "\n")
	}
	if address := webAddress(text(root, "URL")); address != "" {
		m.Link = address
	}
	if m.Text == "" {
		m.Text = m.App
	}
}

// isHandwriting tells those whose payload is no archive.
func isHandwriting(app string) bool {
	return app == apps["com.apple.handwriting.handwritingprovider"] || app == apps["com.apple.digitaltouchballoonprovider"]
}

// bareLink reads the preview of a link that no app is named for, and tells whether there
// is one (imessage-exporter, message.rs).
func bareLink(r *raw, m *chat.Message) bool {
	if len(r.payload) == 0 || len(r.payload) > maxPayload {
		return false
	}
	payload, err := keyedarchive.Decode(r.payload)
	if err != nil || keyedarchive.Find(payload, "LPLinkMetadata") == nil {
		return false
	}
	m.App = link
	preview(payload, m)
	return true
}

// preview reads LPLinkMetadata.
func preview(payload any, m *chat.Message) {
	meta := keyedarchive.Find(payload, "LPLinkMetadata")
	m.LinkTitle = text(meta, "title")
	var about []string
	for _, key := range []string{"siteName", "summary"} {
		if s := text(meta, key); s != "" && s != m.LinkTitle {
			about = append(about, s)
		}
	}
	m.LinkText = strings.Join(about, "\n")
	for _, address := range []string{text(meta, "URL"), text(meta, "originalURL"), firstWord(m.Text)} {
		if m.Link = webAddress(address); m.Link != "" {
			break
		}
	}
	if m.Link == "" && m.Text == "" {
		m.Text = link
	}
}

func firstWord(s string) string {
	if i := strings.IndexAny(s, " \n\t"); i >= 0 {
		return s[:i]
	}
	return s
}

// lines are what people read in the balloon of an app, from the keys in which apps put
// it.
func lines(root map[string]any) []string {
	var list []string
	info, _ := root["userInfo"].(map[string]any)
	for _, m := range []map[string]any{info, root} {
		for _, key := range []string{"image-title", "image-subtitle", "caption", "subcaption", "secondary-subcaption", "tertiary-subcaption", "ldtext"} {
			if s := text(m, key); s != "" && !slices.Contains(list, s) {
				list = append(list, s)
			}
		}
	}
	return list
}

// maxLine is how long a text from a payload may be, in bytes.
const maxLine = 8 << 10

// text is what a map has under a key, when that is text.
func text(m map[string]any, key string) string {
	s, _ := m[key].(string)
	return plainText(s)
}

// plainText is a text that is good to be shown.
func plainText(s string) string {
	s = strings.ToValidUTF8(strings.TrimSpace(s), "\ufffd")
	if len(s) > maxLine {
		s = strings.ToValidUTF8(s[:maxLine], "") + "…"
	}
	return s
}

// webAddress gives s when it is an address of the web.
func webAddress(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return ""
	}
	return s
}
