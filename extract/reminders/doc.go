// Package reminders reads the reminders of an iPhone: lists and groups, subtasks, dates,
// repetitions, tags, places and files.
//
// Since iOS 13 each account has a Core Data store of its own (content-schemas.md 9):
//
//	HomeDomain/Library/Reminders/Container_v1/Stores/Data-<UUID>.sqlite, Data-local.sqlite     up to iOS 16
//	AppDomainGroup-group.com.apple.reminders/Container_v1/Stores/Data-….sqlite                 since iOS 17
//
//	ZREMCDREMINDER ─► ZREMCDBASELIST (ZLIST) ─► ZREMCDOBJECT, an account (ZACCOUNT)
//	  ▲   └─► ZREMCDREMINDER (ZPARENTREMINDER)
//	  └── ZREMCDOBJECT: repetitions, alarms, tags, files, who it is assigned to (ZREMINDER, ZREMINDER1 …)
//
// Older models keep reminders and lists in ZREMCDOBJECT, too. What a row of it is tells
// its Z_ENT, whose number is different in each store, even of one phone: it is looked up
// by name in Z_PRIMARYKEY. Where several sorts of rows have a property of one name, Core
// Data numbers its columns (ZTITLE, ZTITLE1, ZTITLE2); a row uses one of them, so the
// first that is not NULL is read.
//
// Up to iOS 12 reminders were items of Library/Calendar/Calendar.sqlitedb.
//
// # Values
//
// Dates are seconds since 2001. ZPRIORITY is 0 none, 1 high, 5 medium, 9 low. A
// repetition's ZFREQUENCY counts from 0, daily, unlike that of calendars; what it says of
// days and months is JSON, such as [{"dayOfTheWeek":2,"weekNumber":0}], Sunday being 1.
// Early reminders are JSON in ZDUEDATEDELTAALERTSDATA (units: 0 minutes, 1 hours, 2 days,
// 3 weeks, 4 months), and so are the sections of a list
// (ZMEMBERSHIPSOFREMINDERSINSECTIONSASDATA). These four are known from programs that read
// the same store on a Mac.
package reminders
