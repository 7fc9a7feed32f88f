package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keepsake-backup/keepsake/internal/secret"
)

// request is what a server has got.
type request struct {
	Method, Path, Query, Body string
	Header                    http.Header
}

// listener is a server on loopback that keeps what it gets and answers status.
type listener struct {
	*httptest.Server
	mu  sync.Mutex
	got []request
}

func listen(t *testing.T, status int, answer string) *listener {
	t.Helper()
	l := &listener{}
	l.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("read request: %v", err)
		}
		l.mu.Lock()
		l.got = append(l.got, request{r.Method, r.URL.Path, r.URL.RawQuery, string(body), r.Header})
		l.mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		fmt.Fprint(w, answer)
	}))
	t.Cleanup(l.Close)
	return l
}

func (l *listener) only(t *testing.T) request {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.got) != 1 {
		t.Fatalf("the server got %d requests, want 1", len(l.got))
	}
	return l.got[0]
}

func (l *listener) host() string { return strings.TrimPrefix(l.URL, "http://") }

func urls(raw ...string) (out []secret.Text) {
	for _, r := range raw {
		out = append(out, secret.NewText(r))
	}
	return out
}

var late = Message{Title: "Zoë's phone needs you", Text: "No verified backup for 8 days.\nPlug it in and enter the passcode.", Link: "https://home.example:8420/phones/1", Urgent: true}

func send(t *testing.T, m Message, raw ...string) {
	t.Helper()
	if err := New(urls(raw...), Options{}).Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
}

func TestSend_webhook(t *testing.T) {
	l := listen(t, 200, "")
	send(t, late, l.URL+"/api/webhook/keep-9f3?x=1")
	got := l.only(t)
	var body map[string]any
	if err := json.Unmarshal([]byte(got.Body), &body); err != nil {
		t.Fatal(err)
	}
	if at, err := time.Parse(time.RFC3339, fmt.Sprint(body["time"])); err != nil || time.Since(at) > time.Minute {
		t.Errorf("time is %v (%v)", body["time"], err)
	}
	delete(body, "time")
	want := map[string]any{"from": "keepsake", "title": late.Title, "text": late.Text, "link": late.Link, "urgent": true}
	if d := cmp.Diff(want, body); d != "" {
		t.Errorf("body (-want +got):\n%s", d)
	}
	if got.Method != "POST" || got.Path != "/api/webhook/keep-9f3" || got.Query != "x=1" || got.Header.Get("Content-Type") != "application/json" {
		t.Errorf("request is %s %s?%s, %s", got.Method, got.Path, got.Query, got.Header.Get("Content-Type"))
	}
}

func TestSend_ntfy(t *testing.T) {
	l := listen(t, 200, `{"id":"x","event":"message"}`)
	send(t, late, "ntfy://anna:pw-8812@"+l.host()+"/phones?scheme=http")
	got := l.only(t)
	user, password, ok := (&http.Request{Header: got.Header}).BasicAuth()
	if !ok || user != "anna" || password != "pw-8812" {
		t.Errorf("sign-in is %q %q", user, password)
	}
	h := map[string]string{"Path": got.Path, "Body": got.Body, "Title": got.Header.Get("Title"), "Click": got.Header.Get("Click"), "Priority": strings.ToLower(got.Header.Get("Priority"))}
	want := map[string]string{"Path": "/phones", "Body": late.Text, "Title": late.Title, "Click": late.Link, "Priority": "high"}
	if d := cmp.Diff(want, h); d != "" {
		t.Errorf("request (-want +got):\n%s", d)
	}
}

func TestSend_gotify(t *testing.T) {
	l := listen(t, 200, `{"id":1}`)
	send(t, late, "gotify://"+l.host()+"/Abcdefghijklmno?disabletls=yes")
	got := l.only(t)
	var body struct {
		Title, Message string
		Priority       int
		Extras         map[string]map[string]map[string]string
	}
	if err := json.Unmarshal([]byte(got.Body), &body); err != nil {
		t.Fatal(err)
	}
	if body.Title != late.Title || body.Message != late.Text+"\n\n"+late.Link || body.Priority != 8 ||
		body.Extras["client::notification"]["click"]["url"] != late.Link {
		t.Errorf("body is %s", got.Body)
	}
	if got.Path != "/message" {
		t.Errorf("path is %s", got.Path)
	}
}

func TestSend_telegram(t *testing.T) {
	l := listen(t, 200, `{"ok":true}`)
	send(t, Message{Title: "Done", Text: "Backed up."}, "telegram://123456:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw@telegram?chats=42,@family&notification=no&api="+l.URL)
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.got) != 2 {
		t.Fatalf("%d requests, want one for each chat", len(l.got))
	}
	for i, chat := range []string{"42", "@family"} {
		if l.got[i].Path != "/bot123456:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw/sendMessage" {
			t.Errorf("path is %s", l.got[i].Path)
		}
		if want := `{"chat_id":"` + chat + `","text":"Done\n\nBacked up.","disable_notification":true}`; l.got[i].Body != want {
			t.Errorf("body is %s\nwant    %s", l.got[i].Body, want)
		}
	}
}

func TestSend_mail(t *testing.T) {
	server := listenMail(t)
	send(t, late, "smtp://keep:pw-5531@"+server.address+"/?auth=plain&from=keepsake@home.example&to=anna@home.example,ben@home.example")
	got := server.mails(t, 2)
	for i, to := range []string{"anna@home.example", "ben@home.example"} {
		mail := got[i]
		if mail.from != "keepsake@home.example" || mail.to != to {
			t.Errorf("envelope is %s to %s", mail.from, mail.to)
		}
		for _, want := range []string{"Subject: =?utf-8?q?Zo=C3=AB's_phone_needs_you?=\r\n", "To: " + to + "\r\n", "\r\n\r\nNo verified backup for 8 days.\r\nPlug it in", late.Link} {
			if !strings.Contains(mail.data, want) {
				t.Errorf("mail lacks %q:\n%s", want, mail.data)
			}
		}
	}
}

// A phone is called what anybody likes; its name stands in titles.
func TestSend_mailHeadersAreNotInjected(t *testing.T) {
	server := listenMail(t)
	send(t, Message{Title: "Eve\r\nBcc: all@home.example\n\nhello", Text: "line\r\n.\r\nMAIL FROM:<x>\x00\x1b[31m"}, "smtp://"+server.address+"/?from=a@home.example&to=b@home.example")
	mail := server.mails(t, 1)[0]
	if strings.Contains(mail.data, "\r\nBcc:") || strings.ContainsAny(mail.data, "\x00\x1b") {
		t.Errorf("mail is\n%q", mail.data)
	}
	if !strings.Contains(mail.data, "Subject: Eve Bcc: all@home.example hello\r\n") {
		t.Errorf("mail is\n%q", mail.data)
	}
}

// All places that fail are named, none by its URL, and the others have the message.
func TestSend_failures(t *testing.T) {
	const token = "sup3rsecret"
	good := listen(t, 204, "")
	forbids := listen(t, 403, `{"code":40301,"http":403,"error":"forbidden `+token+`","link":"http://x/`+token+`"}`)
	moved := listen(t, 302, "")
	closed := httptest.NewServer(nil)
	nobody := strings.TrimPrefix(closed.URL, "http://")
	closed.Close()
	mail := listenMail(t)
	mail.refuse.Store(true)
	var log bytes.Buffer
	n := New(urls(
		good.URL+"/"+token,
		"ntfy://u:"+token+"@"+forbids.host()+"/"+token+"?scheme=http",
		"gotify://"+nobody+"/A"+token+"xyz?disabletls=yes",
		moved.URL+"/"+token,
		"telegram://123456:"+token+"@telegram?chats="+token+"&api=http://"+nobody+"/"+token,
		"smtp://"+token+":"+token+"@"+mail.address+"/?auth=plain&from=a@"+token+".example&to=b@"+token+".example",
		"nonsense://"+token,
		"discord://"+token,
		"http://[fe80::1]/"+token,
		"%%"+token,
	), Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	err := n.Send(t.Context(), late)
	if err == nil {
		t.Fatal("no error")
	}
	want := []string{
		"notify by ntfy (place 2): ",
		"notify by gotify (place 3): nothing listens there: connection refused",
		"notify by webhook (place 4): it answered 302 Found",
		"notify by telegram (place 5): nothing listens there: connection refused",
		"notify by smtp (place 6): it answered 535: the sign-in is refused",
		"notify by unknown (place 7): what it begins with is not known",
		"notify by discord (place 8): it is not complete",
		"notify by webhook (place 9): address fe80::1 is refused",
		"notify by unknown (place 10): it is no URL",
	}
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != len(want) {
		t.Fatalf("%d lines, want %d:\n%v", len(lines), len(want), err)
	}
	for i, line := range lines {
		if !strings.HasPrefix(line, want[i]) {
			t.Errorf("line is %q\nwant     %q", line, want[i])
		}
	}
	for _, seen := range []string{err.Error(), log.String(), fmt.Sprintf("%+v %#v", err, n), fmt.Sprintf("%#v", *n.places[1])} {
		if strings.Contains(seen, token) {
			t.Errorf("the token shows in:\n%s", seen)
		}
	}
	good.only(t)
	var place *PlaceError
	if !errors.As(err, &place) || place.Kind != "ntfy" || place.Number != 2 {
		t.Errorf("first is %+v", place)
	}
}

// A place that takes the connection and says nothing costs its time once, and
// holds nobody else back.
func TestSend_places_that_hang(t *testing.T) {
	release := make(chan struct{})
	var asked atomic.Int32
	hangs := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1); <-release }))
	defer hangs.Close()
	defer close(release)
	mute, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	good := listen(t, 200, "")
	n := New(urls(hangs.URL, "ntfy://"+strings.TrimPrefix(hangs.URL, "http://")+"/topic?scheme=http", "smtp://"+mute.Addr().String()+"/?from=a@b.example&to=c@d.example", good.URL), Options{Timeout: 200 * time.Millisecond})
	for range 3 {
		start := time.Now()
		err := n.Send(t.Context(), late)
		if err == nil || strings.Count(err.Error(), "\n") != 2 || strings.Contains(err.Error(), "place 4") {
			t.Errorf("error is %v", err)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("took %v", took)
		}
	}
	if a := asked.Load(); a > 4 { // the webhook ends with its context: three; ntfy's goes on: one
		t.Errorf("%d requests hang at a time", a)
	}
	if good.mu.Lock(); len(good.got) != 3 {
		t.Errorf("the good place has %d messages, want 3", len(good.got))
	}
	good.mu.Unlock()
}

// stuck is a courier that does not heed its context, the first time.
type stuck struct {
	sent    atomic.Int32
	release chan struct{}
}

func (s *stuck) deliver(context.Context, Message) error {
	if s.sent.Add(1) == 1 {
		<-s.release
	}
	return nil
}

// A courier that never comes back loses its turn in the end.
func TestSend_abandons(t *testing.T) {
	s := &stuck{release: make(chan struct{})}
	p := &place{kind: "stuck", number: 1, courier: s, turn: make(chan struct{}, 1), abandon: 2 * time.Second}
	n := New(nil, Options{Timeout: 50 * time.Millisecond})
	n.places = append(n.places, p)
	for _, want := range []string{"did not answer in time", "still on its way"} {
		if err := n.Send(t.Context(), late); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want %q", err, want)
		}
	}
	deadline := time.Now().Add(10 * time.Second)
	for n.Send(t.Context(), late) != nil {
		if time.Now().After(deadline) {
			t.Fatal("the place never works again")
		}
	}
	close(s.release) // it comes back after all, and takes nobody's turn away
	for range 3 {
		if err := n.Send(t.Context(), late); err != nil {
			t.Error(err)
		}
	}
}

func TestSend_nowhere(t *testing.T) {
	if err := New(nil, Options{}).Send(t.Context(), late); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	l := listen(t, 200, "")
	if err := New(urls(l.URL), Options{}).Send(ctx, late); err == nil {
		t.Error("a context that is over sends")
	}
}

func TestValidate(t *testing.T) {
	for raw, want := range map[string]string{
		"ntfy://ntfy.sh/my-topic":                                                "",
		"gotify://push.home.example/Abcdefghijklmno":                             "",
		"https://home.example/api/webhook/abc":                                   "",
		"http://192.168.1.10:8123/api/webhook/x":                                 "",
		"smtp://u:p@mail.example:587/?from=a@b.example&to=c@d.example":           "",
		"telegram://123456:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw@telegram?chats=42": "",
		"discord://token-abc@123456789":                                          "",
		"":                                                                       "empty",
		"no url at all":                                                          "no URL",
		"ntfy://ntfy.sh":                                                         "not complete",
		"https://":                                                               "no host",
		"logger://":                                                              "not known",
		"generic://home.example":                                                 "not known",
		"file:///etc/passwd":                                                     "not known",
		"http://169.254.169.254/latest/meta-data":                                "169.254.169.254 is refused",
		"http://[::ffff:169.254.169.254]/":                                       "169.254.169.254 is refused",
		"ntfy://169.254.169.254/topic":                                           "169.254.169.254 is refused",
		"http://[fd00:ec2::254]/":                                                "fd00:ec2::254 is refused",
		"http://0.0.0.0/":                                                        "0.0.0.0 is refused",
		"smtp://mail.example/?from=a@b.example":                                  "not complete",
		"smtp://mail.example/?from=a@b.example&to=c@d.example&usehtml=yes":                                "plain text",
		"telegram://telegram?chats=42":                                                                    "token",
		"telegram://123456:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw@telegram":                                   "no chats",
		"telegram://123456:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw@telegram?chats=42&api=ftp://x":              "https://",
		"telegram://123456:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw@telegram?chats=42&api=http://169.254.1.1/x": "refused",
		"https://home.example/" + strings.Repeat("x", MaxURL):                                             "longer than",
	} {
		err := Validate(secret.NewText(raw))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("Validate(%.80q) = %v, want %q", raw, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "AAHdqTcv") {
			t.Errorf("error shows the token: %v", err)
		}
	}
}

// A name may point at what its URL does not show.
func TestGuardedDialer(t *testing.T) {
	d := guardedDialer()
	for address, refused := range map[string]bool{
		"169.254.169.254:80": true, "[fe80::1%lo]:80": true, "0.0.0.0:80": true, "[::]:80": true, "224.0.0.251:80": true,
		"[::ffff:169.254.169.254]:80": true, "100.100.100.200:80": true, "[fd00:ec2::254]:80": true,
		"127.0.0.1:80": false, "192.168.1.2:80": false, "[fd12::1]:80": false, "1.1.1.1:443": false,
	} {
		err := d.Control("tcp", address, nil)
		var as *RefusedAddressError
		if errors.As(err, &as) != refused {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestKind(t *testing.T) {
	for raw, want := range map[string]string{"https://x/": "webhook", "NTFY://x/y": "ntfy", "topsecret://x": "unknown", "%": "unknown", "": "unknown"} {
		if got := Kind(secret.NewText(raw)); got != want {
			t.Errorf("Kind(%q) = %q, want %q", raw, got, want)
		}
	}
}

// No cause of a failure shows a part of the URL, whatever the sender put into it.
func FuzzScrub(f *testing.F) {
	f.Add("ntfy://user:passw0rd@host.example/topic?priority=high", "Post \"https://host.example/topic\": dial tcp")
	f.Add("https://h/a%20long%20path/tok", "a long path failed")
	f.Add("x", "x")
	f.Fuzz(func(t *testing.T, raw, text string) {
		out := scrub(text+" "+raw+" "+text, raw)
		if len(out) > maxReason {
			t.Errorf("%d bytes", len(out))
		}
		const password = "Tr0ub4dor-and-3"
		for _, u := range []string{"ntfy://" + password + "@h/t", "https://h/" + password, "https://h/?k=" + password, "smtp://u:" + password + "@h/"} {
			if got := scrub("sending to "+u+" with "+password+" failed", u); strings.Contains(got, password) {
				t.Errorf("%q shows in %q", password, got)
			}
		}
	})
}

func FuzzCleaned(f *testing.F) {
	f.Add("a\r\nBcc: x", "text\x00", "https://x/\n")
	f.Add(strings.Repeat("ü", 500), strings.Repeat("日", 5000), strings.Repeat("l", 999))
	f.Fuzz(func(t *testing.T, title, text, link string) {
		m := Message{Title: title, Text: text, Link: link}.cleaned()
		if m.Title == "" || strings.ContainsAny(m.Title+m.Link, "\r\n\x00") || strings.ContainsAny(m.Text, "\r\x00") {
			t.Errorf("%+v", m)
		}
		if len(m.Title) > maxTitle || len(m.Text) > maxText || len(m.Link) > maxLink || len(m.body(true)) > 4096 {
			t.Errorf("too long: %d %d %d", len(m.Title), len(m.Text), len(m.Link))
		}
	})
}
