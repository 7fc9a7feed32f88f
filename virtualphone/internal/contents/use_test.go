package contents

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestUse_digestDiffersWhereChangesSays(t *testing.T) {
	dir := copyPhone(t)
	before, oldFiles := digest(t, dir, true), files(t, dir)
	changes, err := Use(t.Context(), dir, UseOptions{Days: 3})
	if err != nil {
		t.Fatal(err)
	}
	after, newFiles := digest(t, dir, true), files(t, dir)
	touched := map[string]bool{}
	for _, key := range slices.Concat(changes.Added, changes.Modified, changes.Removed) {
		touched[key] = true
	}
	differ := 0
	for key := range maps.All(merge(before, after)) {
		if before[key] == after[key] {
			continue
		}
		differ++
		name := strings.TrimSuffix(key, "/")
		if !touched[name] && !touched[name+"-wal"] {
			t.Errorf("%s changed, which Use does not say", key)
		}
	}
	if differ < 15 || len(changes.Added) == 0 || len(changes.Modified) == 0 || len(changes.Removed) == 0 || len(changes.AppsAdded) != 1 {
		t.Errorf("%d differences, %d added, %d modified, %d removed, apps %v", differ, len(changes.Added), len(changes.Modified), len(changes.Removed), changes.AppsAdded)
	}
	s, err := readState(dir)
	if err != nil || s.Days != 3 || !s.Now.Equal(Options{}.state().Now.Add(72*time.Hour)) {
		t.Errorf("state %+v, %v", s, err)
	}
	for _, key := range slices.Concat(changes.Added, changes.Modified) {
		was, is := mtimeOf(oldFiles["fs/"+key]), mtimeOf(newFiles["fs/"+key])
		if is <= was || is%1e9 != 0 {
			t.Errorf("%s: time went from %d to %d", key, was, is)
		}
	}
}

// mtimeOf reads the time at the end of a line of files; "" is 0.
func mtimeOf(line string) (n int64) {
	for _, digit := range line[strings.LastIndex(line, " ")+1:] {
		n = n*10 + int64(digit-'0')
	}
	return n
}

func merge(a, b map[string]string) map[string]string {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}

func TestUse_sameStateSameFiles(t *testing.T) {
	one, two := copyPhone(t), copyPhone(t)
	a, err := Use(t.Context(), one, UseOptions{Days: 2})
	if err != nil {
		t.Fatal(err)
	}
	// Two calls of a day are the same as one of two.
	for range 2 {
		if _, err := Use(t.Context(), two, UseOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if len(a.Added) == 0 {
		t.Error("nothing was added")
	}
	if diff := cmp.Diff(files(t, one), files(t, two)); diff != "" {
		t.Errorf("the phones differ:\n%s", diff)
	}
}

func TestUse_photoRowsFollowTheFiles(t *testing.T) {
	dir := copyPhone(t)
	if _, err := Use(t.Context(), dir, UseOptions{Days: 4}); err != nil {
		t.Fatal(err)
	}
	checkLibrary(t, dir)
}

func TestUse_onAnErasedPhone(t *testing.T) {
	dir := copyPhone(t)
	if err := Erase(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := Use(t.Context(), dir, UseOptions{Days: 2}); err != nil {
		t.Fatal(err)
	}
	checkLibrary(t, dir)
}

func TestUse_refuses(t *testing.T) {
	for _, test := range []struct {
		dir  string
		o    UseOptions
		text string
	}{
		{t.TempDir(), UseOptions{}, "read the phone's state"},
		{sharedPhone(t), UseOptions{Days: -1}, "for -1 days"},
		{sharedPhone(t), UseOptions{Days: maxDays + 1}, "want 1 to"},
		{sharedPhone(t), UseOptions{IOS: "x"}, "parse iOS version"},
	} {
		if _, err := Use(t.Context(), test.dir, test.o); err == nil || !strings.Contains(err.Error(), test.text) {
			t.Errorf("%+v: %v, want %q", test.o, err, test.text)
		}
	}
}

func TestErase_leavesWhatANewPhoneHas(t *testing.T) {
	dir := copyPhone(t)
	used := digest(t, dir, true)
	if err := Erase(dir); err != nil {
		t.Fatal(err)
	}
	fresh := digest(t, dir, true)
	regular := 0
	for rel, line := range files(t, dir) {
		if strings.HasPrefix(line, "-") {
			regular++
		}
		if strings.Contains(rel, "com.example") || strings.Contains(rel, "DCIM/") || strings.Contains(rel, "sms.db") {
			t.Errorf("%s is left", rel)
		}
	}
	if regular < 24 || regular > 60 {
		t.Errorf("%d files are left", regular)
	}
	for key := range fresh {
		if used[key] == "" {
			t.Errorf("a new phone has %s, the used one had not", key)
		}
	}
	apps, err := Apps(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range apps {
		if !a.System {
			t.Errorf("app %s is left", a.BundleID)
		}
	}
	if err := Erase(t.TempDir()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("erase nothing: %v", err)
	}
}

func TestApps(t *testing.T) {
	dir := copyPhone(t)
	apps, err := Apps(dir)
	if err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(apps, func(a App) bool { return a.BundleID == "com.example.lumora" })
	if at < 0 {
		t.Fatal("no app com.example.lumora")
	}
	a := apps[at]
	if a.Name != "Lumora" || len(a.SINF) != 1024 || len(a.Metadata) == 0 || len(a.Icon) == 0 || a.System || !strings.HasSuffix(a.Path, "/Lumora.app") ||
		!strings.HasPrefix(a.Container, "/var/mobile/Containers/Data/Application/") || len(a.Groups) != 1 {
		t.Errorf("%+v", a)
	}
	there := func(domain string) bool {
		_, err := os.Stat(filepath.Join(dir, fsFolder, domain))
		return err == nil
	}
	// A second app in its group keeps the group alive.
	if err := AddApp(dir, App{BundleID: "com.example.other", Name: "Other", Groups: a.Groups}); err != nil {
		t.Fatal(err)
	}
	if err := RemoveApp(dir, a.BundleID); err != nil {
		t.Fatal(err)
	}
	if there(appData+a.BundleID) || !there(appGroup+a.Groups[0]) {
		t.Error("the app's container is left, or the shared group is gone")
	}
	if err := RemoveApp(dir, "com.example.other"); err != nil {
		t.Fatal(err)
	}
	if there(appGroup + a.Groups[0]) {
		t.Error("the group is left")
	}
	if err := RemoveApp(dir, a.BundleID); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("remove it again: %v", err)
	}
	if err := RemoveApp(dir, "com.apple.mobilesafari"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("remove an app of iOS: %v", err)
	}
	if err := AddApp(dir, a); err != nil {
		t.Fatal(err)
	}
	if err := AddApp(dir, a); err != nil {
		t.Fatal(err)
	}
	again, err := Apps(dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(apps, again); diff != "" {
		t.Errorf("the list changed:\n%s", diff)
	}
	if err := AddApp(dir, App{}); err == nil {
		t.Error("an app without a bundle id was added")
	}
}
