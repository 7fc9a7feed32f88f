package restore_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keepsake-backup/keepsake/device"
	"github.com/keepsake-backup/keepsake/installationproxy"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/restore"
	"github.com/keepsake-backup/keepsake/virtualphone"
)

const (
	brimbel = "com.example.brimbel" // has plug-ins
	lumora  = "com.example.lumora"  // has a group
)

// without is a digest less the lines of what drop tells.
func without(digest string, drop func(path string) bool) []string {
	return slices.DeleteFunc(strings.Split(digest, "\n"), func(line string) bool {
		_, path, _ := strings.Cut(line, "  ")
		return drop(path)
	})
}

func ofBrimbel(path string) bool {
	return strings.HasPrefix(path, "AppDomain-"+brimbel+"/") || strings.HasPrefix(path, "AppDomainPlugin-"+brimbel+".")
}

// An erased phone gets everything but the app.
func TestFromFS_leaveOutApp(t *testing.T) {
	t.Parallel()
	for _, password := range []string{"", "pw"} {
		t.Run("password="+password, func(t *testing.T) {
			t.Parallel()
			phone, dev, dir, before := backedUp(t, virtualphone.Config{IOS: "27.0"}, password)
			erase(t, phone, dev)
			report := fromFS(t, phone, dev, os.DirFS(dir), phone.UDID(), restore.Options{Password: secret.NewBackupPassword(password), LeaveOutApps: []string{brimbel}})
			if diff := cmp.Diff(without(before, ofBrimbel), strings.Split(digest(t, phone), "\n")); diff != "" {
				t.Errorf("restored phone differs (-want +got)\n%.2000s", diff)
			}
			want := []string{"AppDomain-" + brimbel, "AppDomainPlugin-" + brimbel + ".share", "AppDomainPlugin-" + brimbel + ".widget"}
			if diff := cmp.Diff(want, report.LeftOut.Domains); diff != "" || report.LeftOut.Rows == 0 || levels(report)["left_out"] != restore.Warning {
				t.Errorf("%s %+v", diff, report.LeftOut)
			}
			var apps []string
			for _, a := range report.Apps {
				apps = append(apps, a.BundleID)
			}
			if slices.Contains(apps, brimbel) || !slices.Contains(apps, lumora) {
				t.Errorf("apps to fetch: %v", apps)
			}
			installed := installedApps(t, dev)
			if slices.Contains(installed, brimbel) || !slices.Contains(installed, lumora) {
				t.Errorf("apps on their way: %v", installed)
			}
		})
	}
}

func installedApps(t *testing.T, dev *device.Device) []string {
	t.Helper()
	if err := dev.Pair(t.Context(), device.PairOptions{Renew: true}); err != nil {
		t.Fatal(err)
	}
	conn, err := dev.StartService(t.Context(), installationproxy.Service)
	if err != nil {
		t.Fatal(err)
	}
	c := installationproxy.New(conn)
	defer c.Close()
	apps, err := c.Browse(t.Context(), installationproxy.AttrBundleID)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, a := range apps {
		ids = append(ids, a.BundleID)
	}
	return ids
}

// On a phone in use what is left out stays as it is there, on every iOS.
func TestFromFS_leaveOutInUse(t *testing.T) {
	t.Parallel()
	for _, ios := range []string{"18.6", "27.0"} {
		t.Run(ios, func(t *testing.T) {
			t.Parallel()
			phone, dev, dir, _ := backedUp(t, virtualphone.Config{IOS: ios}, "")
			kept := change(t, phone, "AppDomain-"+brimbel)
			back := change(t, phone, "AppDomain-"+lumora)
			fromFS(t, phone, dev, os.DirFS(dir), phone.UDID(), restore.Options{LeaveOutApps: []string{brimbel}})
			if !strings.Contains(digest(t, phone), kept) {
				t.Error("the data of the app that is left out have changed")
			}
			if strings.Contains(digest(t, phone), back) {
				t.Error("the data of another app were not restored")
			}
		})
	}
}

// change alters a file of a domain on the phone and gives its new line of the digest.
func change(t *testing.T, phone *virtualphone.Phone, domain string) string {
	t.Helper()
	old := strings.Split(digest(t, phone), "\n")
	root := filepath.Join(phone.Dir(), "fs", domain)
	done := false
	err := filepath.WalkDir(root, func(path string, e os.DirEntry, err error) error {
		if err == nil && !done && e.Type().IsRegular() && strings.Contains(path, "Documents") {
			done = true
			return os.WriteFile(path, []byte("changed since"), 0o644)
		}
		return err
	})
	if err != nil || !done {
		t.Fatalf("change %s: %v, %v", domain, done, err)
	}
	for _, line := range strings.Split(digest(t, phone), "\n") {
		if strings.Contains(line, domain) && !slices.Contains(old, line) {
			return line
		}
	}
	t.Fatal("nothing has changed")
	return ""
}

// damage breaks a file of a backup in one way.
func damage(t *testing.T, dir, domain, path string, how func(file string) error) string {
	t.Helper()
	if err := how(filepath.Join(dir, itunesbackup.MakeFileID(domain, path).Path())); err != nil {
		t.Fatal(err)
	}
	return domain + "/" + path
}

func flip(file string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	data[len(data)/2] ^= 0x40
	return os.WriteFile(file, data, 0o600)
}

func cut(file string) error { return os.Truncate(file, 5) }

func TestFromFS_skipDamaged(t *testing.T) {
	t.Parallel()
	for _, password := range []string{"", "pw"} {
		t.Run("password="+password, func(t *testing.T) {
			t.Parallel()
			phone, dev, dir, before := backedUp(t, virtualphone.Config{IOS: "18.6"}, password)
			opt := restore.Options{Password: secret.NewBackupPassword(password), DryRun: true}
			bad := []string{
				damage(t, dir, "HomeDomain", "Library/SMS/sms.db", flip),
				damage(t, dir, "HomeDomain", "Library/AddressBook/AddressBook.sqlitedb", os.Remove),
			}
			if password != "" {
				bad = append(bad, damage(t, dir, "CameraRollDomain", "Media/PhotoData/Photos.sqlite", cut))
			}
			slices.Sort(bad)
			report, err := restore.FromFS(t.Context(), dev, os.DirFS(dir), phone.UDID(), opt, &reporter{})
			if err == nil || !strings.Contains(err.Error(), "AddressBook.sqlitedb") || levels(report)["backup_files"] != restore.Blocker {
				t.Errorf("a missing file: %v", err)
			}
			opt.VerifyData = true
			if _, err = restore.FromFS(t.Context(), dev, os.DirFS(dir), phone.UDID(), opt, &reporter{}); err == nil || !strings.Contains(err.Error(), "sms.db") {
				t.Errorf("a damaged file: %v", err)
			}
			opt.SkipDamaged = true
			if report, err = restore.FromFS(t.Context(), dev, os.DirFS(dir), phone.UDID(), opt, &reporter{}); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(bad, report.LeftOut.Damaged); diff != "" || report.LeftOut.DamagedFiles != int64(len(bad)) {
				t.Error(diff)
			}
			// iOS 27 in use would delete its own messages.
			set(t, phone, "ios=27.0")
			var blocked *restore.BlockedError
			if _, err := restore.FromFS(t.Context(), dev, os.DirFS(dir), phone.UDID(), opt, &reporter{}); !errors.As(err, &blocked) || blocked.Check != "left_out" {
				t.Errorf("in use with iOS 27: %v", err)
			}
			erase(t, phone, dev)
			opt.DryRun = false
			fromFS(t, phone, dev, os.DirFS(dir), phone.UDID(), opt)
			isBad := func(path string) bool { return slices.Contains(bad, path) }
			if diff := cmp.Diff(without(before, isBad), without(digest(t, phone), isBad)); diff != "" {
				t.Errorf("restored phone differs (-want +got)\n%.2000s", diff)
			}
		})
	}
}

func TestFromFS_leaveOutBlocked(t *testing.T) {
	t.Parallel()
	phone, dev, dir, _ := backedUp(t, virtualphone.Config{IOS: "18.6"}, "")
	yes := true
	for name, c := range map[string]struct {
		ios string
		opt restore.Options
		ok  bool
	}{
		"no such app":       {"18.6", restore.Options{LeaveOutApps: []string{"com.example"}}, false},
		"no such domain":    {"18.6", restore.Options{LeaveOutDomains: []string{"homedomain"}}, false},
		"remove the rest":   {"18.6", restore.Options{LeaveOutApps: []string{lumora}, RemoveItemsNotRestored: &yes}, false},
		"pictures":          {"18.6", restore.Options{LeaveOutDomains: []string{"CameraRollDomain"}}, true},
		"pictures, iOS 27":  {"27.0", restore.Options{LeaveOutDomains: []string{"CameraRollDomain"}}, false},
		"home, iOS 27.1":    {"27.1", restore.Options{LeaveOutDomains: []string{"HomeDomain"}}, false},
		"keyboard, iOS 28":  {"28.0", restore.Options{LeaveOutDomains: []string{"KeyboardDomain"}}, false},
		"a group, iOS 27":   {"27.0", restore.Options{LeaveOutDomains: []string{"AppDomainGroup-group." + lumora}}, true},
		"an app, iOS 27":    {"27.0", restore.Options{LeaveOutApps: []string{lumora, lumora}}, true},
		"nothing to skip":   {"27.0", restore.Options{SkipDamaged: true}, true},
		"the app's program": {"27.0", restore.Options{LeaveOutApps: []string{"net.whatsapp.WhatsApp"}}, true}, // has no domain of its own
	} {
		set(t, phone, "ios="+c.ios)
		c.opt.DryRun = true
		report, err := restore.FromFS(t.Context(), dev, os.DirFS(dir), phone.UDID(), c.opt, &reporter{})
		var blocked *restore.BlockedError
		switch {
		case c.ok && err != nil:
			t.Errorf("%s: %v", name, err)
		case !c.ok && (!errors.As(err, &blocked) || blocked.Check != "left_out" || blocked.Hint() == ""):
			t.Errorf("%s: %v", name, err)
		case c.ok && report.LeftOut.Any() == c.opt.SkipDamaged:
			t.Errorf("%s: %+v", name, report.LeftOut)
		case c.ok && report.Choice.RemoveItemsNotRestored:
			t.Errorf("%s: what is left out would be removed", name)
		}
		if strings.Contains(name, "an app") && !slices.Equal(report.LeftOut.Groups, []string{"AppDomainGroup-group." + lumora}) {
			t.Errorf("%s: groups %v", name, report.LeftOut.Groups)
		}
	}
}
