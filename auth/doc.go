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
// A network is an IPv4 address or an IPv6 /64. A try is counted before it is looked
// at, so that many at once count as many, in up to three counts:
//
//	of this network              20 free, and one more each hour
//	of this network, this name    5 free, and one more each hour
//	of this name, all networks  100 free, and one more each 14 minutes
//
// Beyond that each try waits twice as long as the one before, from a second up to a
// quarter of an hour: whoever guesses from one place gets about a hundred a day, and
// whoever has ten thousand places gets two hundred on the first day and a hundred on
// each after it. A name that nobody has is counted and waits like any other. Counts are
// in the catalog and survive a restart; they are forgotten after a day without a try.
//
// The owner is not kept out by it. What was right is not counted. One guesser stays
// below the third count, so that all other networks are free; the third is not
// asked at networks from which somebody has signed in to the account within a year, nor
// at the computer itself. When very many places guess at once, who comes from a place
// that was never seen competes with them, and has a passkey, which is never kept
// waiting, or the computer itself.
//
// # Sessions and tokens
//
// 256 random bits, of which only the SHA-256 is stored. A session lasts 14 days from
// its last use and 90 from its beginning. Each sign-in begins a new one. A change of the
// password ends the others. A token is
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
