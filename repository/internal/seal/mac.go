package seal

// The only file that touches Poly1305. The package is marked deprecated because
// a one-time authenticator is easy to misuse, not because it is broken; the
// format leaves no choice (restic-format.md 2 and 15.14). It has assembly for
// amd64, s390x, ppc64, loong64 and riscv64 but not for arm64: whoever wants to
// replace it there replaces these two functions.

import (
	//lint:ignore SA1019 the repository format is defined with Poly1305-AES
	"golang.org/x/crypto/poly1305"
)

// newMAC begins the tag of one message. key is good for that message only.
func newMAC(key *[32]byte) *poly1305.MAC { return poly1305.New(key) }

// verifyMAC tells, in constant time, whether tag is that of message.
func verifyMAC(tag *[tagSize]byte, message []byte, key *[32]byte) bool {
	return poly1305.Verify(tag, message, key)
}
