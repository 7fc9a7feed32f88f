package installationproxy

import (
	"context"
	"errors"
	"net"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/keepsake-backup/keepsake/internal/framing"
	"github.com/keepsake-backup/keepsake/internal/plist"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type dict = map[string]any

// proxy gives a client of a proxy that gives these answers and hangs up, and
// what it was asked.
func proxy(t *testing.T, answers ...any) (*Client, chan dict) {
	ours, theirs := net.Pipe()
	t.Cleanup(func() { ours.Close() })
	asked := make(chan dict, 1)
	go func() {
		defer theirs.Close()
		c := framing.New(theirs, plist.Binary)
		var req dict
		c.Receive(context.Background(), &req)
		asked <- req
		for _, a := range answers {
			if c.Send(context.Background(), a) != nil {
				return
			}
		}
	}()
	return New(ours), asked
}

func batch(apps ...any) dict {
	return dict{"Status": "BrowsingApplications", "CurrentIndex": 0, "CurrentAmount": len(apps), "CurrentList": apps}
}

func TestClient_Browse(t *testing.T) {
	whole := dict{"CFBundleIdentifier": "com.example.a", "CFBundleDisplayName": "A", "CFBundleShortVersionString": "1.2",
		"ApplicationSINF": []byte("sinf"), "iTunesMetadata": []byte("meta"), "Extra": true}
	c, asked := proxy(t, batch(whole), batch(dict{"CFBundleIdentifier": "com.example.b"}), dict{"Status": "Complete"})
	got, err := c.Browse(t.Context(), AttrSINF, AttrMetadata)
	want := []App{
		{"com.example.a", "A", "1.2", []byte("sinf"), []byte("meta"), whole},
		{BundleID: "com.example.b", Attributes: dict{"CFBundleIdentifier": "com.example.b"}},
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("error %v; apps (-want +got):\n%s", err, diff)
	}
	request := dict{"Command": "Browse", "ClientOptions": dict{"ApplicationType": "User",
		"ReturnAttributes": []any{"CFBundleIdentifier", "ApplicationSINF", "iTunesMetadata"}}}
	if diff := cmp.Diff(request, <-asked); diff != "" {
		t.Errorf("request (-want +got):\n%s", diff)
	}
}

func TestClient_Browse_everything(t *testing.T) {
	c, asked := proxy(t, dict{"Status": "Complete"})
	if got, err := c.Browse(t.Context()); err != nil || len(got) != 0 {
		t.Errorf("got %v, %v", got, err)
	}
	if diff := cmp.Diff(dict{"Command": "Browse", "ClientOptions": dict{"ApplicationType": "User"}}, <-asked); diff != "" {
		t.Errorf("request (-want +got):\n%s", diff)
	}
}

func TestClient_Browse_failures(t *testing.T) {
	malformed := func(err error) bool { return errors.Is(err, plist.ErrMalformed) }
	var many []any
	for range maxApps/2 + 1 {
		many = append(many, dict{"CFBundleIdentifier": "x"})
	}
	for name, tc := range map[string]struct {
		answers []any
		ok      func(error) bool
	}{
		"refused":        {[]any{dict{"Error": "APIInternalError", "ErrorDescription": "x"}}, func(err error) bool { var r *RefusedError; return errors.As(err, &r) }},
		"unknown status": {[]any{dict{"Status": "FromTheFuture"}}, malformed},
		"nameless app":   {[]any{batch(dict{"CFBundleDisplayName": "x"})}, malformed},
		"endless":        {[]any{batch(many...), batch(many...)}, malformed},
		"app is a text":  {[]any{batch("x")}, malformed},
		"phone hangs up": {[]any{batch()}, func(err error) bool { var w *framing.WireError; return errors.As(err, &w) }},
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := proxy(t, tc.answers...)
			if got, err := c.Browse(t.Context()); !tc.ok(err) || got != nil {
				t.Errorf("got %d apps, %v", len(got), err)
			}
		})
	}
}
