package reminders

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/extract/ical"
	"github.com/keepsake-backup/keepsake/internal/plist"
)

// maxBlob bounds a blob with a list in it; those of phones have less than a kilobyte, the
// sections of a long list some hundred.
const maxBlob = 8 << 20

// decode reads JSON, or a property list, into v. Nothing at all is nothing; ok is false
// for what is neither.
func decode(data []byte, v any) (ok bool) {
	data = bytes.TrimSpace(data)
	if len(data) == 0 || string(data) == "null" {
		return true
	}
	if len(data) > maxBlob {
		return false
	}
	if _, isList := plist.FormatOf(data); isList {
		var any any
		if plist.Unmarshal(data, &any) != nil {
			return false
		}
		again, err := json.Marshal(any)
		return err == nil && json.Unmarshal(again, v) == nil
	}
	return json.Unmarshal(data, v) == nil
}

// whole reads a number of JSON as a whole one within −limit to limit; a fraction is none.
func whole(f float64, limit int) (int, bool) {
	if f != math.Trunc(f) || f < -float64(limit) || f > float64(limit) {
		return 0, false
	}
	return int(f), true
}

// integers reads a list of numbers other than 0, of at most limit either way.
func integers(data []byte, limit int) ([]int, bool) {
	var numbers []float64
	if !decode(data, &numbers) || len(numbers) > 2*limit {
		return nil, false
	}
	var list []int
	for _, f := range numbers {
		n, ok := whole(f, limit)
		if !ok || n == 0 {
			return nil, false
		}
		list = append(list, n)
	}
	return list, true
}

// weekdays reads [{"dayOfTheWeek":2,"weekNumber":0}], Sunday being 1.
func weekdays(data []byte) ([]string, bool) {
	var days []struct {
		Day  float64 `json:"dayOfTheWeek"`
		Week float64 `json:"weekNumber"`
	}
	if !decode(data, &days) || len(days) > 7*53 {
		return nil, false
	}
	var list []string
	for _, d := range days {
		n, ok := whole(d.Day, 7)
		week, ok2 := whole(d.Week, 53)
		if !ok || !ok2 || n < 1 {
			return nil, false
		}
		list = append(list, ical.Day(week, ical.Weekdays[n-1]))
	}
	return list, true
}

// components reads the parts of a date: {"year":2026,"month":5,"day":12,"hour":9,
// "minute":0}, with a "timeZone" or that of the reminder; without hours it is a day. What
// is in another form gives none.
func components(data []byte, zone string) ical.Moment {
	var parts struct {
		Year, Month, Day float64
		Hour, Minute     *float64
		Second           float64
		TimeZone         any
	}
	if !decode(data, &parts) {
		return ical.Moment{}
	}
	var n [6]int
	var hour, minute float64
	if parts.Hour != nil {
		hour = *parts.Hour
	}
	if parts.Minute != nil {
		minute = *parts.Minute
	}
	for i, f := range []float64{parts.Year, parts.Month, parts.Day, hour, minute, parts.Second} {
		value, ok := whole(f, 9999)
		if !ok || value < 0 {
			return ical.Moment{}
		}
		n[i] = value
	}
	if n[0] < 1904 || n[1] < 1 || n[1] > 12 || n[2] < 1 || n[2] > 31 || n[3] > 23 || n[4] > 59 || n[5] > 59 {
		return ical.Moment{}
	}
	m := ical.Moment{Time: time.Date(n[0], time.Month(n[1]), n[2], n[3], n[4], n[5], 0, time.UTC), Date: parts.Hour == nil}
	if m.Date {
		return m
	}
	switch z := parts.TimeZone.(type) {
	case string:
		zone = z
	case map[string]any:
		if name, ok := z["identifier"].(string); ok {
			zone = name
		}
	}
	if l := ical.LoadZone(zone); l != nil {
		m.Time, m.Zone = time.Date(n[0], time.Month(n[1]), n[2], n[3], n[4], n[5], 0, l).UTC(), zone
		return m
	}
	m.Floating = true
	return m
}

// earlyAlarms reads {"dueDateDeltaAlerts":[{"dueDateDeltaUnit":0,"dueDateDeltaCount":-15}]}.
func earlyAlarms(data []byte) []Alarm {
	var blob struct {
		Alerts []struct {
			Unit  float64 `json:"dueDateDeltaUnit"`
			Count float64 `json:"dueDateDeltaCount"`
		} `json:"dueDateDeltaAlerts"`
	}
	if !decode(data, &blob) || len(blob.Alerts) > maxEach {
		return nil
	}
	var list []Alarm
	for _, a := range blob.Alerts {
		count, ok := whole(a.Count, 10_000)
		if !ok {
			continue
		}
		switch a.Unit {
		case 0, 1, 2, 3:
			list = append(list, Alarm{Before: int64(count) * []int64{60, 3600, 86400, 7 * 86400}[int(a.Unit)]})
		case 4:
			list = append(list, Alarm{Months: int64(count)})
		}
	}
	return list
}

// membership reads {"memberships":[{"memberID":…,"groupID":…}]} and gives the title of
// the section by what names a reminder, in capitals.
func membership(data []byte, titles map[string]string) map[string]string {
	var blob struct {
		Memberships []struct{ MemberID, GroupID string }
	}
	if len(titles) == 0 || !decode(data, &blob) {
		return nil
	}
	in := map[string]string{}
	for _, m := range blob.Memberships {
		if title := titles[strings.ToUpper(m.GroupID)]; title != "" {
			in[strings.ToUpper(m.MemberID)] = title
		}
	}
	return in
}
