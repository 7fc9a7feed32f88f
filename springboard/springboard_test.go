package springboard

import (
	"bytes"
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

func TestClient_IconPNG(t *testing.T) {
	png := []byte("\x89PNG\r\n\x1a\nicon")
	for name, tc := range map[string]struct {
		answer map[string]any // nil hangs up
		want   []byte
		ok     func(error) bool
	}{
		"icon":           {map[string]any{"pngData": png}, png, nil},
		"no icon":        {map[string]any{}, nil, nil},
		"refused":        {map[string]any{"Error": "InvalidBundleID"}, nil, func(err error) bool { var r *RefusedError; return errors.As(err, &r) }},
		"no PNG":         {map[string]any{"pngData": []byte("GIF89a")}, nil, func(err error) bool { return errors.Is(err, plist.ErrMalformed) }},
		"phone hangs up": {nil, nil, func(err error) bool { var w *framing.WireError; return errors.As(err, &w) }},
	} {
		t.Run(name, func(t *testing.T) {
			ours, theirs := net.Pipe()
			defer ours.Close()
			asked := make(chan map[string]any, 1)
			go func() {
				defer theirs.Close()
				c := framing.New(theirs, plist.XML)
				var req map[string]any
				c.Receive(context.Background(), &req)
				asked <- req
				if tc.answer != nil {
					c.Send(context.Background(), tc.answer)
				}
			}()
			got, err := New(ours).IconPNG(t.Context(), "com.example.app")
			if !bytes.Equal(got, tc.want) || tc.ok == nil && err != nil || tc.ok != nil && !tc.ok(err) {
				t.Errorf("got %q, %v", got, err)
			}
			want := map[string]any{"command": "getIconPNGData", "bundleId": "com.example.app"}
			if diff := cmp.Diff(want, <-asked); diff != "" {
				t.Errorf("request (-want +got):\n%s", diff)
			}
		})
	}
}
