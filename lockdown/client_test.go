package lockdown

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/keepsake-backup/keepsake/internal/framing"
	"github.com/keepsake-backup/keepsake/internal/plist"
	"github.com/keepsake-backup/keepsake/internal/secret"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// phone gives a client of a lockdownd that answers each request by answer; nil
// hangs up.
func phone(t *testing.T, answer func(req map[string]any) any) *Client {
	ours, theirs := net.Pipe()
	t.Cleanup(func() { ours.Close() })
	go func() {
		defer theirs.Close()
		f := framing.New(theirs, plist.Binary) // phones may answer in either encoding
		for {
			var req map[string]any
			if err := f.Receive(context.Background(), &req); err != nil {
				return
			}
			resp := answer(req)
			if resp == nil || f.Send(context.Background(), resp) != nil {
				return
			}
		}
	}()
	return New(ours)
}

// The bytes that leave for the phone.
func TestClient_requestsOnTheWire(t *testing.T) {
	ctx := t.Context()
	rec := &PairRecord{
		HostID: "H", SystemBUID: "B", WiFiMACAddress: "aa:bb:cc:dd:ee:ff",
		DeviceCertificate: []byte("dc"), HostCertificate: []byte("hc"), RootCertificate: []byte("rc"),
		HostPrivateKey: secret.NewBytes([]byte("never sent")), RootPrivateKey: secret.NewBytes([]byte("never sent")),
		EscrowBag: secret.NewBytes([]byte("never sent here")),
	}
	const head = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" +
		"<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n" +
		"<plist version=\"1.0\">\n\t<dict>\n"
	const tail = "\t</dict>\n</plist>\n"
	str := func(key, value string) string {
		return "\t\t<key>" + key + "</key>\n\t\t<string>" + value + "</string>\n"
	}
	label := str("Label", "keepsake")
	record := "\t\t<key>PairRecord</key>\n\t\t<dict>\n" +
		"\t\t\t<key>DeviceCertificate</key>\n\t\t\t<data>ZGM=</data>\n" +
		"\t\t\t<key>HostCertificate</key>\n\t\t\t<data>aGM=</data>\n" +
		"\t\t\t<key>HostID</key>\n\t\t\t<string>H</string>\n" +
		"\t\t\t<key>RootCertificate</key>\n\t\t\t<data>cmM=</data>\n" +
		"\t\t\t<key>SystemBUID</key>\n\t\t\t<string>B</string>\n" +
		"\t\t\t<key>WiFiMACAddress</key>\n\t\t\t<string>aa:bb:cc:dd:ee:ff</string>\n\t\t</dict>\n" +
		"\t\t<key>PairingOptions</key>\n\t\t<dict>\n\t\t\t<key>ExtendedPairingErrors</key>\n\t\t\t<true/>\n\t\t</dict>\n" +
		str("ProtocolVersion", "2")
	const bag = "oMbFG360JE3hR0lSi8VX4X1ubhk6M30YSQevpUdYvFg=" // protocol.md 8.1
	for _, tc := range []struct {
		name, body string
		call       func(*Client) error
	}{
		{"QueryType", label + str("Request", "QueryType"), func(c *Client) error { return c.QueryType(ctx) }},
		{"GetValue, all", label + str("Request", "GetValue"), func(c *Client) error { _, err := c.GetDomain(ctx, ""); return err }},
		{"GetValue", str("Domain", "com.apple.mobile.backup") + str("Key", "WillEncrypt") + label + str("Request", "GetValue"),
			func(c *Client) error { _, err := c.GetBool(ctx, DomainBackup, "WillEncrypt"); return err }},
		{"SetValue false", str("Domain", "com.apple.mobile.wireless_lockdown") + str("Key", "EnableWifiConnections") + label + str("Request", "SetValue") + "\t\t<key>Value</key>\n\t\t<false/>\n",
			func(c *Client) error { return c.Set(ctx, DomainWirelessLockdown, "EnableWifiConnections", false) }},
		{"RemoveValue", str("Key", "K") + label + str("Request", "RemoveValue"), func(c *Client) error { return c.Remove(ctx, "", "K") }},
		{"Pair", str("HostName", "desk") + label + record + str("Request", "Pair"), func(c *Client) error { return c.Pair(ctx, rec, "desk") }},
		{"ValidatePair", label + record + str("Request", "ValidatePair"), func(c *Client) error { return c.ValidatePair(ctx, rec) }},
		{"Unpair", label + record + str("Request", "Unpair"), func(c *Client) error { return c.Unpair(ctx, rec) }},
		{"StartSession", str("HostID", "H") + label + str("Request", "StartSession") + str("SystemBUID", "B"), func(c *Client) error { return c.StartSession(ctx, rec) }},
		{"StartService", label + str("Request", "StartService") + str("Service", "com.apple.afc"),
			func(c *Client) error { _, err := c.StartService(ctx, "com.apple.afc", secret.Bytes{}); return err }},
		{"StartService with EscrowBag", "\t\t<key>EscrowBag</key>\n\t\t<data>" + bag + "</data>\n" + label + str("Request", "StartService") + str("Service", "com.apple.mobilebackup2"),
			func(c *Client) error {
				_, err := c.StartService(ctx, "com.apple.mobilebackup2", secret.NewBytes(must(base64.StdEncoding.DecodeString(bag))))
				return err
			}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ours, theirs := net.Pipe()
			defer ours.Close()
			sent := make(chan string, 1)
			go func() {
				defer theirs.Close()
				b := make([]byte, 1<<16)
				n, _ := theirs.Read(b)
				sent <- string(b[:n])
			}()
			var broken *framing.WireError
			if err := tc.call(New(ours)); !errors.As(err, &broken) {
				t.Errorf("phone that hangs up: got %v, want a WireError", err)
			}
			body := head + tc.body + tail
			want := string([]byte{0, 0, byte(len(body) >> 8), byte(len(body))}) + body
			if diff := cmp.Diff(want, <-sent); diff != "" {
				t.Errorf("message (-want +got):\n%s", diff)
			}
		})
	}
}

func TestClient_answers(t *testing.T) {
	ctx := t.Context()
	get := func(c *Client) error { _, err := c.GetString(ctx, "", "DeviceName"); return err }
	is := func(want error) func(error) bool { return func(err error) bool { return errors.Is(err, want) } }
	good := func(err error) bool { return err == nil }
	for _, tc := range []struct {
		name   string
		answer map[string]any
		call   func(*Client) error
		ok     func(error) bool
	}{
		{"value", map[string]any{"Request": "GetValue", "Key": "DeviceName", "Value": "Anna's iPhone", "FromTheFuture": []any{}}, get, good},
		{"value with Result", map[string]any{"Request": "GetValue", "Result": "Success", "Value": "x"}, get, good},
		{"missing value", map[string]any{"Request": "GetValue", "Error": "MissingValue"}, get, is(MissingValue)},
		{"no value and no error", map[string]any{"Request": "GetValue"}, get, is(MissingValue)},
		{"unknown error", map[string]any{"Request": "GetValue", "Error": "FromTheFuture"}, get, is(Error("FromTheFuture"))},
		{"error without echo", map[string]any{"Error": "GetProhibited"}, get, is(GetProhibited)},
		{"value of another type", map[string]any{"Request": "GetValue", "Value": true}, get, is(plist.ErrMalformed)},
		{"echo of another request", map[string]any{"Request": "SetValue", "Value": "x"}, get, is(plist.ErrMalformed)},
		{"no echo", map[string]any{"Value": "x"}, get, is(plist.ErrMalformed)},
		{"failure without error", map[string]any{"Request": "GetValue", "Result": "Failure"}, get, is(InvalidResponse)},
		{"error that is no string", map[string]any{"Request": "GetValue", "Error": 3}, get, is(plist.ErrMalformed)},
		{"QueryType", map[string]any{"Request": "QueryType", "Type": ServiceType}, func(c *Client) error { return c.QueryType(ctx) }, good},
		{"QueryType of something else", map[string]any{"Request": "QueryType", "Type": "com.apple.afc"}, func(c *Client) error { return c.QueryType(ctx) }, is(plist.ErrMalformed)},
		{"Unpair answered as ValidatePair", map[string]any{"Request": "ValidatePair"}, func(c *Client) error { return c.Unpair(ctx, &PairRecord{}) }, good},
		{"ValidatePair answered as Unpair", map[string]any{"Request": "Unpair"}, func(c *Client) error { return c.ValidatePair(ctx, &PairRecord{}) }, is(plist.ErrMalformed)},
		{"StartSession unknown host", map[string]any{"Request": "StartSession", "Error": "InvalidHostID"}, func(c *Client) error { return c.StartSession(ctx, &PairRecord{}) }, is(InvalidHostID)},
		{"StartSession without SessionID", map[string]any{"Request": "StartSession", "EnableSessionSSL": true}, func(c *Client) error { return c.StartSession(ctx, &PairRecord{}) }, is(plist.ErrMalformed)},
		{"StartSession without EnableSessionSSL", map[string]any{"Request": "StartSession", "SessionID": "S"}, func(c *Client) error { return c.StartSession(ctx, &PairRecord{}) }, is(plist.ErrMalformed)},
		{"StartSession in the clear", map[string]any{"Request": "StartSession", "SessionID": "S", "EnableSessionSSL": false}, func(c *Client) error { return c.StartSession(ctx, &PairRecord{}) }, is(plist.ErrMalformed)},
		{"StartService without port", map[string]any{"Request": "StartService", "Service": "s"}, startService, is(plist.ErrMalformed)},
		{"StartService port 70000", map[string]any{"Request": "StartService", "Port": 70000}, startService, is(plist.ErrMalformed)},
		{"StartService locked", map[string]any{"Request": "StartService", "Error": "PasswordProtected"}, startService, is(PasswordProtected)},
		{"StartService", map[string]any{"Request": "StartService", "Service": "s", "Port": 51999, "EnableServiceSSL": true}, startService, good},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if err := tc.call(phone(t, func(map[string]any) any { return tc.answer })); !tc.ok(err) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func startService(c *Client) error {
	_, err := c.StartService(context.Background(), "s", secret.Bytes{})
	return err
}

func TestClient_StartService(t *testing.T) {
	for name, tc := range map[string]struct {
		answer map[string]any
		want   Service
	}{
		"TLS":           {map[string]any{"Request": "StartService", "Port": 51999, "EnableServiceSSL": true}, Service{"s", 51999, true}},
		"plain":         {map[string]any{"Request": "StartService", "Port": 51999, "EnableServiceSSL": false}, Service{"s", 51999, false}},
		"plain, unsaid": {map[string]any{"Request": "StartService", "Port": 51999}, Service{"s", 51999, false}},
	} {
		got, err := phone(t, func(map[string]any) any { return tc.answer }).StartService(t.Context(), "s", secret.Bytes{})
		if got != tc.want || err != nil {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
}

func TestClient_silentPhone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		defer ours.Close()
		go io.Copy(io.Discard, theirs)
		start := time.Now()
		var stalled *framing.StalledError
		if err := New(ours).QueryType(t.Context()); !errors.As(err, &stalled) || time.Since(start) != replyIdle {
			t.Errorf("got %v after %s", err, time.Since(start))
		}
	})
}

func TestClient_PairAndWait(t *testing.T) {
	pending := map[string]any{"Request": "Pair", "Error": "PairingDialogResponsePending"}
	granted := map[string]any{"Request": "Pair", "EscrowBag": []byte("0123456789abcdef0123456789abcdef")}
	for name, tc := range map[string]struct {
		answers []any // the last one is repeated
		want    error
		took    time.Duration
		prompts int
	}{
		"set-up, no dialog": {[]any{granted}, nil, 0, 0},
		"trusted":           {[]any{pending, pending, pending, granted}, nil, 3 * time.Second, 1},
		"denied":            {[]any{pending, map[string]any{"Request": "Pair", "Error": "UserDeniedPairing"}}, UserDeniedPairing, time.Second, 1},
		"locked":            {[]any{map[string]any{"Request": "Pair", "Error": "PasswordProtected"}}, PasswordProtected, 0, 0},
		"over Wi-Fi":        {[]any{map[string]any{"Request": "Pair", "Error": "PairingProhibitedOverThisConnection"}}, PairingProhibitedOverThisConnection, 0, 0},
		"never answered":    {[]any{pending}, PairingDialogResponsePending, time.Minute, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := 0
				c := phone(t, func(map[string]any) any {
					n++
					return tc.answers[min(n, len(tc.answers))-1]
				})
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				rec, prompts, start := &PairRecord{}, 0, time.Now()
				err := c.PairAndWait(ctx, rec, "", func(p Prompt) {
					if prompts++; p != PromptTrust {
						t.Errorf("prompt %v", p)
					}
				})
				if !errors.Is(err, tc.want) || prompts != tc.prompts || time.Since(start) != tc.took {
					t.Errorf("got %v after %s with %d prompts", err, time.Since(start), prompts)
				}
				if paired := len(rec.EscrowBag.Reveal()) == 32; paired != (tc.want == nil) {
					t.Errorf("escrow bag there: %v", paired)
				}
			})
		})
	}
}

func TestValues(t *testing.T) {
	v := Values{"s": "x", "b": true, "one": uint64(1), "neg": int64(-1), "pos": int64(7), "real": 3.9, "huge": 1e300}
	if v.String("s") != "x" || v.String("b") != "" || v.String("none") != "" {
		t.Error("String")
	}
	for key, want := range map[string][2]bool{"b": {true, true}, "one": {true, true}, "s": {}, "none": {}} {
		if b, ok := v.Bool(key); b != want[0] || ok != want[1] {
			t.Errorf("Bool(%s) = %v, %v", key, b, ok)
		}
	}
	for key, want := range map[string]uint64{"one": 1, "pos": 7, "real": 3} {
		if n, ok := v.Uint(key); n != want || !ok {
			t.Errorf("Uint(%s) = %d, %v", key, n, ok)
		}
	}
	for _, key := range []string{"neg", "huge", "s", "none"} {
		if n, ok := v.Uint(key); ok {
			t.Errorf("Uint(%s) = %d", key, n)
		}
	}
}

func FuzzResponse(f *testing.F) {
	for _, m := range []any{
		map[string]any{"Request": "StartSession", "SessionID": "S", "EnableSessionSSL": true},
		map[string]any{"Request": "StartService", "Port": 50402, "EnableServiceSSL": true, "Service": "com.apple.afc"},
		map[string]any{"Request": "GetValue", "Error": "MissingValue"},
		map[string]any{"Request": "GetValue", "Value": map[string]any{"DeviceName": "x", "N": []any{uint64(1), 2.5, []byte{1}}}},
	} {
		f.Add(must(plist.Marshal(m, plist.Binary)))
		f.Add(must(plist.Marshal(m, plist.XML)))
	}
	f.Add([]byte(strings.Repeat("<plist><dict>", 9)))
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := parseResponse(data); err != nil && !errors.Is(err, plist.ErrMalformed) {
			t.Errorf("error %v does not wrap ErrMalformed", err)
		}
	})
}
