// Package calendar reads the calendars of an iPhone: the events of all accounts, with
// their repetitions, guests, places and alarms.
//
// All of them are in one database, HomeDomain/Library/Calendar/Calendar.sqlitedb
// (content-schemas.md 8):
//
//	Store ◄─ Calendar ◄─ CalendarItem ─► Location (location_id)
//	                       ▲  ├─► CalendarItem (orig_item_id: the series that an occurrence was taken out of)
//	                       │  └─► Participant (organizer_id)
//	                       └─ Participant, Recurrence, ExceptionDate, Alarm, Attachment, Conference (owner_id)
//
// # Times
//
// Seconds since 2001 in UTC. An item whose start_tz is "_float", and every all-day item,
// has the wall clock in them as if that were UTC. A birthday without a year is in 1604.
//
// # Repetition
//
// Recurrence.frequency is 1 for daily to 4 for yearly; by_month_months has a bit for each
// month; specifier holds the rest, as parts that each end with a semicolon:
//
//	D=0MO,0WE;     days of the week, each with which one of the month: 0 every, 2 the second, -1 the last
//	M=1,15;        days of the month
//	S=-1;          which of all these
//	W=20;  Y=100;  weeks and days of the year
//
// D and M are known from programs that read real phones. S, W and Y are inferred from the
// names that iCalendar has for the same things. Whatever else there is stays in
// [ical.Rule].Raw.
//
// # Tasks
//
// Up to iOS 12 the reminders were in the same table. extract/reminders reads those.
package calendar
