package messages

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"

	"github.com/keepsake-backup/keepsake/extract/chat"
	"github.com/keepsake-backup/keepsake/extract/keyedarchive"
	"github.com/keepsake-backup/keepsake/internal/sqlitefs"
)

// poll is what payload_data of a poll, or of a vote in one, has (iOS 26): a keyed archive
// whose URL is "data:,", JSON in base64, and "?src=p&c=2" (imessage-exporter, polls.rs).
//
//	{"version": 1, "item": {"title": "Dinner?", "creatorHandle": "…", "orderedPollOptions": [{"optionIdentifier": "A", "text": "Pizza"}]}}
//	{"version": 1, "item": {"votes": [{"participantHandle": "…", "voteOptionIdentifier": "A"}]}}
type poll struct {
	Item struct {
		Title   string
		Options []option `json:"orderedPollOptions"`
		Votes   []struct {
			Option string `json:"voteOptionIdentifier"`
		}
	}
}

type option struct {
	ID   string `json:"optionIdentifier"`
	Text string
}

// maxOptions of a poll are shown; the phone takes twelve.
const maxOptions = 500

// pollOf reads the root of an archive; ok is false of what is none.
func pollOf(payload any) (p poll, ok bool) {
	root, _ := payload.(map[string]any)
	address, _ := root["URL"].(string)
	data, ok := strings.CutPrefix(address, "data:,")
	if !ok {
		return p, false
	}
	data, _, _ = strings.Cut(data, "?")
	list, err := base64.StdEncoding.DecodeString(data)
	if err != nil {
		list, err = base64.RawURLEncoding.DecodeString(data)
	}
	if err != nil || json.Unmarshal(list, &p) != nil {
		return poll{}, false
	}
	p.Item.Options = p.Item.Options[:min(len(p.Item.Options), maxOptions)]
	return p, p.Item.Title != "" || len(p.Item.Options) > 0 || p.Item.Votes != nil
}

// text is a poll as people read it.
func (p poll) text() string {
	lines := []string{p.Item.Title}
	for _, o := range p.Item.Options {
		if o.Text != "" {
			lines = append(lines, "• "+o.Text)
		}
	}
	return plainText(strings.Join(slices.DeleteFunc(lines, func(s string) bool { return s == "" }), "\n"))
}

// vote says what somebody has voted for, by the options of the poll.
func (p poll) vote(options map[string]string) string {
	var names []string
	for _, v := range p.Item.Votes {
		if name := options[v.Option]; name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	switch {
	case len(names) > 0:
		return plainText("Voted for " + strings.Join(names, ", "))
	case p.Item.Votes != nil && len(p.Item.Votes) == 0:
		return "Took the vote back"
	}
	return "Voted in a poll"
}

// pollOfVote is the GUID of the poll, or of its newer edition, that a vote is for.
func pollOfVote(target string) string {
	guid, _ := pointsTo(strings.TrimPrefix(target, "p/"))
	return guid
}

// readPolls reads the options of polls in which somebody votes.
func (b *book) readPolls(ctx context.Context, l *batch) error {
	var ask []any
	for _, r := range l.rows {
		if guid := pollOfVote(r.target.String); r.kind.Int == typePollChange && guid != "" && !slices.Contains(ask, any(guid)) {
			ask = append(ask, guid)
		}
	}
	if len(ask) == 0 || !b.db.Has("message", "guid", "payload_data") {
		return nil
	}
	l.polls = map[string]map[string]string{}
	for part := range slices.Chunk(ask, portion/2) { // as many as one question may name, and more
		query := "SELECT " + b.db.List("message", "m", "guid", "payload_data") + " FROM message m WHERE m.guid IN (?" + strings.Repeat(",?", len(part)-1) + ")"
		err := b.each(ctx, query, part, func(scan func(...any) error) error {
			var guid sqlitefs.Text
			var data sqlitefs.Blob
			if err := scan(&guid, &data); err != nil || len(data) > maxPayload {
				return err
			}
			payload, err := keyedarchive.Decode(data)
			if err != nil {
				return nil //nolint:nilerr // the poll itself tells, where it is shown
			}
			options := map[string]string{}
			if p, ok := pollOf(payload); ok {
				for _, o := range p.Item.Options {
					options[o.ID] = o.Text
				}
			}
			l.polls[guid.String] = options
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// voted makes a message of a vote.
func (l *batch) voted(r *raw, payload any, m *chat.Message) {
	p, _ := pollOf(payload)
	m.App = apps[pollsApp]
	m.Text = cmp.Or(m.Text, p.vote(l.polls[pollOfVote(r.target.String)]))
}
