package backupagent

import (
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/mobilebackup2"
)

// request is what a host asks for. Values of unexpected types count as absent.
type request struct {
	name           string
	target, source string
	options        map[string]any
	versions       []float64 // of Hello

	password                 secret.BackupPassword // of Unback, Extract and Restore
	oldPassword, newPassword secret.BackupPassword
}

// decodeRequest reads what follows DLMessageProcessMessage.
func decodeRequest(args []any) (request, error) {
	if len(args) != 1 {
		return request{}, protocolError("process message of %d elements, want 2", len(args)+1)
	}
	dict, ok := args[0].(map[string]any)
	if !ok {
		return request{}, protocolError("process message without a dictionary")
	}
	text := func(key string) string { s, _ := dict[key].(string); return s }
	req := request{name: text("MessageName"), target: text("TargetIdentifier"), source: text("SourceIdentifier")}
	if req.name == "" {
		return request{}, protocolError("process message without MessageName")
	}
	req.options, _ = dict["Options"].(map[string]any)
	req.oldPassword = secret.NewBackupPassword(text("OldPassword"))
	req.newPassword = secret.NewBackupPassword(text("NewPassword"))
	password := text("Password")
	if s, ok := req.options["Password"].(string); ok && password == "" {
		password = s
	}
	req.password = secret.NewBackupPassword(password)
	versions, _ := dict["SupportedProtocolVersions"].([]any)
	for _, v := range versions {
		if f, ok := v.(float64); ok {
			req.versions = append(req.versions, f)
		} else if n, ok := integer(v); ok {
			req.versions = append(req.versions, float64(n))
		}
	}
	return req, nil
}

// option gives a switch of Options, absent when the host did not send it or
// sent something else.
func (r request) option(key string, absent bool) bool {
	switch v := r.options[key].(type) {
	case bool:
		return v
	case uint64:
		return v != 0
	case int64:
		return v != 0
	}
	return absent
}

// restoreOptions of protocol.md 4.2, with the phone's defaults filled in.
type restoreOptions struct {
	SystemFiles            bool
	ShouldReboot           bool
	DontCopyBackup         bool
	PreserveSettings       bool
	RemoveItemsNotRestored bool
}

func (r request) restoreOptions() restoreOptions {
	return restoreOptions{
		SystemFiles:            r.option("RestoreSystemFiles", true),
		ShouldReboot:           r.option("RestoreShouldReboot", true),
		DontCopyBackup:         r.option("RestoreDontCopyBackup", false),
		PreserveSettings:       r.option("RestorePreserveSettings", false),
		RemoveItemsNotRestored: r.option("RemoveItemsNotRestored", true),
	}
}

// protocolVersion picks the newest version that both sides know, 0 for none.
func (r request) protocolVersion() float64 {
	best := 0.0
	for _, v := range r.versions {
		if (v == mobilebackup2.Version20 || v == mobilebackup2.Version21) && v > best {
			best = v
		}
	}
	return best
}
