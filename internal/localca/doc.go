// Package localca is a certificate authority for one Keepsake in one home: it gives the
// page certificates for TLS where nobody has any, as on a computer that only the
// family reaches.
//
//	ca, err := localca.Open(ctx, db, localca.Options{Names: []string{"nas.local"}})
//	server.TLSConfig = ca.TLS()
//	mux.Handle("/ca.crt", ca.Handler()) // and localca.TrustPath: how to trust it
//
// There are two kinds of certificates:
//
//	authority   10 years, ECDSA P-256; its key is sealed in a Vault and nowhere else.
//	            Devices are told once to trust it. It is constrained (RFC 5280 4.2.1.10,
//	            critical) to this computer's names and to addresses that exist in
//	            private networks only, and to servers: who steals its key can pretend to
//	            be this page, and no bank.
//	server      30 days, made anew in memory before half of them is over, for the names
//	            and for the address that a connection came to. Apple's devices want
//	            less than 825 days, a subjectAltName and serverAuth (support.apple.com
//	            103769).
//
// A new authority is made when the old one comes to its end, or when it is not for a
// name that was added since: then devices have to trust the new one.
package localca
