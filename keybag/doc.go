// Package keybag opens and makes the keybag of an iPhone backup and encrypts
// and decrypts what its keys protect (backup-format.md 3).
//
// Two calls are what most callers need: [Parse] the BackupKeyBag of
// Manifest.plist, then [Keybag.Unlock] it with the backup password. After that
// [Keybag.Unwrap] turns the wrapped key of Manifest.db or of a file into a
// [Key], and [DecryptReader] or [DecryptReaderAt] reads the plaintext.
//
// # The bag
//
// A keybag is a flat list of tag, length, value. Tags are four ASCII letters,
// lengths and numbers are big-endian:
//
//	header   VERS 4   TYPE 4 (1 = backup)   UUID 16   HMCK 40   WRAP 4
//	         SALT 20  ITER 4                            PBKDF2-HMAC-SHA1
//	         DPWT 4   DPIC 4  DPSL 20                   PBKDF2-HMAC-SHA256,
//	                                                    encrypted, iOS 10.2 on
//	class    UUID 16  CLAS 4  WRAP 4  KTYP 4  WPKY 40   once per class key
//
// The second UUID ends the header; every further UUID starts a class.
//
// # From password to file
//
//	k1           = PBKDF2-HMAC-SHA256(password, DPSL, DPIC, 32)  if DPIC > 0
//	k            = PBKDF2-HMAC-SHA1(k1 or password, SALT, ITER, 32)
//	class key    = AES-KeyUnwrap(k, WPKY)          RFC 3394
//	file key     = AES-KeyUnwrap(class key, the last 40 bytes of a WrappedKey)
//	plaintext    = AES-256-CBC(file key, IV 0), PKCS#7 removed
//
// A wrapped key is stored with its class in front, this time little-endian:
//
//	u32 LE class | 40 bytes
//
// Classes 1 to 4 protect files, 6 to 8 keychain items. Classes 5 and 9 to 11
// need a key that never leaves the phone, unless the backup is unencrypted:
// then the whole bag opens with the empty password.
package keybag
