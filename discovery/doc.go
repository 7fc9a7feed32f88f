// Package discovery tells which phones can be reached at this moment, by cable
// and over Wi-Fi, and opens them.
//
//	w := discovery.New(discovery.Options{Mux: &usbmux.Client{}, Known: …, Recorder: …})
//	go w.Run(ctx)
//	for ev := range w.Events(ctx) { … }
//	phone, err := w.Open(ctx, udid, discovery.Any)
//
// Two things are listened to, and either may be missing:
//
//	usbmuxd ── Listen ─────────────────────────► cable (and Wi-Fi, if this daemon does it)
//	multicast DNS, _apple-mobdev2._tcp ── match ── prove ──► Wi-Fi, past every daemon
//
// On Wi-Fi a phone only says "<MAC>@<address>", and since private Wi-Fi addresses
// the MAC is not the one of its pairing (protocol.md 5.2). An advertisement is
// matched with the phones that are known here by, in this order,
//
//	authTag   K = HKDF-SHA512(HostID, 32 bytes), tag = HMAC-SHA256(K, identifier)[:8]
//	MAC       of the pair record
//	name      BonjourFullServiceName, as the phone told it over the cable
//	trial     the session is tried with each phone that is still missed
//	address   that somebody gave, for networks without multicast
//
// and then proven: a session is opened with the phone's pair record, whose key
// the phone must have, and its UniqueDeviceID compared. All phones that were
// paired under one HostID answer to one authTag: only the session tells them
// apart. What is not proven is no sighting.
//
// A sighting over Wi-Fi ends when the phone cannot be reached where it was, not
// when its advertisement does: multicast gets lost, and phones sleep. Handles and
// streams that are open are never closed by anything here.
//
// Why a phone cannot be reached is told as data: [Facts].
package discovery
