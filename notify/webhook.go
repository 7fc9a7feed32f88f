package notify

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// webhook is a URL that gets each message as JSON.
type webhook struct {
	url    *url.URL
	client *http.Client
}

// hookMessage is what a webhook gets. Fields are added, never changed.
type hookMessage struct {
	From   string    `json:"from"` // "keepsake"
	Title  string    `json:"title"`
	Text   string    `json:"text"`
	Link   string    `json:"link,omitempty"`
	Urgent bool      `json:"urgent"`
	Time   time.Time `json:"time"` // UTC
}

func newWebhook(u *url.URL, client *http.Client) (courier, error) {
	if err := checkHTTP(u); err != nil {
		return nil, err
	}
	return &webhook{u, client}, nil
}

func (w *webhook) deliver(ctx context.Context, m Message) error {
	body, err := json.Marshal(hookMessage{"keepsake", m.Title, m.Text, m.Link, m.Urgent, time.Now().UTC().Truncate(time.Second)})
	if err != nil {
		return fmt.Errorf("encode message: %w", err)
	}
	return post(ctx, w.client, w.url, "application/json", body)
}
