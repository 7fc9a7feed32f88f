package secret

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestSecretsAreNeverPrinted(t *testing.T) {
	const leak = "hunter2"
	pointed := NewText(leak)
	holder := struct {
		Text     Text
		Password BackupPassword
		Passcode Passcode
		Key      Bytes
		Pointer  *Text
		inner    BackupPassword // fmt calls no methods here
		bytes    Bytes
	}{NewText(leak), NewBackupPassword(leak), NewPasscode(leak), NewBytes([]byte(leak)), &pointed, NewBackupPassword(leak), NewBytes([]byte(leak))}

	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&out, verb+"\n", holder)
		fmt.Fprintf(&out, verb+verb+verb+verb+"\n", holder.Text, holder.Password, holder.Passcode, holder.Key)
	}
	log := slog.New(slog.NewJSONHandler(&out, nil))
	log.Info("secrets", "text", holder.Text, "password", holder.Password, "key", holder.Key, "all", holder)
	slog.New(slog.NewTextHandler(&out, nil)).Info("secrets", "all", holder)
	if err := json.NewEncoder(&out).Encode(holder); err != nil {
		t.Fatal(err)
	}
	for _, form := range []string{leak, fmt.Sprintf("%x", leak), "aHVudGVyMg", "104 117"} {
		if strings.Contains(out.String(), form) {
			t.Errorf("output shows the secret as %q:\n%s", form, &out)
		}
	}
	if holder.Password.Reveal() != leak || string(holder.Key.Reveal()) != leak {
		t.Error("Reveal does not give the secret back")
	}
}
