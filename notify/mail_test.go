package notify

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

type mail struct{ from, to, data string }

// mailServer speaks as much SMTP as one client needs.
type mailServer struct {
	address string
	refuse  atomic.Bool // every sign-in
	mu      sync.Mutex
	got     []mail
}

func listenMail(t *testing.T) *mailServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &mailServer{address: l.Addr().String()}
	var wg sync.WaitGroup
	t.Cleanup(func() { l.Close(); wg.Wait() })
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { s.serve(c) })
		}
	})
	return s
}

func (s *mailServer) serve(c net.Conn) {
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second)) // a test that hangs ends
	in := bufio.NewReader(c)
	var m mail
	fmt.Fprint(c, "220 test\r\n")
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimSpace(line)
		verb, rest, _ := strings.Cut(line, " ")
		switch strings.ToUpper(verb) {
		case "EHLO":
			fmt.Fprint(c, "250-test\r\n250 AUTH PLAIN\r\n")
		case "AUTH":
			if s.refuse.Load() {
				fmt.Fprint(c, "535 5.7.8 no: "+rest+"\r\n")
				continue
			}
			fmt.Fprint(c, "235 ok\r\n")
		case "MAIL":
			m = mail{from: between(rest)}
			fmt.Fprint(c, "250 ok\r\n")
		case "RCPT":
			m.to = between(rest)
			fmt.Fprint(c, "250 ok\r\n")
		case "DATA":
			fmt.Fprint(c, "354 go\r\n")
			for {
				line, err := in.ReadString('\n')
				if err != nil {
					return
				}
				if line == ".\r\n" {
					break
				}
				m.data += strings.TrimPrefix(line, ".")
			}
			s.mu.Lock()
			s.got = append(s.got, m)
			s.mu.Unlock()
			fmt.Fprint(c, "250 ok\r\n")
		case "QUIT":
			fmt.Fprint(c, "221 bye\r\n")
			return
		default:
			fmt.Fprint(c, "250 ok\r\n")
		}
	}
}

func (s *mailServer) mails(t *testing.T, n int) []mail {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.got) != n {
		t.Fatalf("%d mails, want %d", len(s.got), n)
	}
	return s.got
}

func between(s string) string {
	_, s, _ = strings.Cut(s, "<")
	s, _, _ = strings.Cut(s, ">")
	return s
}
