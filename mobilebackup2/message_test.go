package mobilebackup2

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/keepsake-backup/keepsake/internal/plist"
)

// Passwords reach the phone and nobody else.
func TestRequest_hidesPasswords(t *testing.T) {
	const password = "hunter2"
	req := Request{MessageName: MsgRestore, OldPassword: password, NewPassword: password, Options: RestoreOptions{Password: password}}
	data, err := plist.Marshal(req, plist.XML)
	if err != nil || strings.Count(string(data), "<string>"+password+"</string>") != 3 {
		t.Errorf("on the wire: %s, %v", data, err)
	}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&out, verb+verb+verb+"\n", req, &req, req.Options)
	}
	slog.New(slog.NewJSONHandler(&out, nil)).Info("", "request", req, "password", req.OldPassword)
	slog.New(slog.NewTextHandler(&out, nil)).Info("", "request", req, "password", req.OldPassword)
	if err := json.NewEncoder(&out).Encode(req); err != nil {
		t.Fatal(err)
	}
	if s := out.String(); strings.Contains(s, password) || strings.Contains(s, fmt.Sprintf("%x", password)) {
		t.Errorf("printed: %s", s)
	}
}
