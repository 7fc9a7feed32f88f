package music

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/mp4"
	"github.com/keepsake-backup/keepsake/internal/plist"
)

// maxTag is the most bytes of a tag that are read; pictures are not.
const maxTag = 64 << 10

// describe fills in what a file says of itself. A book that is a folder says nothing.
func (s *shelf) describe(ctx context.Context, m *Item, tones map[string]string) error {
	if err := s.place(ctx, m); err != nil {
		return err
	}
	if m.Contents == nil {
		if err := s.readTags(m); err != nil {
			s.rep.Report(&extract.Problem{What: m.File, Err: fmt.Errorf("read its tags: %w", err)})
		}
	}
	if m.Title == "" {
		m.Title = tones[path.Base(m.named)]
	}
	if m.Title == "" {
		m.Title = strings.TrimSuffix(path.Base(m.named), path.Ext(m.named))
	}
	return nil
}

func (s *shelf) readTags(m *Item) error {
	switch strings.ToLower(path.Ext(m.named)) {
	case ".m4a", ".m4p", ".m4b", ".m4r", ".m4v", ".mp4", ".mov", ".mp3", ".aax":
	default:
		return nil
	}
	f, err := s.src.FS.Open(m.File)
	if err != nil {
		return err
	}
	defer f.Close()
	r, ok := f.(io.ReaderAt)
	if !ok {
		return nil
	}
	if strings.EqualFold(path.Ext(m.named), ".mp3") {
		return readID3(r, m.Bytes, m)
	}
	return readMP4(mp4.New(r, m.Bytes), m)
}

// readMP4 reads moov/udta/meta/ilst, how long it plays, and whether it is protected.
func readMP4(f *mp4.File, m *Item) error {
	seconds, err := f.Seconds()
	if err != nil {
		return err
	}
	m.Seconds = seconds
	texts := map[string]*string{"\xa9nam": &m.Title, "\xa9ART": &m.Artist, "\xa9alb": &m.Album, "aART": &m.AlbumArtist, "\xa9wrt": &m.Composer, "\xa9gen": &m.Genre,
		"cprt": &m.Copyright, "\xa9cmt": &m.Comment}
	numbers := map[string]*int{"trkn": &m.Track, "disk": &m.Disc}
	wanted := []string{"\xa9day"}
	for k := range texts {
		wanted = append(wanted, k)
	}
	for k := range numbers {
		wanted = append(wanted, k)
	}
	items, err := f.Items(maxTag, wanted...)
	if err != nil {
		return err
	}
	for k, to := range texts {
		*to = line(string(items[k].Data))
	}
	m.Year = yearOf(string(items["\xa9day"].Data))
	for k, to := range numbers { // u16 0, u16 number, u16 of so many
		if d := items[k].Data; len(d) >= 4 {
			*to = int(binary.BigEndian.Uint16(d[2:]))
		}
	}
	locked, err := drm(f)
	m.Protected = m.Protected || locked
	return err
}

// drm looks for the sample entries of sound and film under FairPlay.
func drm(f *mp4.File) (bool, error) {
	moov, ok, err := f.In(f.Whole(), "moov")
	if err != nil || !ok {
		return false, err
	}
	for track, err := range f.Boxes(moov) {
		if err != nil {
			return false, err
		}
		if track.Type != "trak" {
			continue
		}
		entries, ok, err := f.Find(track, "mdia", "minf", "stbl", "stsd")
		if err != nil {
			return false, err
		}
		if !ok || entries.Size < 8 {
			continue
		}
		entries.At, entries.Size = entries.At+8, entries.Size-8 // version, flags, count
		for e, err := range f.Boxes(entries) {
			if err != nil {
				return false, err
			}
			if e.Type == "drms" || e.Type == "drmi" {
				return true, nil
			}
		}
	}
	return false, nil
}

// yearOf is the year at the beginning of a date.
func yearOf(date string) int {
	date = strings.TrimSpace(date)
	if len(date) < 4 {
		return 0
	}
	n, err := strconv.Atoi(date[:4])
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// ringtones are the names of ringtones by the names of their files.
func (s *shelf) ringtones() map[string]string {
	const file = "iTunes_Control/iTunes/Ringtones.plist"
	if !s.src.Has(s.path(file)) {
		return nil
	}
	data, err := s.src.ReadFile(s.path(file), 4<<20)
	var list struct {
		Ringtones map[string]map[string]any `plist:"Ringtones"`
	}
	if err == nil {
		err = plist.Unmarshal(data, &list)
	}
	if err != nil {
		s.rep.Report(&extract.Problem{What: s.path(file), Err: err})
		return nil
	}
	names := map[string]string{}
	for name, d := range list.Ringtones {
		if title, _ := d["Name"].(string); title != "" {
			names[path.Base(name)] = line(title)
		}
	}
	return names
}
