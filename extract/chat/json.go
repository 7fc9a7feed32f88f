package chat

import (
	"encoding/json"
	"errors"
	"io"
)

// json writes {"conversation": …, "messages": […]}, a message a line; where the store
// broke off, "incomplete" says why.
func (e *exporter) json(w io.Writer, c Conversation, each func(func(*Message) error) error) error {
	head, err := encode(c)
	if err != nil {
		return err
	}
	p := &printer{w: w}
	p.print(`{"conversation":`, string(head), `,`, "\n", `"messages":[`)
	between := "\n"
	err = each(func(m *Message) error {
		line, err := encode(m)
		if err != nil {
			return err
		}
		p.print(between, string(line))
		between = ",\n"
		return p.err
	})
	p.print("\n]")
	if unread(err) {
		why, jsonErr := encode(err.Error())
		if jsonErr != nil {
			return errors.Join(err, jsonErr)
		}
		p.print(`,`, "\n", `"incomplete":`, string(why))
		err = nil
	}
	p.print("}\n")
	return errors.Join(err, p.err)
}

func encode(v any) ([]byte, error) { return json.Marshal(v) }

// printer writes until the first error.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) print(parts ...string) {
	for _, s := range parts {
		if p.err == nil {
			_, p.err = io.WriteString(p.w, s)
		}
	}
}
