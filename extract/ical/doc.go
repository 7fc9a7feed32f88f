// Package ical writes iCalendar 2.0 (RFC 5545), for calendars and for reminders: lines,
// moments, rules of repetition and the time zones that they need.
//
// A file is a tree of components, each a list of properties, a line each:
//
//	BEGIN:VCALENDAR
//	VERSION:2.0
//	BEGIN:VTIMEZONE                              each TZID that is used below, see [Zones]
//	TZID:Europe/Berlin
//	BEGIN:DAYLIGHT
//	DTSTART:20070325T020000                      wall clock before the change
//	TZOFFSETFROM:+0100
//	TZOFFSETTO:+0200
//	RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU
//	TZNAME:CEST
//	END:DAYLIGHT
//	…
//	END:VTIMEZONE
//	BEGIN:VEVENT
//	UID:5F2C…
//	DTSTART;TZID=Europe/Berlin:20260310T180000   NAME;PARAM=VALUE:VALUE
//	SUMMARY:Choir\, and then                     text escapes \ ; , and line ends
//	  supper                                     a line of more than 75 bytes goes on after CRLF and a blank
//	END:VEVENT
//	END:VCALENDAR
//
// # Moments
//
// A phone's calendar knows four sorts, and so does the format: an instant in UTC
// (20260310T170000Z), an instant with the zone it was planned in (TZID), the same wall
// clock wherever one is (no zone: "floating"), and a day (VALUE=DATE). [Moment] is any
// of them.
package ical

// Product is the PRODID of what we write.
const Product = "-//Keepsake//Keepsake//EN"
