package chat_test

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/color"
	"image/png"
	"testing/fstest"
	"time"

	"github.com/keepsake-backup/keepsake/extract/chat"
)

// files are what came with the messages of everything.
var files = fstest.MapFS{
	"Media/IMG_0001.PNG":       {Data: picture(640, 420), ModTime: stamp(0)},
	"Media/tall.png":           {Data: picture(200, 700), ModTime: stamp(0)},
	"Media/sound.wav":          {Data: sound(), ModTime: stamp(0)},
	"Media/plan.pdf":           {Data: []byte("%PDF-1.4\n"), ModTime: stamp(0)},
	"Media/evil.html":          {Data: []byte("<script>fetch('https://example.com')</script>"), ModTime: stamp(0)},
	"Media/evil.svg":           {Data: []byte("<svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>"), ModTime: stamp(0)},
	"Media/Bundle/a/one.txt":   {Data: []byte("1"), ModTime: stamp(0)},
	"Media/Bundle/two.txt":     {Data: []byte("2"), ModTime: stamp(0)},
	"Media/film.thumb":         {Data: picture(60, 40), ModTime: stamp(0)},
	"Media/no ending":          {Data: picture(50, 50), ModTime: stamp(0)},
	"Media/IMG_0002.HEIC":      {Data: []byte("ftypheic"), ModTime: stamp(0)},
	"Media/sticker 100%?.webp": {Data: []byte("RIFF\x1a\x00\x00\x00WEBPVP8L\x0d\x00\x00\x00\x2f\x00\x00\x00\x10\x07\x10\x11\x11\x88\x88\xfe\x07\x00"), ModTime: stamp(0)},
}

func stamp(minute int) time.Time {
	return time.Date(2026, 3, 5, 21, 40, 0, 0, time.UTC).Add(time.Duration(minute) * time.Minute)
}

func picture(w, h int) []byte {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.Set(x, y, color.RGBA{uint8(200 - 60*y/h), uint8(120 + 100*x/w), uint8(90 + 120*y/h), 255})
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// sound is half a second of silence.
func sound() []byte {
	data := bytes.Repeat([]byte{128}, 4000)
	b := append([]byte("RIFF"), binary.LittleEndian.AppendUint32(nil, uint32(36+len(data)))...)
	b = append(b, "WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x40\x1f\x00\x00\x40\x1f\x00\x00\x01\x00\x08\x00data"...)
	return append(binary.LittleEndian.AppendUint32(b, uint32(len(data))), data...)
}

// everything is a store with a message of each sort.
func everything() *store {
	jane, omar, noa := chat.Person{Address: "+12025550101", Name: "Jane Doe"}, chat.Person{Address: "+12025550102", Name: "عمر حداد"}, chat.Person{Address: "noa@example.com"}
	lat, lon := 48.858222, 2.2945
	at := func(i int) *int { return &i }
	s := &store{
		list: []chat.Conversation{
			{Key: "club", Title: "Book club", App: "Test", Service: "iMessage", Group: true, People: []chat.Person{jane, omar, noa}, Last: stamp(400)},
			{Key: "jane", Title: "Jane Doe", App: "Test", Service: "SMS", People: []chat.Person{jane}, Last: stamp(10), Archived: true},
			{Key: "jane2", Title: "jane doe", App: "Test", Service: "RCS", People: []chat.Person{{Address: "+12025550109"}}, Last: stamp(9)},
			{Key: "odd", Title: `../<b>CON</b> "x"`, App: "Test", People: []chat.Person{{Address: "x"}}, Deleted: true},
			{Key: "empty", Title: "Empty", App: "Test"},
		},
		messages: map[string][]chat.Message{
			"jane":  {{Key: "j1", Kind: chat.KindText, Time: stamp(10), FromMe: true, Service: "SMS", Text: "By SMS", Failed: true}},
			"jane2": {{Key: "j2", Kind: chat.KindText, Time: stamp(9), From: chat.Person{Address: "+12025550109"}, Text: "Another Jane"}},
			"odd":   {{Key: "o1", Kind: chat.KindText, From: chat.Person{Address: "x"}, Text: "No time known \x1b[31mred\x07 \u202egnp.exe"}},
		},
	}
	add := func(minute int, m chat.Message) {
		if m.Kind == "" {
			m.Kind = chat.KindText
		}
		m.Time, m.Service = stamp(minute), "iMessage"
		s.messages["club"] = append(s.messages["club"], m)
	}
	add(0, chat.Message{Key: "1", Kind: chat.KindSystem, Text: "Jane Doe named the conversation “Book club”"})
	add(1, chat.Message{Key: "2", From: jane, Text: "Who has finished chapter 7? See https://www.example.com/chapter_(7)?q=1&r=2. More at javascript:alert(1)"})
	add(2, chat.Message{Key: "3", From: jane, Text: "<script>alert('x')</script> & <img src=https://evil.example/x.png>", Reactions: []chat.Reaction{{From: omar, Emoji: "😂"}, {FromMe: true, Emoji: "❤️"}, {From: noa}}})
	add(3, chat.Message{Key: "4", FromMe: true, Text: "I have!", Delivered: stamp(3), Read: stamp(30), ReplyTo: "2", ReplyText: "Who has finished chapter 7?"})
	add(4, chat.Message{Key: "5", From: omar, Text: "أنا أيضا، كتاب رائع (٧ فصول)!", Reactions: []chat.Reaction{{From: jane, Emoji: "👍"}}})
	add(5, chat.Message{Key: "6", From: noa, Text: "שלום לכולם, see you at 19:00"})
	add(6, chat.Message{Key: "7", FromMe: true, Text: "🎉👩‍👩‍👧‍👦", Effect: "Confetti"})
	add(7, chat.Message{Key: "8", From: jane, Text: "We meet on Thursday", Edited: stamp(9), Edits: []chat.Edit{{Text: "We meet on Tuesday", Time: stamp(7)}, {Text: "We meet on Wednesday", Time: stamp(8)}}})
	add(8, chat.Message{Key: "9", From: omar, Kind: chat.KindUnsent, Unsent: stamp(9)})
	add(9, chat.Message{Key: "10", From: jane, Text: "before\nafter", Parts: []chat.Part{{Text: "before"}, {Attachment: at(0)}, {Text: "after"}},
		Attachments: []chat.Attachment{{Name: "IMG_0001.PNG", Type: "image/png", Size: 12345, Path: "Media/IMG_0001.PNG", Caption: "The garden"}, {Name: "lost.jpg", Type: "image/jpeg", Size: 2_400_000}, {Name: "film.mp4", Type: "video/mp4", Preview: "Media/film.thumb"}}})
	add(12, chat.Message{Key: "11", FromMe: true, Attachments: []chat.Attachment{{Name: "tall.png", Path: "Media/tall.png"}, {Name: "sound.wav", Type: "audio/wav", Path: "Media/sound.wav"},
		{Name: "plan.pdf", Type: "application/pdf", Size: 9, Path: "Media/plan.pdf"}}})
	add(13, chat.Message{Key: "12", From: noa, Attachments: []chat.Attachment{{Name: "evil.html", Type: "image/png", Path: "Media/evil.html"}, {Name: "../../evil.svg", Path: "Media/evil.svg"},
		{Name: "Bundle", Path: "Media/Bundle", Folder: true}, {Name: "card.vcf", Type: "text/vcard", Content: "BEGIN:VCARD\r\nEND:VCARD\r\n"}}})
	add(14, chat.Message{Key: "13", From: jane, Attachments: []chat.Attachment{{Type: "public.png", Path: "Media/no ending"}, {Type: "image/webp", Path: "Media/sticker 100%?.webp", Sticker: true}, {Name: "IMG_0002.HEIC", Path: "Media/IMG_0002.HEIC"}}})
	add(15, chat.Message{Key: "14", FromMe: true, Latitude: &lat, Longitude: &lon, Text: "Here"})
	add(16, chat.Message{Key: "15", From: jane, Kind: chat.KindApp, App: "Poll", Text: "Which day?", Raw: "type=46"})
	add(17, chat.Message{Key: "16", From: jane, Kind: chat.KindApp, App: "Link", Link: "https://www.example.com/a", LinkTitle: "A <title>", LinkText: "What it is about"})
	add(18, chat.Message{Key: "17", From: omar, Kind: chat.KindUnknown, Raw: "item_type=7"})
	add(19, chat.Message{Key: "18", FromMe: true, Subject: "A subject", Text: "forwarded and starred", Forwarded: true, Starred: true, ReplyTo: "gone"})
	add(200, chat.Message{Key: "19", From: noa, Text: "After midnight, a very long word: " + string(bytes.Repeat([]byte("Donaudampfschifffahrtsgesellschaft"), 12))})
	add(400, chat.Message{Key: "20", From: jane, Text: "Deleted recently", Deleted: true, Link: "javascript:alert(1)"})
	return s
}
