package music

import (
	"testing"

	"github.com/keepsake-backup/keepsake/extract"
)

func TestPlaylist(t *testing.T) {
	p := &playlist{where: shown}
	for _, m := range []*Item{
		{Title: "One", Artist: "Ada", Album: "A: b", Track: 3, Disc: 2, Seconds: 61.5, Kind: Song, File: "x", named: "F00/ABCD.M4A"},
		{Title: "Gone", Artist: "Ben", Kind: Song},
		{Title: "../Two", Kind: Song, File: "x", named: "F00/ABCE.m4p", Protected: true},
		{Title: "Talk", Album: "Show", Kind: Podcast, File: "x", named: "a.mp3", Seconds: 0.2},
	} {
		if err := p.Emit(m); err != nil {
			t.Fatal(err)
		}
	}
	const want = `#EXTM3U
#PLAYLIST:Kitchen
#EXTINF:62,Ada - One
../Ada/A%3A b/2-03 One.m4a
# not here: Ben - Gone
#EXTINF:-1,../Two
../Unknown artist/Unknown album/..%2FTwo (protected).m4p
#EXTINF:0,Talk
../Podcasts/Show/Talk.mp3
`
	if got := string(p.bytes(extract.Group{Title: "Kitchen"})); got != want {
		t.Errorf("the playlist is\n%s", got)
	}
}
