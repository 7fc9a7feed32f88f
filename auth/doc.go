// Package auth says who people are: passwords, passkeys, sessions, tokens, and what
// was done by whom.
//
//	k, err := auth.New(db, auth.Options{Origins: []string{"https://nas.home:8420"}})
//	token, session, err := k.SignIn(ctx, "anna", password, "192.168.1.20")
//	session, err = k.Session(ctx, token)
//
// # Passwords
//
// Ten characters at least, none of the worst, stored as argon2id (32 MiB, three
// passes). Two are computed at a time, so that no number of guesses takes the memory.
// A sign-in with a name that nobody has costs the same.
//
// # Guessing
//
// An attempt is counted before it is looked at, so that many at once count as many.
// After five for one account, or twenty from one address (of IPv6, one /64), each
// has to wait twice as long as the one before, from a second up to a quarter of an
// hour: about a hundred a day. A right password clears the account's count. Who
// guesses all day cannot keep the owner out: an address from which the account has a
// session has a count of its own, and a passkey has none. Counts are in the catalog
// and survive a restart; they are forgotten after a day.
//
// # Sessions and tokens
//
// 256 random bits, of which only the SHA-256 is stored. A session lasts 14 days from
// its last use and 90 from its beginning. A token is
//
//	ksk_<43 letters: 32 bytes in base64url><6 letters: CRC-32 of these>
//
// so that one that is cut short is told without a look into the catalog, and scanners
// for lost secrets can find it.
//
// # Passkeys
//
// Discoverable credentials of WebAuthn: who has one needs no name. The name of the
// site has to be a name: passkeys do not work where people type an IP address
// (except loopback's name, localhost). A challenge is good once, for five minutes, and
// is kept in memory.
package auth
