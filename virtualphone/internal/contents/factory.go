package contents

// factory writes what a phone has before anybody used it: a few dozen files.
// Every phone has them, so a restore leaves none of them over.
func (t *tree) factory(r release) {
	const home = "HomeDomain"
	t.plist(home, preferences+".GlobalPreferences.plist", map[string]any{"AppleLanguages": []string{"en"}, "AppleLocale": "en_US"})
	for i := range 14 {
		name := settingName(i)
		t.plist(home, preferences+name+".plist", map[string]any{"LastVersionRun": "1.0", "Name": name})
	}
	t.plist(home, preferences+"com.apple.purplebuddy.plist", map[string]any{"SetupVersion": 11, "setupMigratorVersion": 10})
	t.plist(home, iconState, homeScreen(nil))
	t.folder(home, "Library/Safari")
	t.folder(home, "Library/SMS")
	t.database(home, "Library/Accounts/Accounts3.sqlite", func(db *database) { db.accounts(t.chance("accounts"), nil) })
	t.database(home, "Library/TCC/TCC.db", func(db *database) { db.permissions(nil, t.now) })
	t.photoLibrary(r, nil)
	t.folder("CameraRollDomain", "Media/DCIM")
	t.folder("MediaDomain", "Media/Recordings")
	t.folder("KeyboardDomain", "Library/Keyboard")
	t.plist("KeychainDomain", "keychain-backup.plist", t.keychain(0))
	t.wireless(0)
	t.network(nil)
	t.rootServices()
	for _, app := range systemApps()[:factoryApps] {
		t.plist(appData+app.BundleID, preferences+app.BundleID+".plist", map[string]any{"FirstLaunch": true})
	}
	t.folder(outside, "Downloads")
	t.folder(outside, "Books")
	t.plist(outside, "iTunes_Control/iTunes/iTunesPrefs.plist", map[string]any{"iPodPrefs": []byte("frpd")})
	t.file(outside, "iTunes_Control/iTunes/iTunesPrefs", []byte("frpd\x01\x00\x00\x00"))
	t.folder(outside, "iTunes_Control/Music")
}
