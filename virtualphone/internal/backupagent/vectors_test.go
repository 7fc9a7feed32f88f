package backupagent

import (
	"context"
	"errors"
	"net"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keepsake-backup/keepsake/devicelink"
	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/mobilebackup2"
)

// The free-space rule of protocol.md 4.17 with the numbers of real phones
// (protocol.md 8.3). Where a log has no size of the upload, it follows from the
// amount: amount = upload + 128 MiB - reported + 2 GiB.
func TestVectors_freeSpace(t *testing.T) {
	for _, tt := range []struct {
		name         string
		upload, free int64
		amount       int64 // wanted with PurgeDiskSpace; 0: the phone goes on
	}{
		{"LIM#1384", 16795365018, 4664553472, 12265029274 + 2<<30},
		{"LIM#1071, iOS 15.6", 24146325215, 10000000, 26418026591},
		{"iOS 26.6.1, first", 54404599, 1000000, 2335105975},
		{"iOS 26.6.1, second", 54404817, 188500000, 2147606193},
		{"iOS 26.6.1, refused", 54405217, 188622945, 2 << 30},
		{"iOS 26.6.1, accepted", 54405217, 188622946, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			near, far := net.Pipe()
			defer near.Close()
			l := newLink(far)
			l.level = 400
			amounts := make(chan int64, 1)
			go func() {
				defer close(amounts)
				h := &testHost{t: t}
				h.attach(near)
				for m, err := h.tryReceive(); err == nil; m, err = h.tryReceive() {
					status := []any{devicelink.StatusResponse, 0, devicelink.EmptyParameter, tt.free}
					if m.name == devicelink.PurgeDiskSpace {
						amount, _ := integer(m.args[0])
						amounts <- amount
						status = []any{devicelink.StatusResponse, -1, "Operation not supported", map[string]any{}}
					}
					if h.fc.Send(context.Background(), status) != nil {
						return
					}
				}
			}()
			b := &backup{agent: &agent{link: l}, half: &snapshot{}, changes: &changes{entries: []*entry{
				{kind: itunesbackup.FlagFile, size: tt.upload - 18}, {kind: itunesbackup.FlagDirectory, size: 96}, {kind: itunesbackup.FlagFile, size: 18}}}}
			err := b.checkSpace(t.Context())
			near.Close()
			if refused := errors.Is(err, errHostFull); refused != (tt.amount != 0) || err != nil && !refused {
				t.Errorf("the phone says %v", err)
			}
			if amount := <-amounts; amount != tt.amount {
				t.Errorf("%d bytes are wanted, want %d", amount, tt.amount)
			}
		})
	}
}

// The errors of protocol.md 8.2, word for word, made the way the agent makes
// them. Those that it has no cause to say (205 "reading backup properties" and
// others that stand in the tests of their cause; the keychain of LIM#12) are
// here only for their form.
func TestVectors_texts(t *testing.T) {
	p := newPhone(t)
	p.policy.FreeSpace, p.identity.ProductVersion = 44526002176, "10.3"
	full := (&restore{agent: &agent{phone: p}, plan: stagePlan{bytes: 51895967372}}).checkSpace(t.Context())
	uploads := uploadFailure(status{code: devicelink.StatusMulti}, "")
	const path = "0123/Status.plist"
	missing := &hostError{status: devicelink.StatusNotFound, text: "No such file or directory", path: path}
	for _, tt := range []struct {
		source string
		err    error
		want   string
	}{
		{"LIM#1380", errLocked, "Device locked (MBErrorDomain/208)"},
		{"PMD3#721", errBadPassword, "Invalid password (MBErrorDomain/207)"},
		{"LIM#1155", errRestorePassword, "Invalid password when restoring encrypted backup (MBErrorDomain/207). Underlying error: MKBKeyBagUnlock error (-3) (MBErrorDomain/207)."},
		{"LIM#1582", readFailed("Error reading backup properties", emptyProperties()),
			"Error reading backup properties (MBErrorDomain/205). Underlying error: Error deserializing properties: Cannot parse a NULL or zero-length data (MBErrorDomain/11)."},
		{"remove-mdm#3", errFindMy, "Find My iPhone must be disabled before restoring (MBErrorDomain/211)"},
		{"LIM#1384", errHostFull, "Insufficient free disk space on drive to back up (MBErrorDomain/105)"},
		{"LIM#460", full, "Insufficient free disk space on device to restore (44526002176 < 51895967372) (MBErrorDomain/105)"},
		{"LIM#1361", uploads, "Multiple errors uploading files (MBErrorDomain/104)"},
		{"LIM#58", writeFailed("Error removing snapshot directory", (&hostError{status: devicelink.StatusError, text: "Directory not empty"}).mb()),
			"Error removing snapshot directory (MBErrorDomain/104). Underlying error: Directory not empty (MBErrorDomain/100)."},
		{"LIM#153", readFailed("Error reading status", &Error{Code: mobilebackup2.CodeGeneric, Text: "Multi status", Path: path}),
			`Error reading status (MBErrorDomain/103). Underlying error: Multi status at path "0123/Status.plist" (MBErrorDomain/1).`},
		{"LIM#52", missing.mb(), `No such file or directory at path "0123/Status.plist" (MBErrorDomain/4)`},
		{"LIM#1257", &Error{Code: mobilebackup2.CodeExists, Text: "Failed to create snapshot: File exists (17)", Path: "/private/var"},
			`Failed to create snapshot: File exists (17) at path "/private/var" (MBErrorDomain/3)`},
		{"LIM#12", mbError(mobilebackup2.CodeGeneric, "Error copying keychain data"), "Error copying keychain data (MBErrorDomain/1)"},
		{"misaka26#33", errEncryptionLocked, "Error setting WillEncrypt value in lockdown (MBErrorDomain/1). " +
			"Underlying error: Cannot remove iTunes Backup Encryption - Encrypted Backup MDM setting present on device (MBErrorDomain/22)."},
	} {
		t.Run(tt.source, func(t *testing.T) {
			if tt.err == nil {
				t.Fatal("no error")
			}
			if diff := cmp.Diff(tt.want, tt.err.Error()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// The request of protocol.md 8.2 (LIM#1380).
func TestVectors_request(t *testing.T) {
	req, err := decodeRequest([]any{map[string]any{"MessageName": "Backup", "Options": map[string]any{"ForceFullBackup": true}, "TargetIdentifier": testUDID}})
	if err != nil || req.name != "Backup" || req.target != testUDID || !req.option("ForceFullBackup", false) {
		t.Errorf("%+v, %v", req, err)
	}
}
