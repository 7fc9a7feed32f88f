package appdata

import "bytes"

// silentAMR makes an AMR-NB file (RFC 4867, section 5) of the given whole seconds:
// "#!AMR\n", then 50 frames a second of one header byte and 12 bytes of speech
// at 4.75 kbit/s. All-zero speech bits decode to silence.
func silentAMR(seconds int) []byte {
	const frameHead = 0x04 // mode 0, quality bit set
	var b bytes.Buffer
	b.WriteString("#!AMR\n")
	frame := append([]byte{frameHead}, make([]byte, 12)...)
	for range seconds * 50 {
		b.Write(frame)
	}
	return b.Bytes()
}
