package appdata

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"time"
)

// waFile is what a kind of message carries.
type waFile struct {
	ext, mime     string
	data          []byte
	seconds       int
	width, height int
	title         string // caption or file name
	evicted       bool   // the row has a path, the phone no file
	noThumb       bool
}

// media writes the ZWAMEDIAITEM of a message and its files, and gives its key;
// nil when the message needs none. Quoting replies have one too.
func (b *waBook) media(c *waChat, message, kind int, stanza, sender string, at time.Time) any {
	common := []any{"ZMESSAGE", message, "ZMEDIAORIGIN", 0, "ZHACCURACY", 0.0}
	item := func(kv ...any) any {
		return b.m.insert(b.d, "ZWAMEDIAITEM", "WAMediaItem", append(common, kv...)...)
	}
	switch kind {
	case waText:
		if message%9 != 0 || message == 1 {
			return nil
		}
		return item("ZFILESIZE", 0, "ZMOVIEDURATION", 0, "ZASPECTRATIO", 0.0, "ZLATITUDE", 0.0, "ZLONGITUDE", 0.0, "ZMETADATA", b.quote(c, stanza, sender, message))
	case waContact:
		p := pick(b.r, b.w.people)
		pk := item("ZFILESIZE", 0, "ZMOVIEDURATION", 0, "ZVCARDNAME", p.name(), "ZVCARDSTRING", string(contactFile(p).data))
		b.m.insert(b.d, "ZWAVCARDMENTION", "WAVCardMention", "ZISFROMME", 0, "ZMEDIAITEM", pk, "ZDATE", cocoa(at), "ZSENDERJID", sender, "ZWHATSAPPID", p.jid())
		return pk
	case waLocation:
		rel := b.mediaPath(c)
		b.write(rel+".thumb", b.art.jpegs[0], at)
		return item("ZFILESIZE", 0, "ZMOVIEDURATION", 0, "ZASPECTRATIO", 0.0, "ZLATITUDE", 35.6+b.r.Float64(), "ZLONGITUDE", -78.8-b.r.Float64(),
			"ZMEDIAURLDATE", distantPast, "ZXMPPTHUMBPATH", rel+".thumb")
	case waImage, waVideo, waAudio, waDocument, waGIF, waSticker, waOnce:
		return item(b.file(c, b.waFileOf(kind), at)...)
	}
	return nil
}

// file writes the files of a medium and gives its columns. Latitude and
// longitude hold the size of pictures, the card columns hash and type.
func (b *waBook) file(c *waChat, f waFile, at time.Time) []any {
	rel := b.mediaPath(c)
	sum := sha256.Sum256(f.data)
	var key, meta pb
	key.bytes(1, b.r.bytes(32))
	key.bytes(2, b.r.bytes(32))
	key.varint(3, uint64(at.Unix()))
	key.varint(4, 0)
	url := fmt.Sprintf("/v/t62.7118-24/%d_n.enc?ccb=11-4", b.r.Int64N(1<<40))
	meta.str(4, url)
	if f.seconds > 60 {
		meta.varint(17, 3) // forwarded
		meta.str(21, b.w.people[0].jid())
	}
	if !f.evicted {
		b.write(rel+f.ext, f.data, at)
	}
	thumb := any(rel + ".thumb")
	if f.noThumb {
		thumb = nil
	} else {
		b.write(rel+".thumb", b.art.jpegs[len(f.data)%len(b.art.jpegs)], at)
	}
	return []any{"ZCLOUDSTATUS", 4, "ZFILESIZE", len(f.data), "ZMOVIEDURATION", f.seconds, "ZASPECTRATIO", 0.0, "ZLATITUDE", float64(f.width), "ZLONGITUDE", float64(f.height),
		"ZMEDIAURLDATE", cocoa(at), "ZMEDIALOCALPATH", rel + f.ext, "ZMEDIAURL", "https://mmg.whatsapp.net" + url, "ZTITLE", orNull(f.title),
		"ZVCARDNAME", base64.StdEncoding.EncodeToString(sum[:]), "ZVCARDSTRING", f.mime, "ZXMPPTHUMBPATH", thumb, "ZMEDIAKEY", []byte(key), "ZMETADATA", []byte(meta)}
}

func (b *waBook) waFileOf(kind int) waFile {
	r := b.r
	size := r.between(b.w.n.minFile, b.w.n.maxFile)
	switch kind {
	case waVideo, waGIF:
		return waFile{ext: ".mp4", mime: "video/mp4", data: smallMP4(r, size), seconds: r.between(2, 90), width: 480, height: 270, title: "Look at this"}
	case waAudio:
		return waFile{ext: ".opus", mime: "audio/ogg; codecs=opus", data: silentOpus(r, r.between(1, 20)), seconds: 5, noThumb: true}
	case waDocument:
		return waFile{ext: ".pdf", mime: "application/pdf", data: smallPDF(r, size), title: "Minutes.pdf", noThumb: true}
	case waOnce: // what was seen is gone
		return waFile{ext: ".jpg", mime: "image/jpeg", data: []byte{0}, evicted: true, noThumb: true}
	case waSticker:
		return waFile{ext: ".webp", mime: "image/webp", data: smallWebP, width: 1, height: 1, noThumb: true}
	}
	return waFile{ext: ".jpg", mime: "image/jpeg", data: b.art.jpeg(r, size), width: 320, height: 240, evicted: r.chance(0.1)}
}

// mediaPath is Media/<jid>/<h>/<h>/<uuid>, where h are the UUID's first letters;
// on disk it lies below Message/.
func (b *waBook) mediaPath(c *waChat) string {
	id := b.r.uuid().String()
	return fmt.Sprintf("Media/%s/%c/%c/%s", c.jid, id[0], id[1], id)
}

func (b *waBook) write(rel string, data []byte, at time.Time) {
	if b.d.err == nil {
		b.d.fail(b.w.write(whatsAppDomain, "Message/"+rel, data, at))
	}
}

// quote is the ZMETADATA of a reply: {5 stanza, 6 author, 19 {1 text}}.
func (b *waBook) quote(c *waChat, stanza, sender string, message int) []byte {
	quoted := b.d.text("SELECT ZSTANZAID FROM ZWAMESSAGE WHERE ZCHATSESSION=? AND Z_PK<? ORDER BY Z_PK DESC LIMIT 1", c.pk, message)
	if quoted == "" {
		quoted = stanza
	}
	var p pb
	p.str(5, quoted)
	p.str(6, sender)
	p.message(19, func(p *pb) { p.str(1, "…") })
	return p
}

// smallWebP is a lossless picture of one pixel.
var smallWebP = []byte("RIFF\x1a\x00\x00\x00WEBPVP8L\x0d\x00\x00\x00\x2f\x00\x00\x00\x10\x07\x10\x11\x11\x88\x88\xfe\x07\x00")

// smallMP4 is the memo template's sound as a movie, with free space: what
// matters is that it opens, and weighs what a clip does.
func smallMP4(r *rng, size int) []byte {
	return append(append([]byte(nil), memoTemplate...), box("free", r.bytes(max(16, size-len(memoTemplate))))...)
}

// silentOpus is an Ogg stream (RFC 3533, RFC 7845): a page with the header, one
// with the comments, then a page a second of 50 frames of silence.
func silentOpus(r *rng, seconds int) []byte {
	serial := r.Uint32()
	head := append([]byte("OpusHead\x01\x01\x38\x01\x80\xbb\x00\x00"), 0, 0, 0)
	tags := append([]byte("OpusTags\x08\x00\x00\x00keepsake"), 0, 0, 0, 0)
	out := oggPage(nil, 2, serial, 0, 0, head)
	out = oggPage(out, 0, serial, 1, 0, tags)
	for s := range seconds {
		kind := byte(0)
		if s == seconds-1 {
			kind = 4
		}
		frames := make([][]byte, 50)
		for i := range frames {
			frames[i] = []byte{0xf8, 0xff, 0xfe} // 20 ms of silence
		}
		out = oggPage(out, kind, serial, uint32(s+2), uint64(s+1)*48000, frames...)
	}
	return out
}

// oggPage appends a page of packets, none of 255 bytes or more.
func oggPage(out []byte, kind byte, serial, number uint32, position uint64, packets ...[]byte) []byte {
	start := len(out)
	out = append(out, "OggS\x00"...)
	out = append(out, kind)
	for i := range 8 {
		out = append(out, byte(position>>(8*i)))
	}
	for _, v := range []uint32{serial, number, 0} {
		out = append(out, byte(v), byte(v>>8), byte(v>>16), byte(v>>24))
	}
	out = append(out, byte(len(packets)))
	for _, p := range packets {
		out = append(out, byte(len(p)))
	}
	for _, p := range packets {
		out = append(out, p...)
	}
	sum := oggChecksum(out[start:])
	for i := range 4 {
		out[start+22+i] = byte(sum >> (8 * i))
	}
	return out
}

// oggChecksum is CRC-32 with polynomial 04C11DB7, not reflected, from 0.
func oggChecksum(b []byte) uint32 {
	var sum uint32
	for _, c := range b {
		sum ^= uint32(c) << 24
		for range 8 {
			if sum&(1<<31) != 0 {
				sum = sum<<1 ^ 0x04c11db7
			} else {
				sum <<= 1
			}
		}
	}
	return sum
}
