package cli

import (
	"fmt"
	"net"
	"runtime"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/internal/mdns"
)

// examineLocale warns where names of phones and files would not be shown right.
func (a *app) examineLocale(tell teller) {
	if runtime.GOOS == "windows" {
		return
	}
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		v := a.Getenv(name)
		if v == "" {
			continue
		}
		if upper := strings.ToUpper(v); strings.Contains(upper, "UTF-8") || strings.Contains(upper, "UTF8") {
			tell("locale", stateOK, "names with accents and emoji can be shown", "")
			return
		}
		tell("locale", stateNote, fmt.Sprintf("%s=%s is not UTF-8: names with accents and emoji may look wrong here, the backup itself is right", name, v), "set LANG=C.UTF-8")
		return
	}
	tell("locale", stateNote, "no language is set: names with accents and emoji may look wrong here, the backup itself is right", "set LANG=C.UTF-8")
}

// examineClock wants a clock that is right: pairings are certificates, and the
// hours of backups are those of the wall.
func examineClock(now time.Time, tell teller) {
	zone, offset := now.Zone()
	at := now.Format("2006-01-02 15:04") + " " + zone
	switch unsynced := clockUnsynced(); {
	case now.Year() < 2025:
		tell("clock", stateMissing, fmt.Sprintf("this computer's clock says %d", now.Year()), "set the clock: pairings made in the past or future are refused")
	case unsynced:
		tell("clock", stateNote, "nothing keeps this computer's clock right; it says "+at, "if that is wrong, set it; to keep it right: "+syncClock)
	case zone == "UTC" && offset == 0:
		tell("clock", stateOK, "it is "+at+"; if the clock on your wall says something else, hours of backups are not those you mean: set the time zone (TZ)", "")
	default:
		tell("clock", stateOK, "it is "+at, "")
	}
}

// examineNetwork looks for what finds phones on Wi-Fi: a network that carries
// multicast, and the right to listen on its port beside whoever else does, such as
// avahi.
func examineNetwork(tell teller) {
	const cable = "; a cable works without"
	networks, err := mdns.Networks()
	switch {
	case err != nil:
		tell("network", stateNote, err.Error()+cable, "")
		return
	case len(networks) == 0:
		tell("network", stateNote, "this computer is on no network that phones could be found on over Wi-Fi"+cable, "connect it to the network of the phones; in a container: --network host")
		return
	}
	names := make([]string, len(networks))
	for i, n := range networks {
		names[i] = n.Name
	}
	conn, err := net.ListenMulticastUDP("udp4", &networks[0], &net.UDPAddr{IP: net.IPv4(224, 0, 0, 251), Port: mdns.Port})
	if err != nil {
		tell("network", stateNote, "phones cannot be found over Wi-Fi: "+err.Error()+cable, fmt.Sprintf("another program keeps UDP port %d to itself: stop it. avahi and systemd-resolved do not", mdns.Port))
		return
	}
	if err := conn.Close(); err != nil {
		tell("network", stateNote, "multicast: "+err.Error(), "")
		return
	}
	tell("network", stateOK, "phones can be found over Wi-Fi on "+strings.Join(names, ", "), "")
}
