package appdata

import "strings"

var (
	places = strings.Fields(`market library station harbour bakery museum park pool cinema garden café theatre
		workshop beach campsite`)
	things = strings.Fields(`umbrella ladder recipe parcel ticket charger map notebook bicycle tent kettle lamp
		toolbox guitar jacket`)
	weekdays = strings.Fields(`Monday Tuesday Wednesday Thursday Friday Saturday Sunday`)
	hours    = strings.Fields(`8:30 9:15 10:00 11:45 13:00 14:20 16:00 17:30 18:15 19:45`)
	foods    = strings.Fields(`soup dumplings curry pancakes salad noodles pie tacos risotto porridge`)
	emoji    = []string{"🙂", "👍", "🎉", "👩‍👩‍👧‍👦", "🏳️‍🌈", "🤷🏽‍♀️", "☕️", "🚲", "🍜", "𝒽𝒾"}
)

// sentences are patterns; each capital in angle brackets is a list above.
var sentences = []string{
	"Are you free on <D> at <H>?", "I left the <T> at the <P>.", "Can you bring the <T>?", "See you at the <P> at <H>",
	"The <P> closes at <H> today", "Shall we make <F> tonight?", "On my way <E>", "Running ten minutes late, sorry",
	"Happy birthday! <E>", "Did the <T> arrive?", "The <F> was great, thank you <E>", "Let's meet at the <P> on <D>.",
	"Who has the <T>?", "Train is late again, more like <H>", "Yes", "No, <D> works better for me", "ok",
	"That <T> still works, no need for a new one.", "Could you call me when you are out of the <P>?", "<E><E>",
	"I found the <F> recipe, I'll send it on <D>", "Just landed", "Thanks!", "What time does the <P> open on <D>?",
	"Two tickets left for <D> at <H>", "The <T> is in the hall, next to the <T>", "How was the <P>?",
}

// sentence makes one line of small talk.
func sentence(r *rng) string {
	return fillPattern(r, pick(r, sentences))
}

func fillPattern(r *rng, s string) string {
	for {
		i := strings.IndexByte(s, '<')
		if i < 0 || i+2 >= len(s) || s[i+2] != '>' {
			return s
		}
		var word string
		switch s[i+1] {
		case 'D':
			word = pick(r, weekdays)
		case 'H':
			word = pick(r, hours)
		case 'P':
			word = pick(r, places)
		case 'T':
			word = pick(r, things)
		case 'F':
			word = pick(r, foods)
		default:
			word = pick(r, emoji)
		}
		s = s[:i] + word + s[i+3:]
	}
}

// paragraph makes n sentences.
func paragraph(r *rng, n int) string {
	out := make([]string, n)
	for i := range out {
		out[i] = sentence(r)
		if !strings.ContainsAny(out[i][len(out[i])-1:], ".!?") {
			out[i] += "."
		}
	}
	return strings.Join(out, " ")
}

// longText makes text of at least n bytes that ends on a sentence.
func longText(r *rng, n int) string {
	var b strings.Builder
	for b.Len() < n {
		b.WriteString(paragraph(r, 6))
		b.WriteByte('\n')
	}
	return b.String()
}

// otherScripts are lines that stress encoders: right-to-left, combining marks,
// beyond the Basic Multilingual Plane.
var otherScripts = []string{
	"مرحبا، هل نلتقي غدا؟", "שלום, מתי ניפגש?", "Zwölf Boxkämpfer jagen Viktor", "さようなら、また明日",
	"e\u0301te\u0301 (decomposed)", "𝕸𝖊𝖗𝖗𝖞 🎄 and 👨‍👩‍👧‍👦", "नमस्ते दुनिया", "שלום world مرحبا 123",
}
