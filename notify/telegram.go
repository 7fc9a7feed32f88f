package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// telegramAPI answers the Bot API for everybody; ?api= names a server of one's own.
const telegramAPI = "https://api.telegram.org"

// maxChats bounds the chats of one URL.
const maxChats = 20

var telegramToken = regexp.MustCompile(`^[0-9]{1,20}:[A-Za-z0-9_-]{10,100}$`)

// telegram is a bot that writes into chats. It is our own, over the same URLs,
// because shoutrrr's takes a network that is down for a message that was sent.
type telegram struct {
	method *url.URL
	chats  []string
	client *http.Client
	quiet  bool
}

// telegramMessage is the request sendMessage of the Bot API.
type telegramMessage struct {
	Chat  string `json:"chat_id"`
	Text  string `json:"text"`
	Quiet bool   `json:"disable_notification,omitempty"`
}

func newTelegram(u *url.URL, client *http.Client) (courier, error) {
	password, _ := u.User.Password()
	token := u.User.Username() + ":" + password
	q := u.Query()
	chats := strings.FieldsFunc(q.Get("chats")+","+q.Get("channels"), func(r rune) bool { return r == ',' })
	switch {
	case !telegramToken.MatchString(token):
		return nil, plainError("its token is not one of a bot: telegram://NUMBER:LETTERS@telegram?chats=ID")
	case len(chats) == 0 || len(chats) > maxChats:
		return nil, plainError(fmt.Sprintf("it names no chats, or more than %d: add ?chats=ID", maxChats))
	}
	base := telegramAPI
	if q.Has("api") {
		base = q.Get("api")
	}
	api, err := url.Parse(base)
	if err != nil {
		return nil, plainError("the address of its API is no URL")
	}
	if err := checkHTTP(api); err != nil {
		return nil, fmt.Errorf("address of its API: %w", err)
	}
	quiet := strings.EqualFold(q.Get("notification"), "no")
	return &telegram{api.JoinPath("bot"+token, "sendMessage"), chats, client, quiet}, nil
}

// deliver writes into every chat, whatever becomes of the others.
func (t *telegram) deliver(ctx context.Context, m Message) error {
	var errs []error
	for _, chat := range t.chats {
		body, err := json.Marshal(telegramMessage{chat, m.body(true), t.quiet})
		if err != nil {
			return fmt.Errorf("encode message: %w", err)
		}
		errs = append(errs, post(ctx, t.client, t.method, "application/json", body))
	}
	return errors.Join(errs...)
}
