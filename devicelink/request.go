package devicelink

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// Message is one decoded control message of the phone: Download, Upload,
// FreeSpace, Purge, List, MakeDir, Move, Remove, Copy, Process, Pinged or
// Disconnected.
//
// Paths are exactly what the phone sent, unchecked. Progress is in percent of
// the whole job, 0 when absent or no number. Sizes are in bytes.
type Message interface{ message() }

// Download is DLMessageDownloadFiles: the host sends Paths, which may be none.
type Download struct {
	Paths    []string
	Progress float64
	Size     int64
}

// Upload is DLMessageUploadFiles: bulk data of the phone follows.
type Upload struct {
	Progress float64
	Size     int64
}

// FreeSpace is DLMessageGetFreeDiskSpace.
type FreeSpace struct{}

// Purge is DLMessagePurgeDiskSpace: Amount bytes are wanted.
type Purge struct{ Amount, Urgency int64 }

// List is DLContentsOfDirectory.
type List struct{ Path string }

// MakeDir is DLMessageCreateDirectory.
type MakeDir struct{ Path string }

// MovePair is one item of a Move.
type MovePair struct{ From, To string }

// Move is DLMessageMoveItems or MoveFiles, sorted by From: a dictionary has no
// order of its own.
type Move struct {
	Items    []MovePair
	Progress float64
}

// Remove is DLMessageRemoveItems or RemoveFiles.
type Remove struct {
	Paths    []string
	Progress float64
}

// Copy is DLMessageCopyItem.
type Copy struct{ From, To string }

// Process is DLMessageProcessMessage: a message of the service above.
type Process struct{ Body map[string]any }

// Pinged is DLMessagePing; nothing is answered.
type Pinged struct{ Text string }

// Disconnected is DLMessageDisconnect.
type Disconnected struct{ Reason string }

func (Download) message()     {}
func (Upload) message()       {}
func (FreeSpace) message()    {}
func (Purge) message()        {}
func (List) message()         {}
func (MakeDir) message()      {}
func (Move) message()         {}
func (Remove) message()       {}
func (Copy) message()         {}
func (Process) message()      {}
func (Pinged) message()       {}
func (Disconnected) message() {}

// UnknownMessageError is a message whose name this host does not know. The
// phone waits for a status all the same.
type UnknownMessageError struct{ Name string }

func (e *UnknownMessageError) Error() string {
	return fmt.Sprintf("devicelink: unknown message %.100q", e.Name)
}

type array []any

func (a array) name() string { return a[0].(string) }

func (a array) at(i int) any {
	if i < len(a) {
		return a[i]
	}
	return nil
}

// text is element i where it is optional text.
func (a array) text(i int) string {
	s, _ := a.at(i).(string)
	if s == EmptyParameter {
		return ""
	}
	return s
}

// number is element i where it is informative only.
func (a array) number(i int) float64 {
	f, ok := a.at(i).(float64)
	if !ok {
		n, _ := integer(a.at(i))
		f = float64(n)
	}
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return 0
	}
	return f
}

func (a array) size(i int) int64 {
	n, _ := integer(a.at(i))
	return max(n, 0)
}

func (a array) bad(format string, args ...any) error {
	return &ProtocolError{a.name(), fmt.Sprintf(format, args...)}
}

func (a array) path(i int) (string, error) {
	s, ok := a.at(i).(string)
	if !ok || s == EmptyParameter {
		return "", a.bad("element %d is no path", i)
	}
	return s, nil
}

func (a array) paths(i int) ([]string, error) {
	list, ok := a.at(i).([]any)
	if !ok {
		return nil, a.bad("element %d is no array of paths", i)
	}
	paths := make([]string, len(list))
	for k, v := range list {
		if paths[k], ok = v.(string); !ok {
			return nil, a.bad("path %d is no string", k)
		}
	}
	return paths, nil
}

// integer reads any integer of a property list; a real counts when it is whole.
func integer(v any) (int64, bool) {
	switch n := v.(type) {
	case int64:
		return n, true
	case uint64:
		return int64(n), n <= math.MaxInt64
	case float64:
		return int64(n), n == math.Trunc(n) && math.Abs(n) < 1<<53
	}
	return 0, false
}

func decode(a array) (Message, error) {
	switch a.name() {
	case DownloadFiles:
		paths, err := a.paths(1)
		return Download{paths, a.number(3), a.size(4)}, err
	case UploadFiles:
		return Upload{a.number(2), a.size(3)}, nil
	case GetFreeDiskSpace:
		return FreeSpace{}, nil
	case PurgeDiskSpace:
		return Purge{a.size(1), a.size(2)}, nil
	case ContentsOfDirectory:
		p, err := a.path(1)
		return List{p}, err
	case CreateDirectory:
		p, err := a.path(1)
		return MakeDir{p}, err
	case MoveItems, MoveFiles:
		return decodeMove(a)
	case RemoveItems, RemoveFiles:
		paths, err := a.paths(1)
		return Remove{paths, a.number(3)}, err
	case CopyItem:
		from, err := a.path(1)
		if err != nil {
			return nil, err
		}
		to, err := a.path(2)
		return Copy{from, to}, err
	case ProcessMessage:
		body, ok := a.at(1).(map[string]any)
		if !ok || len(a) != 2 {
			return nil, a.bad("%d elements, or no dictionary", len(a))
		}
		return Process{body}, nil
	case Ping:
		return Pinged{a.text(1)}, nil
	case Disconnect:
		return Disconnected{a.text(1)}, nil
	}
	return nil, &UnknownMessageError{a.name()}
}

func decodeMove(a array) (Message, error) {
	dict, ok := a.at(1).(map[string]any)
	if !ok {
		return nil, a.bad("element 1 is no dictionary of paths")
	}
	items := make([]MovePair, 0, len(dict))
	for from, v := range dict {
		to, ok := v.(string)
		if !ok {
			return nil, a.bad("the target of %.100q is no string", from)
		}
		items = append(items, MovePair{from, to})
	}
	slices.SortFunc(items, func(a, b MovePair) int { return strings.Compare(a.From, b.From) })
	return Move{items, a.number(3)}, nil
}
