// Package lockdown talks to lockdownd, the broker on port 62078 of every
// iPhone: it knows the phone's values, pairs it with computers, and starts its
// services.
//
// Messages are framed property lists (package internal/framing), one reply for
// each request, which repeats the request's name:
//
//	+----------------+----------------------------------------+
//	| u32 big-endian | {Label, Request: "GetValue", Key: …}   |
//	+----------------+----------------------------------------+
//	                 ← {Request: "GetValue", Value: …}
//	                 ← {Request: "GetValue", Error: "MissingValue"}
//
// A session, from the first byte to a running service (protocol.md 2):
//
//	computer                                   phone
//	StartSession {HostID, SystemBUID}       →
//	                                        ←  {SessionID, EnableSessionSSL: true}
//	TLS on the same connection: the phone shows the certificate that the pair
//	record holds for it, the computer shows its own
//	StartService {Service, EscrowBag?}      →
//	                                        ←  {Port, EnableServiceSSL}
//	a second connection, to Port, in TLS when EnableServiceSSL says so
//
// Pairing gives both sides what a session needs (protocol.md 2.5). The computer
// makes a certificate authority, signs one certificate for itself and one over
// the phone's public key, and sends the three; the owner taps Trust and types
// the passcode meanwhile:
//
//	GetValue DevicePublicKey                →
//	                                        ←  PEM
//	Pair {PairRecord: certificates, IDs}    →
//	                                        ←  Error PairingDialogResponsePending
//	Pair, the same, every second            →
//	                                        ←  {EscrowBag}
//
// What the phone refuses is an [Error] in its own words; a broken connection is
// a framing error; nonsense wraps plist.ErrMalformed.
//
// The phone's certificate is checked against the pair record in every TLS
// handshake: a session cannot be had with another device.
package lockdown
