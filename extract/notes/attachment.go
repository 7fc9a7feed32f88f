package notes

import (
	"cmp"
	"path"
	"strings"

	"github.com/keepsake-backup/keepsake/internal/secret"
)

// Kind is what an attachment is.
type Kind string

// The kinds of attachments.
const (
	KindImage       Kind = "image"
	KindVideo       Kind = "video"
	KindAudio       Kind = "audio" // recordings, of calls too
	KindPDF         Kind = "pdf"
	KindDrawing     Kind = "drawing"
	KindScan        Kind = "scan"
	KindGallery     Kind = "gallery" // scans and pictures in a row
	KindTable       Kind = "table"
	KindLink        Kind = "link" // to a page or a place, with a preview
	KindFile        Kind = "file"
	KindTag         Kind = "tag"         // #word
	KindMention     Kind = "mention"     // @person
	KindNoteLink    Kind = "note-link"   // to another note
	KindCalculation Kind = "calculation" // what "=" gave
)

// Attachment is something in a note that is no text.
type Attachment struct {
	Key  string `json:"key"` // identifier
	Kind Kind   `json:"kind"`
	Type string `json:"type,omitempty"` // UTI
	Name string `json:"name,omitempty"` // of its file
	// Title is what the app or the owner calls it: of a link the page's title.
	Title string `json:"title,omitempty"`
	// Text is the words that stand in the note (a tag, a mention); of others what was
	// recognised in it.
	Text string `json:"text,omitempty"`
	URL  string `json:"url,omitempty"`  // of a link: any address
	Size int64  `json:"size,omitempty"` // bytes, as the app says
	// Path is its file in the Source; "" where there is none.
	Path string `json:"path,omitempty"`
	// StandIn tells that Path is a picture that the phone keeps of it, and the original
	// is in no file or not in this backup.
	StandIn bool   `json:"stand_in,omitempty"`
	Preview string `json:"preview,omitempty"` // small picture in the Source
	// Missing tells that the phone names a file that this backup does not have: it is in
	// iCloud.
	Missing bool          `json:"missing,omitempty"`
	Sealed  bool          `json:"sealed,omitempty"` // the file is encrypted with the note's password
	Table   *Table        `json:"table,omitempty"`
	Items   []*Attachment `json:"items,omitempty"` // of a gallery
	// File is where an export has put it, relative to the export's folder.
	File string `json:"file,omitempty"`
	// Error says why a table or gallery could not be read.
	Error string `json:"error,omitempty"`

	poster        string      // where an export has put Preview
	sealed        *sealedFile // how to open Path
	sealedPreview *sealedFile
	shut          bool // Path is encrypted and cannot be opened
}

// sealedFile says how an encrypted file opens.
type sealedFile struct {
	key     secret.Bytes
	iv, tag []byte
}

// Inline tells whether an attachment is a word of a line.
func (a *Attachment) Inline() bool {
	switch a.Kind {
	case KindTag, KindMention, KindNoteLink, KindCalculation:
		return true
	}
	return false
}

// label is what people call it.
func (a *Attachment) label() string {
	return cmp.Or(a.Title, a.Name, a.URL, strings.ToUpper(string(a.Kind[:1]))+string(a.Kind[1:]))
}

// words are what stands for an attachment in plain text.
func (a *Attachment) words() string {
	switch {
	case a.Inline():
		return a.Text
	case a.Table != nil:
		return a.Table.Plain()
	case a.Kind == KindLink && a.URL != "" && a.Title != "" && a.Title != a.URL:
		return a.Title + " <" + a.URL + ">"
	case a.Kind == KindLink && a.URL != "":
		return a.URL
	case a.Kind == KindGallery && len(a.Items) > 0:
		var labels []string
		for _, item := range a.Items {
			labels = append(labels, item.words())
		}
		return strings.Join(labels, " ")
	}
	return "[" + a.label() + "]"
}

const inlinePrefix = "com.apple.notes.inlinetextattachment."

// kinds by type. Others are known by a part of their type, or the ending of their file.
var kinds = map[string]Kind{
	"com.apple.notes.table": KindTable, "com.apple.notes.gallery": KindGallery, "com.apple.drawing": KindDrawing, "com.apple.drawing.2": KindDrawing,
	"com.apple.notes.sketch": KindDrawing, "com.apple.paper": KindDrawing, "com.apple.paper.doc.scan": KindScan, "com.apple.paper.doc.pdf": KindScan,
	"public.url": KindLink, "com.adobe.pdf": KindPDF, inlinePrefix + "hashtag": KindTag, inlinePrefix + "mention": KindMention, inlinePrefix + "link": KindNoteLink,
	inlinePrefix + "calculateresult": KindCalculation, inlinePrefix + "calculategraphexpression": KindCalculation,
	"public.jpeg": KindImage, "public.png": KindImage, "public.heic": KindImage, "public.heif": KindImage, "public.tiff": KindImage, "com.compuserve.gif": KindImage,
	"org.webmproject.webp": KindImage, "public.mp3": KindAudio, "public.mpeg-4-audio": KindAudio, "public.mpeg-4": KindVideo, "public.mpeg": KindVideo, "public.avi": KindVideo,
	"com.apple.quicktime-movie": KindVideo,
}

var endings = map[string]Kind{".jpg": KindImage, ".jpeg": KindImage, ".png": KindImage, ".heic": KindImage, ".heif": KindImage, ".gif": KindImage, ".webp": KindImage,
	".tif": KindImage, ".tiff": KindImage, ".m4a": KindAudio, ".mp3": KindAudio, ".wav": KindAudio, ".caf": KindAudio, ".aac": KindAudio, ".mov": KindVideo, ".mp4": KindVideo,
	".m4v": KindVideo, ".pdf": KindPDF}

// kindOf tells what an attachment is by its type, else by its file's name.
func kindOf(uti, name string) Kind {
	uti = strings.ToLower(uti)
	if k, ok := kinds[uti]; ok {
		return k
	}
	switch {
	case strings.HasPrefix(uti, inlinePrefix):
		return KindMention // words, whatever they mean
	case strings.HasPrefix(uti, "com.apple.paper"), strings.HasPrefix(uti, "com.apple.drawing"):
		return KindDrawing
	case strings.Contains(uti, "audio"), strings.Contains(uti, "recording"):
		return KindAudio
	case strings.Contains(uti, "image"):
		return KindImage
	case strings.Contains(uti, "movie"), strings.Contains(uti, "video"):
		return KindVideo
	}
	return cmp.Or(endings[strings.ToLower(path.Ext(name))], KindFile)
}

// pictured tells that an attachment has no file of its own but pictures of it.
func (k Kind) pictured() bool { return k == KindDrawing || k == KindScan || k == KindGallery }
