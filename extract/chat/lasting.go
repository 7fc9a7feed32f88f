package chat

import "strings"

// Lasting is the row of a message with addresses in place of names: what two versions
// are compared by. Somebody else's name in the contacts is no change of all that was
// ever said.
func (m Message) Lasting() []string {
	row := m.Row()
	row[0] = m.Conversation
	if !m.FromMe && m.From.Address != "" {
		row[2] = m.From.Address
	}
	reactions := make([]string, len(m.Reactions))
	for i, r := range m.Reactions {
		if r.From.Address != "" {
			r.From.Name = ""
		}
		reactions[i] = r.sign() + " " + r.who()
	}
	row[7] = strings.Join(reactions, "; ")
	return row
}
