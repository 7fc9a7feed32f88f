package contents

import (
	"fmt"
	"strings"
)

const preferences = "Library/Preferences/"

// settingNames are property lists that a phone of 2025 has; the rest of the few
// hundred belong to small services and are named by settingName.
var settingNames = strings.Fields(`
 com.apple.springboard com.apple.Preferences com.apple.mobiletimerd com.apple.mobiletimer com.apple.purplebuddy com.apple.MobileSMS
 com.apple.mobilephone com.apple.mobilesafari com.apple.mobilemail com.apple.mobileslideshow com.apple.mobilecal com.apple.mobilenotes
 com.apple.reminders com.apple.weather com.apple.Maps com.apple.camera com.apple.Music com.apple.podcasts com.apple.news com.apple.stocks
 com.apple.Health com.apple.Fitness com.apple.facetime com.apple.findmy com.apple.AppStore com.apple.iBooks com.apple.VoiceMemos com.apple.calculator
 com.apple.compass com.apple.Passbook com.apple.shortcuts com.apple.tips com.apple.Translate com.apple.Home com.apple.DocumentsApp
 com.apple.keyboard com.apple.TextInput com.apple.InputModePreferences com.apple.Accessibility com.apple.assistant com.apple.assistant.support
 com.apple.assistant.backedup com.apple.voicetrigger com.apple.locationd com.apple.routined com.apple.backboardd com.apple.carplay
 com.apple.cloudd com.apple.bird com.apple.imservice com.apple.imagent com.apple.identityservicesd com.apple.ids com.apple.madrid
 com.apple.nanoregistryd com.apple.sharingd com.apple.AirDrop com.apple.bluetooth com.apple.MobileBluetooth.debug com.apple.mobile.ldbackup
 com.apple.mobile.lockbot com.apple.mobile.installation com.apple.itunesstored com.apple.itunescloudd com.apple.storebookkeeperd
 com.apple.mediaaccessibility com.apple.coremedia com.apple.celestial com.apple.avfoundation com.apple.audio.tone com.apple.SoundsPreferences
 com.apple.screentime com.apple.ScreenTimeAgent com.apple.donotdisturbd com.apple.FocusSettings com.apple.wallpaper com.apple.WallpaperAgent
 com.apple.preferences.datetime com.apple.preferences.network com.apple.DataDetectors com.apple.datausage com.apple.symptomsd com.apple.corerecents
 com.apple.AddressBook com.apple.contacts com.apple.ContactsUI com.apple.people com.apple.CallHistorySyncHelper com.apple.TelephonyUtilities
 com.apple.EmojiCache com.apple.EmojiPreferences com.apple.spotlight com.apple.SpotlightResources com.apple.suggestions com.apple.photos.shareddefaults
 com.apple.cameraroll com.apple.photoanalysisd com.apple.mediaanalysisd com.apple.homed com.apple.healthd com.apple.passd com.apple.seserviced
 com.apple.softwareupdateservicesd com.apple.MobileAsset com.apple.MobileBackup com.apple.UIKit com.apple.WebUI com.apple.SafariViewService
 com.apple.batterysaver com.apple.powerlogd com.apple.thermalmonitord com.apple.coreduetd com.apple.duetexpertd com.apple.proactive.PersonalizationPortrait
 com.apple.AppleMediaServices com.apple.AuthKit com.apple.accountsd com.apple.akd com.apple.security com.apple.trustd com.apple.mobileactivationd
 com.apple.lockdownd com.apple.networkserviceproxy com.apple.networkextension com.apple.wifi.WiFiAgent com.apple.EAPOLClient com.apple.print
`)

// settingName names setting number n, the same on every phone.
func settingName(n int) string {
	if n < len(settingNames) {
		return settingNames[n]
	}
	n -= len(settingNames)
	ends := []string{"d", "agent", "UIService", "helperd"}
	first, second := nouns[n%len(nouns)], ends[n/len(nouns)%len(ends)]
	return "com.apple." + first + second
}

// settings writes HomeDomain's property lists and two that no backup takes.
func (t *tree) settings(n int, deviceName string) {
	const home = "HomeDomain"
	t.plist(home, preferences+".GlobalPreferences.plist", map[string]any{
		"AppleLanguages": []string{"en-DE", "de-DE"}, "AppleLocale": "en_DE", "AppleKeyboards": []string{"en_US@sw=QWERTY", "de_DE@sw=QWERTZ", "emoji@sw=Emoji"},
		"ApplePasscodeKeyboards": []string{"en_US@sw=QWERTY"}, "AKLastEmailListRequestDateKey": t.now.AddDate(0, 0, -3), "AddingEmojiKeybordHandled": true,
	})
	for i := range n {
		name := settingName(i)
		t.plist("HomeDomain", preferences+name+".plist", t.setting(name))
	}
	t.plist(home, preferences+"com.apple.purplebuddy.plist", map[string]any{
		"SetupDone": true, "SetupFinishedAllSteps": true, "SetupState": "SetupUsingAssistant", "SetupVersion": 11,
		"SetupLastExit": t.past(home, "SetupLastExit"), "GuessedCountry": []string{"DE"}, "Language": "en", "Locale": "en_DE", "setupMigratorVersion": 10,
	})
	t.plist(home, preferences+"com.apple.mobiletimerd.plist", t.alarms())
	t.plist(home, preferences+"com.apple.MobileBackup.plist", map[string]any{"AccountEnabledDate": t.past(home, "backup"), "BackupDeviceName": deviceName})
	t.plist(home, preferences+"com.apple.springboard.notbackedup.plist", t.setting("notbackedup"))
	t.plist(home, preferences+"com.apple.cloudd.notbackedup.plist", t.setting("notbackedup.cloudd"))
}

// setting invents the keys of one property list.
func (t *tree) setting(name string) map[string]any {
	c := t.chance("setting", name)
	v := map[string]any{"LastVersionRun": fmt.Sprintf("%d.%d", c.between(1, 9), c.IntN(10))}
	for range c.between(2, 14) {
		key := title(one(c, nouns)) + title(one(c, nouns))
		switch c.IntN(7) {
		case 0:
			v[key+"Enabled"] = c.in(2)
		case 1:
			v[key+"Count"] = c.IntN(5000)
		case 2:
			v[key+"Identifier"] = c.uuid()
		case 3:
			v["Last"+key+"Date"] = t.past(name, key)
		case 4:
			v[key+"Threshold"] = float64(c.IntN(1000)) / 8
		case 5:
			v[key+"State"] = map[string]any{"version": c.IntN(9), "token": c.bytes(c.between(8, 160)), "kinds": []string{one(c, nouns), one(c, nouns)}}
		default:
			v[key+"Name"] = one(c, phrases)
		}
	}
	return v
}

func (t *tree) alarms() map[string]any {
	c := t.chance("alarms")
	var list []any
	for _, hour := range []int{6, 7, 9} {
		list = append(list, map[string]any{"$MTAlarm": map[string]any{
			"MTAlarmID": c.uuid(), "MTAlarmHour": hour, "MTAlarmMinute": 5 * c.IntN(12), "MTAlarmEnabled": c.in(2),
			"MTAlarmRepeatSchedule": 31, "MTAlarmTitle": one(c, phrases), "MTAlarmLastModifiedDate": t.past("alarms", fmt.Sprint(hour)),
		}})
	}
	return map[string]any{"MTAlarms": map[string]any{"MTAlarms": list}, "MTAlarmStorageVersion": 2}
}

func title(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
