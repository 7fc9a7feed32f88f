// Package mdns browses for one service by multicast DNS and announces one, on
// every network that the computer is on (RFC 6762, RFC 6763). It lives beside the
// responder that the system may run, such as avahi: all share port 5353.
//
//	err := mdns.Browse(ctx, "_ipp._tcp", mdns.Options{}, func(ev mdns.Event) { … })
//	err := mdns.Announce(ctx, mdns.Service{Type: "_ipp._tcp", Instance: "Attic", …}, mdns.Options{})
//
// What is on the wire is a DNS message in one UDP packet to 224.0.0.251 or
// ff02::fb, port 5353. All numbers are big-endian:
//
//	+----+-------+----------+---------+-----------+------------+-----------+---------+----
//	| id | flags | question | answer  | authority | additional | questions | answers | …
//	| 0  | u16   | count    | count   | count     | count      |           |         |
//	+----+-------+----------+---------+-----------+------------+-----------+---------+----
//	       0x8400 in answers, 0 in questions
//
//	question   name, type u16, class u16      (class 1; 0x8000 asks for a unicast answer)
//	record     name, type u16, class u16, seconds to live u32, length u16, data
//	                                          (class 0x8000 replaces what was known; 0 seconds is good-bye)
//	name       labels of one length byte and up to 63 bytes, ended by 0, or by
//	           0xC000 + the place in the packet where it goes on
//
// A service takes four kinds of records to be found:
//
//	_ipp._tcp.local.        PTR   Attic._ipp._tcp.local.
//	Attic._ipp._tcp.local.  SRV   0 0 631 printer.local.
//	Attic._ipp._tcp.local.  TXT   "key=value" …
//	printer.local.          A     192.168.1.9      and AAAA
//
// Browsing asks once a second, two, four … up to an hour apart, and again when a
// record has lived for 80 % of its time; what is known it puts into the question,
// so that nobody repeats it. Announcing answers the same way.
//
// The messages are taken apart here, and not by x/net's dnsmessage, because that
// refuses a whole packet for one name with a dot in a label, and people call their
// phones so: the packets of a network are full of names that concern nobody here.
//
// Names are texts as DNS writes them: labels joined by dots, dots and backslashes
// within a label behind a backslash.
package mdns
