package contents

// caseTwin marks names that differ from another one in case only.
const caseTwin = "rEADME"

var appNames = []string{
	"Lumora", "Brimbel", "Kontora", "Fahrt", "Pilzkunde", "Tidewatch", "Noodlet", "Ledgerly Fox", "Sternkarte", "Quillbox",
	"Hopscotch Mail", "Vespera", "Kassenzettel", "Driftnote", "Peakline", "Wetterhahn", "Mosaico", "Bramble Chess", "Larkspur", "Zugvogel",
	"Umbra Reader", "Fernweh", "Clockwork Tea", "Salzwasser", "Inkwell", "Papierflieger", "Orbitale", "Moorland", "Funkelstein", "Tandem Fit",
	"Rosine", "Glimmer Cam", "Hafenblick", "Kelp", "Nachtzug", "Ponderosa", "Schwalbe", "Velvet Maps", "Wanderlaus", "Yonder",
	"Aubergine Bank", "Birkenhain", "Copperpot", "Dachboden", "Echolot", "Flickwerk", "Gartenzwerg", "Honeycomb Tasks", "Isobar", "Juniper",
	"Kaleidos", "Lindwurm", "Murmel", "Nebelhorn", "Ostwind", "Plauderei", "Quetsche", "Rumpelkiste", "Silberfisch", "Trampelpfad",
	"Ukulele Daily", "Vogelhaus", "Wirbelwind", "Xylo", "Zettelkasten",
}

var nouns = []string{
	"alder", "amber", "anchor", "basil", "beacon", "birch", "bramble", "brook", "candle", "canyon", "cedar", "cinder", "clover", "cobble", "coral",
	"crest", "dahlia", "delta", "ember", "fable", "falcon", "fern", "fjord", "flint", "garnet", "glade", "harbor", "hazel", "heron", "indigo",
	"iris", "ivory", "jasper", "kestrel", "lagoon", "lantern", "larch", "lichen", "linden", "maple", "marble", "meadow", "mesa", "nectar", "nimbus",
	"oasis", "onyx", "opal", "orchid", "otter", "pebble", "pine", "plume", "prairie", "quartz", "quill", "raven", "reef", "ridge", "river",
	"sable", "saffron", "sage", "sierra", "slate", "sparrow", "spruce", "summit", "thistle", "timber", "topaz", "tundra", "umber", "valley", "velvet",
	"violet", "walnut", "willow", "wren", "zephyr",
}

var phrases = []string{
	"Buy oats and two lemons", "The train leaves at ten past eight", "Grüße aus Lübeck", "Ask about the key", "Ключ под ковриком",
	"Call the dentist", "水曜日に会いましょう", "Half a pound of flour", "Page 112, second paragraph", "🌧️ take the umbrella", "مساء الخير",
	"Measure the window again", "Return the library books", "Password is not written here", "Meet at the old bridge",
}

var places = []struct {
	name      string
	lat, long float64
	zone      string
	offset    int // seconds east of UTC
}{
	{"Lübeck", 53.8655, 10.6866, "Europe/Berlin", 3600},
	{"Lisboa", 38.7139, -9.1394, "Europe/Lisbon", 0},
	{"Reykjavík", 64.1466, -21.9426, "Atlantic/Reykjavik", 0},
	{"Kyoto", 35.0116, 135.7681, "Asia/Tokyo", 32400},
	{"Wellington", -41.2866, 174.7756, "Pacific/Auckland", 43200},
	{"Valparaíso", -33.0472, -71.6127, "America/Santiago", -14400},
	{"Halifax", 44.6488, -63.5752, "America/Halifax", -14400},
	{"Bergen", 60.3913, 5.3221, "Europe/Oslo", 3600},
}

var cameras = []string{"Kiefer 5", "Kiefer 5 front", "Ahorn 11"}

// oddNames are file names that have broken backup tools: emoji, the two ways to
// write an accent, punctuation, a name of 200 bytes, a line feed, a pair that
// differs in case only.
var oddNames = []string{
	"🐙 octopus 👩‍👩‍👧‍👦 family.txt",
	"Caf\u00e9 composed.txt",
	"Cafe\u0301 decomposed.txt",
	"\u1112\u1161\u11ab\u1100\u1173\u11af decomposed.txt",
	"한글 composed.txt",
	"what? 10:30 *star* \"quoted\" <angle> |pipe|.txt",
	"back\\slash & 'single' $HOME `tick`.txt",
	"two\nlines.txt",
	"  blanks around  ",
	"-rf",
	"%41 percent %2F.txt",
	".hidden",
	"trailing dot.",
	"CON.txt",
	"readme.txt",
	caseTwin + ".txt",
	"tab\there.txt",
	"مرحبا بالعالم.txt",
	longName,
}

// longName has 200 bytes.
const longName = "A name of two hundred bytes, which is long but not longer than a file system takes, since most of them stop at two " +
	"hundred and fifty-five - and here are a few words to fill it up to that number....txt"
