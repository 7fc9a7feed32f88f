package contents

import (
	"encoding/binary"
	"fmt"
	"time"
)

// services writes the system domains beside HomeDomain and CameraRollDomain.
func (t *tree) services(p plan, r release) {
	t.plist("KeychainDomain", "keychain-backup.plist", t.keychain(4*p.words))
	t.database("KeychainDomain", "TrustStore.sqlite3", func(db *database) {
		db.exec(`CREATE TABLE tsettings (sha256 BLOB NOT NULL DEFAULT '', subj BLOB NOT NULL DEFAULT '', tset BLOB, data BLOB, uuid BLOB NOT NULL DEFAULT '', UNIQUE(sha256, uuid))`)
	})
	t.wireless(3 * p.words)
	t.network([]string{"Teehaus", "Bücherei Gäste", "☕️ upstairs", "HOME-5G", "o'Brien \"guest\""})
	t.keyboard(p.words)
	t.health(p.words * 50)
	t.plist("HomeKitDomain", "Library/homed/com.apple.homed.plist", t.setting("homed"))
	t.database("HomeKitDomain", "Library/homed/datastore3.sqlite", func(db *database) { db.records("ZHOME", t.chance("homes"), 6) })
	t.plist("ManagedPreferencesDomain", "mobile/com.apple.webcontentfilter.plist", map[string]any{"restrictWeb": false})
	t.file("MobileDeviceDomain", "ProvisioningProfiles/00000000-0000-4000-8000-000000000001", t.chance("profile").bytes(800))
	t.plist("NetworkDomain", "Library/Preferences/com.apple.symptomsd.plist", t.setting("symptoms"))
	t.database("ProtectedDomain", "trustd/private/pinningrules.sqlite3", func(db *database) {
		db.exec("CREATE TABLE rules (policyName TEXT, domainSuffix TEXT, transparentConnection INTEGER, UNIQUE (policyName, domainSuffix))")
	})
	t.plist("TonesDomain", "Media/iTunes_Control/iTunes/Ringtones.plist", map[string]any{"Ringtones": map[string]any{
		"AAAA.m4r": map[string]any{"Name": "Kuckuck", "GUID": "5A1C0B7E2D9F4A30", "Total Time": 12000, "Protected Content": false}}})
	t.plist("InstallDomain", "Library/MobileInstallation/BackedUpState/LastBuildInfo.plist", map[string]any{"SystemVersion": fmt.Sprintf("%d.%d", r.major, r.minor)})
	t.plist("MediaDomain", "Media/PhotoStreamsData/CollectionInfo.plist", t.setting("streams"))
	t.plist("MediaDomain", "Media/Vibrations/UserGeneratedVibrationPatterns.plist", t.setting("vibrations"))
	t.noise("MediaDomain", "Library/SMS/StickerCache/sticker.bin", 1200)
	t.plist(systemGroup+"systemgroup.com.apple.bluetooth", preferences+"com.apple.MobileBluetooth.devices.plist", t.setting("bluetooth"))
	t.plist(systemGroup+"systemgroup.com.apple.configurationprofiles", "Library/ConfigurationProfiles/MCMeta.plist", t.setting("mcmeta"))
	t.plist(systemContainer+"com.apple.geod", preferences+"com.apple.geod.plist", t.setting("geod"))
	t.noise(systemContainer+"com.apple.geod", "Library/Caches/tiles.bin", 2000)
}

// rootServices writes the domains of services that know no user.
func (t *tree) rootServices() {
	t.plist("RootDomain", "Library/Preferences/com.apple.MobileBackup.plist", map[string]any{"RestoreInfo": map[string]any{"WasCloudRestore": false}})
	t.plist("RootDomain", "Library/Caches/locationd/clients.plist", map[string]any{"com.apple.Maps": map[string]any{"Authorization": 2, "BundleId": "com.apple.Maps"}})
	t.plist("RootDomain", "Library/Caches/Backup/properties.plist", map[string]any{"BackupVersion": "2.4"})
	t.noise("RootDomain", "Library/Caches/locationd/cache_encryptedB.db", 2000) // not on the list
	t.plist("DatabaseDomain", "lsd/com.apple.lsdidentifiers.plist", map[string]any{"LSAdvertiserIdentifier": t.chance("lsd").uuid()})
	t.link("DatabaseDomain", "timezone/localtime", "/var/db/timezone/zoneinfo/Europe/Berlin")
	t.plist("DatabaseDomain", "com.apple.xpc.launchd/disabled.plist", map[string]any{"com.apple.racoon": true})
}

// keychain builds keychain-backup.plist (backup-format.md 3.6). The items are
// noise in the right shape: a virtual phone has no secrets.
func (t *tree) keychain(n int) map[string]any {
	c := t.chance("keychain")
	item := func(class uint32) map[string]any {
		le := binary.LittleEndian
		data := le.AppendUint32(nil, 3)
		data = le.AppendUint32(data, class)
		data = le.AppendUint32(data, 40)
		data = append(data, c.bytes(40)...)
		data = append(data, c.bytes(c.between(120, 400)+16)...)
		return map[string]any{"v_Data": data, "v_PersistentRef": c.bytes(20)}
	}
	all := map[string]any{"keybag-uuid": c.bytes(16)}
	for i, kind := range []string{"genp", "inet", "cert", "keys"} {
		items := []any{}
		for k := range n / (i + 1) {
			items = append(items, item([]uint32{6, 7, 8, 9, 10, 11}[k%6]))
		}
		all[kind] = items
	}
	return all
}

func (t *tree) wireless(n int) {
	const domain = "WirelessDomain"
	t.plist(domain, preferences+"com.apple.commcenter.plist", t.setting("commcenter"))
	t.plist(domain, preferences+"com.apple.commcenter.device_specific_nobackup.plist", t.setting("commcenter.device"))
	t.database(domain, "Library/Databases/CellularUsage.db", func(db *database) {
		db.exec(`CREATE TABLE subscriber_info (ROWID INTEGER PRIMARY KEY AUTOINCREMENT, subscriber_id TEXT, subscriber_mdn TEXT, tag INTEGER, last_update_time INTEGER, slot_id INTEGER);
			CREATE TABLE _SqliteDatabaseProperties (key TEXT, value TEXT, UNIQUE(key))`)
		if n > 0 {
			db.insert("subscriber_info", cols{"subscriber_id", "8949000000000000000", "subscriber_mdn", "+494515550100", "tag", 1, "last_update_time", t.now.Unix() - cocoaEpoch, "slot_id", 1})
		}
	})
	t.database(domain, "Library/Databases/DataUsage.sqlite", func(db *database) {
		c := t.chance("datausage")
		db.coreData(c.uuid(), nil, []entity{{1, "LiveUsage", 0}, {2, "Process", 0}})
		db.exec(`CREATE TABLE ZPROCESS (Z_PK INTEGER PRIMARY KEY, Z_ENT INTEGER, Z_OPT INTEGER, ZFIRSTTIMESTAMP TIMESTAMP, ZTIMESTAMP TIMESTAMP, ZBUNDLENAME VARCHAR, ZPROCNAME VARCHAR);
			CREATE TABLE ZLIVEUSAGE (Z_PK INTEGER PRIMARY KEY, Z_ENT INTEGER, Z_OPT INTEGER, ZKIND INTEGER, ZHASPROCESS INTEGER, ZTIMESTAMP TIMESTAMP, ZWIFIIN FLOAT, ZWIFIOUT FLOAT, ZWWANIN FLOAT, ZWWANOUT FLOAT)`)
		for i := range n {
			db.insert("ZPROCESS", cols{"Z_PK", i + 1, "Z_ENT", 2, "Z_OPT", 1, "ZTIMESTAMP", cocoa(t.now), "ZPROCNAME", one(c, nouns) + "d"})
			db.insert("ZLIVEUSAGE", cols{"Z_PK", i + 1, "Z_ENT", 1, "Z_OPT", 1, "ZHASPROCESS", i + 1, "ZWWANIN", float64(c.IntN(1e8)), "ZWWANOUT", float64(c.IntN(1e7))})
		}
	})
}

// network writes SystemPreferencesDomain; the Wi-Fi lists go into encrypted
// backups only.
func (t *tree) network(ssids []string) {
	const domain = "SystemPreferencesDomain"
	t.plist(domain, "SystemConfiguration/preferences.plist", map[string]any{"Model": "D79AP", "CurrentSet": "/Sets/00000000-0000-4000-8000-000000000000"})
	t.plist(domain, "SystemConfiguration/NetworkInterfaces.plist", map[string]any{"Interfaces": []any{map[string]any{"BSD Name": "en0", "SCNetworkInterfaceType": "IEEE80211"}}})
	t.plist(domain, "com.apple.networkextension.plist", map[string]any{"Version": 1})
	known, old := map[string]any{}, []any{}
	for i, ssid := range ssids {
		at := t.now.Add(-time.Duration(i*40+1) * 24 * time.Hour)
		known["wifi.network.ssid."+ssid] = map[string]any{"SSID": []byte(ssid), "AddedAt": at.AddDate(-1, 0, 0), "JoinedByUserAt": at, "SupportedSecurityTypes": "WPA2 Personal",
			"BSSList": []any{map[string]any{"BSSID": fmt.Sprintf("02:00:5e:00:53:%02x", i), "Channel": 36, "LastAssociatedAt": at}}}
		old = append(old, map[string]any{"SSID_STR": ssid, "lastJoined": at})
	}
	t.plist(domain, "com.apple.wifi.known-networks.plist", known)
	t.plist(domain, "com.apple.wifi-private-mac-networks.plist", map[string]any{"List of scanned networks with private mac": []any{}})
	t.plist(domain, "SystemConfiguration/com.apple.wifi.plist", map[string]any{"List of known networks": old})
}

func (t *tree) keyboard(n int) {
	const domain = "KeyboardDomain"
	for i := range n {
		t.noise(domain, fmt.Sprintf("Library/Keyboard/%s-dynamic.lm/dynamic-lexicon.dat", []string{"en", "de", "sv", "ja"}[i%4]+fmt.Sprint(i/4)), 4096)
	}
	t.plist(domain, "Library/Keyboard/UserDictionary.plist", map[string]any{"omw": "On my way!", "mfg": "Mit freundlichen Grüßen"})
	t.database(domain, "Library/Keyboard/user_model_database.sqlite", func(db *database) { db.exec("CREATE TABLE usage (word TEXT)") }) // never backed up
}

// health makes the two databases of content-schemas.md 13: steps and heart rate.
func (t *tree) health(n int) {
	const domain = "HealthDomain"
	c := t.chance("health")
	t.database(domain, "Health/healthdb.sqlite", func(db *database) {
		db.exec(`CREATE TABLE sources (ROWID INTEGER PRIMARY KEY AUTOINCREMENT, uuid BLOB UNIQUE NOT NULL, bundle_id TEXT NOT NULL, name TEXT NOT NULL, source_options INTEGER NOT NULL);
			CREATE TABLE source_devices (ROWID INTEGER PRIMARY KEY AUTOINCREMENT, uuid BLOB UNIQUE NOT NULL, name TEXT NOT NULL, manufacturer TEXT NOT NULL, model TEXT NOT NULL,
				hardware TEXT NOT NULL, firmware TEXT NOT NULL, software TEXT NOT NULL, creation_date REAL)`)
		db.insert("sources", cols{"uuid", c.bytes(16), "bundle_id", "com.apple.health." + c.uuid(), "name", "Phone", "source_options", 5})
		db.insert("source_devices", cols{"uuid", c.bytes(16), "name", "iPhone", "manufacturer", "Apple Inc.", "model", "iPhone", "hardware", "iPhone14,7", "firmware", "", "software", "18.6", "creation_date", 6e8})
	})
	t.database(domain, "Health/healthdb_secure.sqlite", func(db *database) {
		db.exec(`CREATE TABLE data_provenances (ROWID INTEGER PRIMARY KEY AUTOINCREMENT, sync_provenance INTEGER NOT NULL, origin_product_type TEXT NOT NULL, source_id INTEGER NOT NULL,
				device_id INTEGER NOT NULL, tz_name TEXT NOT NULL);
			CREATE TABLE objects (data_id INTEGER PRIMARY KEY AUTOINCREMENT, uuid BLOB UNIQUE, provenance INTEGER NOT NULL, type INTEGER, creation_date REAL);
			CREATE TABLE samples (data_id INTEGER PRIMARY KEY, start_date REAL, end_date REAL, data_type INTEGER);
			CREATE TABLE quantity_samples (data_id INTEGER PRIMARY KEY, quantity REAL, original_quantity REAL, original_unit INTEGER);
			CREATE TABLE category_samples (data_id INTEGER PRIMARY KEY, value INTEGER)`)
		db.insert("data_provenances", cols{"sync_provenance", 0, "origin_product_type", "iPhone14,7", "source_id", 1, "device_id", 1, "tz_name", "Europe/Berlin"})
		for i := range n {
			at := cocoa(t.now) - float64((n-i)*3600)
			steps := i%2 == 0
			kind, value := 5, float64(55+c.IntN(60))/60
			if steps {
				kind, value = 7, float64(c.IntN(900))
			}
			db.insert("objects", cols{"uuid", c.bytes(16), "provenance", 1, "type", 1, "creation_date", at})
			db.insert("samples", cols{"data_id", i + 1, "start_date", at, "end_date", at + 300, "data_type", kind})
			db.insert("quantity_samples", cols{"data_id", i + 1, "quantity", value})
		}
	})
	t.plist(domain, "MedicalID/MedicalIDData.plist", t.setting("medical"))
	t.plist(domain, "locationd/user.plist", t.setting("locationd"))
}
