package diagnostics

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

// relay gives a client of a relay that gives one answer (nil hangs up), and
// what it was asked.
func relay(t *testing.T, answer any) (*Client, chan map[string]any) {
	ours, theirs := net.Pipe()
	t.Cleanup(func() { ours.Close() })
	asked := make(chan map[string]any, 1)
	go func() {
		defer theirs.Close()
		c := framing.New(theirs, plist.XML)
		var req map[string]any
		c.Receive(context.Background(), &req)
		asked <- req
		if answer != nil {
			c.Send(context.Background(), answer)
		}
	}()
	return New(ours), asked
}

type dict = map[string]any

func TestClient_PasswordConfigured(t *testing.T) {
	gestalt := func(d dict) dict { return dict{"Status": "Success", "Diagnostics": dict{"MobileGestalt": d}} }
	refused := func(err error) bool { var s *StatusError; return errors.As(err, &s) }
	malformed := func(err error) bool { return errors.Is(err, plist.ErrMalformed) }
	for name, tc := range map[string]struct {
		answer any
		want   bool
		ok     func(error) bool
	}{
		"has one":          {gestalt(dict{"PasswordConfigured": true, "Status": "Success"}), true, nil},
		"has none":         {gestalt(dict{"PasswordConfigured": false, "Status": "Success"}), false, nil},
		"without Status":   {gestalt(dict{"PasswordConfigured": true}), true, nil},
		"deprecated":       {gestalt(dict{"Status": "MobileGestaltDeprecated"}), false, refused},
		"unknown request":  {dict{"Status": "UnknownRequest"}, false, refused},
		"no status":        {dict{}, false, refused},
		"no value":         {gestalt(dict{"Status": "Success"}), false, malformed},
		"value is a text":  {gestalt(dict{"PasswordConfigured": "true"}), false, malformed},
		"phone that hangs": {nil, false, func(err error) bool { var w *framing.WireError; return errors.As(err, &w) }},
	} {
		t.Run(name, func(t *testing.T) {
			c, asked := relay(t, tc.answer)
			got, err := c.PasswordConfigured(t.Context())
			if got != tc.want || tc.ok == nil && err != nil || tc.ok != nil && !tc.ok(err) {
				t.Errorf("got %v, %v", got, err)
			}
			want := dict{"Request": "MobileGestalt", "MobileGestaltKeys": []any{"PasswordConfigured"}}
			if diff := cmp.Diff(want, <-asked); diff != "" {
				t.Errorf("request (-want +got):\n%s", diff)
			}
		})
	}
}

func TestClient_Goodbye(t *testing.T) {
	c, asked := relay(t, dict{"Status": "Success"})
	if err := c.Goodbye(t.Context()); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(dict{"Request": "Goodbye"}, <-asked); diff != "" {
		t.Errorf("request (-want +got):\n%s", diff)
	}
}
