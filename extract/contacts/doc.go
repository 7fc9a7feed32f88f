// Package contacts reads the address book of a phone, and writes vCards.
//
// HomeDomain/Library/AddressBook/AddressBook.sqlitedb (content-schemas.md 1), of the
// same form since iOS 6, with columns appended over the years:
//
//	ABPerson ──PersonLink──► ABPersonLink     cards that the phone shows as one person
//	   │  └────StoreID─────► ABStore          iCloud, Google, Exchange, the phone itself
//	   │◄──record_id── ABMultiValue           phone numbers, addresses: everything that may
//	   │                 │   └─label─► ABMultiValueLabel (rowid)         be there repeatedly
//	   │                 └◄─parent_id─ ABMultiValueEntry ─key─► ABMultiValueEntryKey (rowid)
//	   └◄──member_id── ABGroupMembers ─group_id─► ABGroup
//
//	AddressBookImages.sqlitedb: ABFullSizeImage, ABThumbnailImage by record_id
//
// A label of the phone's own is wrapped, "_$!<Home>!$_", and is shown in the
// language of the phone; any other is the owner's. A birthday is text: seconds since
// 2001 of noon UTC of that day, in the year 1604 when the year is not known.
//
// # One person, several cards
//
// Cards with the same PersonLink are one [Contact]: the single fields are those of
// the preferred card, else of the first that has one; what may be there repeatedly is
// that of all cards, each only once. The cards themselves are kept in Contact.Parts.
// Its key is the smallest guid of its cards, which stays the same while others are
// linked and unlinked.
//
// # Groups
//
// The groups of a query are the stores, and in them the groups of the phone.
package contacts
