package voicemail

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/keepsake-backup/keepsake/internal/plist"
)

var errNoTranscript = errors.New("it has no text of a transcript")

// transcriptOf reads a .transcript: a keyed archive whose root, or the dictionary in a
// plain property list, has transcriptionString and confidence.
//
//	$objects  ["$null", {transcriptionString: UID 2, confidence: 0.86, $class: UID 3}, "Hello, …", {$classname: …}]
//	$top      {root: UID 1}
func transcriptOf(data []byte) (text string, confidence float64, err error) {
	var list map[string]any
	if err := plist.Unmarshal(data, &list); err != nil {
		return "", 0, fmt.Errorf("decode transcript: %w", err)
	}
	objects, _ := list["$objects"].([]any)
	root := list
	if objects != nil {
		top, _ := list["$top"].(map[string]any)
		root = nil
		for _, v := range top { // there is one, called root
			if r, ok := follow(v, objects).(map[string]any); ok && (root == nil || r["transcriptionString"] != nil) {
				root = r
			}
		}
	}
	switch s := follow(root["transcriptionString"], objects).(type) {
	case string:
		text = s
	case map[string]any: // NSMutableString
		text, _ = follow(s["NS.string"], objects).(string)
	}
	switch c := follow(root["confidence"], objects).(type) {
	case float64:
		confidence = c
	case uint64:
		confidence = float64(c)
	case int64:
		confidence = float64(c)
	}
	if math.IsNaN(confidence) || math.IsInf(confidence, 0) {
		confidence = 0
	}
	if text = strings.TrimSpace(strings.ToValidUTF8(text, "\uFFFD")); text == "" && root["transcriptionString"] == nil {
		return "", 0, errNoTranscript
	}
	return text, confidence, nil
}

// follow gives what a value refers to: one step, as nothing in an archive refers to a
// reference.
func follow(v any, objects []any) any {
	if id, ok := v.(plist.UID); ok {
		if uint64(id) >= uint64(len(objects)) || id == 0 {
			return nil
		}
		return objects[id]
	}
	return v
}
