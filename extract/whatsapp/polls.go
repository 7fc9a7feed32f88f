package whatsapp

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

// poll is what a poll asks, and how often each answer was chosen: field 8 of ZRECEIPTINFO
// (IPED, ExtractorIOS.java; votes as in a public store of 2026):
//
//	2 the question, 3 {1 an answer} each, 4 how many may be chosen, 0 = any,
//	6 {1 the number of an answer, each, 2 Unix milliseconds, 3 stanza} each vote
//
// A poll of somebody else in which nobody has voted yet is the message as it came, in
// field 9 of ZMETADATA: there the same is in the field of one of the kinds of polls.
type poll struct {
	question string
	answers  []string
	votes    []int
}

const (
	maxAnswers = 100 // the app takes twelve
	maxVotes   = 100_000
)

// pollKinds are the fields of a message that are polls (the protocol's
// pollCreationMessage and its later editions).
var pollKinds = map[protowire.Number]bool{49: true, 60: true, 64: true, 93: true, 111: true, 119: true}

func parsePoll(receipts, metadata []byte) (p poll, ok bool) {
	_ = fields(receipts, func(num protowire.Number, _ uint64, data []byte) { // what comes before an error is as good
		if num == 8 && data != nil {
			p.read(data)
		}
	})
	if p.question != "" || len(p.answers) > 0 {
		return p, true
	}
	_ = fields(metadata, func(num protowire.Number, _ uint64, data []byte) {
		if num != 9 {
			return
		}
		_ = fields(data, func(num protowire.Number, _ uint64, data []byte) {
			if pollKinds[num] {
				p.read(data)
			}
		})
	})
	return p, p.question != "" || len(p.answers) > 0
}

func (p *poll) read(b []byte) {
	*p = poll{}
	votes := 0
	_ = fields(b, func(num protowire.Number, _ uint64, data []byte) {
		switch num {
		case 2:
			p.question = text(data)
		case 3:
			if len(p.answers) == maxAnswers {
				return
			}
			answer := ""
			_ = fields(data, func(num protowire.Number, _ uint64, data []byte) {
				if num == 1 {
					answer = text(data)
				}
			})
			p.answers = append(p.answers, answer)
			p.votes = append(p.votes, 0)
		case 6:
			if votes++; votes <= maxVotes {
				p.vote(data)
			}
		}
	})
}

// vote counts the answers of one vote. They are numbers of their own, or packed.
func (p *poll) vote(b []byte) {
	chosen := map[uint64]bool{}
	_ = fields(b, func(num protowire.Number, number uint64, data []byte) {
		switch {
		case num != 1:
		case data == nil:
			chosen[number] = true
		default:
			for len(data) > 0 {
				n, size := protowire.ConsumeVarint(data)
				if size < 0 {
					return
				}
				chosen[n] = true
				data = data[size:]
			}
		}
	})
	for i := range p.votes {
		if chosen[uint64(i)] {
			p.votes[i]++
		}
	}
}

func (p *poll) text() string {
	lines := make([]string, 0, 1+len(p.answers))
	if p.question != "" {
		lines = append(lines, p.question)
	}
	for i, answer := range p.answers {
		line := "• " + answer
		if p.votes[i] > 0 {
			line += fmt.Sprintf(" (%d)", p.votes[i])
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}
