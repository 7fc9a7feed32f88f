// Package seal encrypts and authenticates what a repository stores, exactly as
// the restic format wants it (restic-format.md 2 and 3). Every file of the
// repository but the key files, and every blob inside a pack, is one sealed
// message:
//
//	 0               16                          16+n              32+n
//	+---------------+---------------------------+-----------------+
//	| nonce         | ciphertext, n bytes       | tag             |
//	+---------------+---------------------------+-----------------+
//	  16 random       AES-256-CTR(plaintext)      Poly1305 of the
//	  bytes           nonce = first counter       ciphertext only
//
// A key has three parts, 64 bytes in this order:
//
//	+-------------------------------+---------------+---------------+
//	| enc, 32 bytes                 | k, 16 bytes   | r, 16 bytes   |
//	+-------------------------------+---------------+---------------+
//	  AES-256                         AES-128         Poly1305
//
// The nonce is the first counter block as it stands, a big-endian number of 128
// bits. The key of Poly1305 is new for every message: r ‖ AES-128_k(nonce). Of r
// 22 bits are not used; whether a key file holds them masked does not matter.
// Neither the nonce nor a length is authenticated by itself, and this is not the
// padded construction of ChaCha20-Poly1305: another nonce gives another one-time
// key, and so a wrong tag.
//
// There are two kinds of keys. The master key seals everything. It is random, made
// with the repository, and lies in each key file as JSON, sealed with a key that
// scrypt derives from a password and the salt of that key file:
//
//	password ‖ salt --scrypt(N, r, p)--> key --opens--> {"mac":{"k","r"},"encrypt"} = master key
package seal
