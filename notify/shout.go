package notify

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/nicholas-fedor/shoutrrr/pkg/router"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/push/gotify"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/push/ntfy"
	"github.com/nicholas-fedor/shoutrrr/pkg/types"

	"github.com/keepsake-backup/keepsake/internal/secret"
)

// knownKinds are the schemes beside http and https. Of shoutrrr's, "logger" and
// "generic" are left out: the first tells nobody, the second is our webhook.
var knownKinds = map[string]bool{
	"telegram": true, "ntfy": true, "gotify": true, "smtp": true,
	"bark": true, "discord": true, "googlechat": true, "ifttt": true, "join": true, "lark": true, "matrix": true,
	"mattermost": true, "notifiarr": true, "opsgenie": true, "pagerduty": true, "pushbullet": true, "pushover": true,
	"rocketchat": true, "signal": true, "slack": true, "teams": true, "wecom": true, "zulip": true,
}

// untitled are the kinds without room for a title of its own.
var untitled = map[string]bool{
	"googlechat": true, "notifiarr": true, "pagerduty": true, "rocketchat": true, "signal": true, "wecom": true, "zulip": true,
}

// hosted are the kinds whose URL's host is one to connect to; of others it is a
// token, which is not to be asked of a name server.
var hosted = map[string]bool{"smtp": true, "matrix": true, "mattermost": true, "rocketchat": true, "signal": true, "bark": true}

// shout is a place that shoutrrr knows the way to.
type shout struct {
	kind   string
	url    secret.Text
	host   string // to look at before connecting; "" none
	client *http.Client
	own    url.Values // options that the URL sets itself
}

func newShout(kind string, raw secret.Text, client *http.Client) (courier, error) {
	if kind == unknownKind {
		return nil, plainError("what it begins with is not known: see docs/notifications.md")
	}
	u, err := url.Parse(raw.Reveal())
	if err != nil {
		return nil, plainError("it is no URL")
	}
	s := &shout{kind: kind, url: raw, client: client, own: u.Query()}
	if hosted[kind] {
		s.host = u.Hostname()
	}
	if a, err := netip.ParseAddr(u.Hostname()); err == nil {
		if err := checkAddress(a); err != nil {
			return nil, err
		}
	}
	if kind == "smtp" && s.own.Has("usehtml") && !strings.EqualFold(s.own.Get("usehtml"), "no") {
		return nil, plainError("messages are plain text: take usehtml away")
	}
	_, err = s.service()
	return s, err
}

// service makes a sender for one message: some keep what they are told.
func (s *shout) service() (types.Service, error) {
	r, err := router.New(nil)
	if err != nil {
		return nil, err
	}
	service, err := r.Locate(s.url.Reveal())
	if err != nil {
		return nil, fmt.Errorf("it is not complete: %w", err)
	}
	transport, ours := s.client.Transport.(*http.Transport)
	switch service := service.(type) {
	case *ntfy.Service:
		client := *s.client
		if service.Config.DisableTLSVerification && ours {
			own := transport.Clone()
			own.TLSClientConfig = &tls.Config{InsecureSkipVerify: true} // the admin has asked for it, in the URL
			own.DisableKeepAlives = true
			client.Transport = own
		}
		service.SetHTTPClient(&client)
	case *gotify.Service:
		client := service.GetHTTPClient()
		client.CheckRedirect = s.client.CheckRedirect
		if own, ok := client.Transport.(*http.Transport); ok && ours {
			own.DialContext, own.DisableKeepAlives = transport.DialContext, true
		}
	}
	return service, nil
}

func (s *shout) deliver(ctx context.Context, m Message) error {
	if err := s.checkHost(ctx); err != nil {
		return err
	}
	service, err := s.service()
	if err != nil {
		return err
	}
	text, params := s.dress(m)
	return service.Send(text, &params)
}

// checkHost looks where a sender with connections of its own would go.
func (s *shout) checkHost(ctx context.Context) error {
	if s.host == "" {
		return nil
	}
	addresses, err := net.DefaultResolver.LookupNetIP(ctx, "ip", s.host)
	if err != nil {
		return fmt.Errorf("look up the host: %w", err)
	}
	for _, a := range addresses {
		if err := checkAddress(a); err != nil {
			return err
		}
	}
	return nil
}

// dress gives a message the form that suits the kind. What the URL says itself,
// goes first.
func (s *shout) dress(m Message) (string, types.Params) {
	params, text := types.Params{}, m.body(untitled[s.kind])
	set := func(key, value string) {
		if !s.own.Has(key) {
			params[key] = value
		}
	}
	if !untitled[s.kind] {
		params.SetTitle(m.Title)
	}
	switch s.kind {
	case "smtp":
		params.SetTitle(mime.QEncoding.Encode("utf-8", m.Title)) // shoutrrr writes it into the header as it is
	case "ntfy":
		if m.Link != "" {
			set("click", m.Link)
			m.Link = ""
			text = m.body(false)
		}
		if m.Urgent {
			set("priority", "high")
		}
	case "gotify":
		set("priority", map[bool]string{false: "4", true: "8"}[m.Urgent])
		if m.Link != "" {
			set("extras", gotifyClick(m.Link))
		}
	case "pushover":
		if m.Urgent {
			set("priority", "1")
		}
	}
	return text, params
}

// gotifyClick opens link when the message is touched (Gotify's "Message extras").
func gotifyClick(link string) string {
	type target struct {
		URL string `json:"url"`
	}
	type click struct {
		Click target `json:"click"`
	}
	extras, err := json.Marshal(map[string]click{"client::notification": {target{link}}})
	if err != nil {
		return "{}" // of strings alone: it cannot fail
	}
	return string(extras)
}
