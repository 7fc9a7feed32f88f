package sftp

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// fakeArg makes the test binary stand between us and OpenSSH's sftp-server and
// change what passes. The arguments after it are the server and the faults.
const fakeArg = "-sftp-server-with-faults"

func withFaults(t testing.TB, faults ...string) Config {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := atOpenSSH(t)
	c.Command = append([]string{self, fakeArg, c.Command[0]}, faults...)
	return c
}

// SFTP packet types.
const (
	fxpVersion  = 2
	fxpOpen     = 3
	fxpWrite    = 6
	fxpReadDir  = 12
	fxpRemove   = 13
	fxpMkdir    = 14
	fxpStat     = 17
	fxpStatus   = 101
	fxpExtended = 200
	fxpReply    = 201
)

type faults struct {
	strip     []string // strip=a,b: extensions that the server does not offer
	failWrite int      // fail-write=n: all writes after n fail
	die       int      // die=n: the end after n writes
	stall     int      // stall=n: no answers after n writes
	statVFS   string   // statvfs=full|inodes|readonly
	flood     bool     // flood: folders have no end
	deaf      bool     // deaf: no answer to stat, ever
	failMkdir bool     // fail-mkdir
	deny      bool     // deny: permission denied to whatever changes something

	mu     sync.Mutex
	out    io.Writer
	writes int
}

func serveFake(args []string) {
	f := &faults{failWrite: -1, die: -1, stall: -1, out: os.Stdout}
	for _, a := range args[1:] {
		name, value, _ := strings.Cut(a, "=")
		n, _ := strconv.Atoi(value)
		switch name {
		case "strip":
			f.strip = strings.Split(value, ",")
		case "fail-write":
			f.failWrite = n
		case "die":
			f.die = n
		case "stall":
			f.stall = n
		case "statvfs":
			f.statVFS = value
		case "flood":
			f.flood = true
		case "deaf":
			f.deaf = true
		case "fail-mkdir":
			f.failMkdir = true
		case "deny":
			f.deny = true
		case "greet":
			fmt.Println("Welcome to the machine!")
		case "mute":
			io.Copy(io.Discard, os.Stdin)
			return
		case "stubborn": // neither speaks nor goes
			time.Sleep(time.Hour) // not for ever: that would be a deadlock, found by Go
		case "say":
			fmt.Fprint(os.Stderr, value)
			os.Exit(255)
		default:
			panic("unknown fault " + a)
		}
	}
	server := exec.Command(args[0])
	in, err := server.StdinPipe()
	must(err)
	out, err := server.StdoutPipe()
	must(err)
	must(server.Start())
	go func() {
		f.requests(bufio.NewReader(os.Stdin), in)
		in.Close()
	}()
	f.answers(bufio.NewReader(out))
	must(server.Wait())
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func readPacket(r io.Reader) (typ byte, body []byte, err error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	body = make([]byte, binary.BigEndian.Uint32(head[:4])-1)
	_, err = io.ReadFull(r, body)
	return head[4], body, err
}

func packet(typ byte, body []byte) []byte {
	p := binary.BigEndian.AppendUint32(nil, uint32(len(body)+1))
	return append(append(p, typ), body...)
}

func appendString(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(s))), s...)
}

func (f *faults) send(typ byte, body []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.out.Write(packet(typ, body))
}

const (
	permissionDenied = 3 // SSH_FX_PERMISSION_DENIED: EACCES, EPERM
	failure          = 4 // SSH_FX_FAILURE: ENOSPC, EROFS and many more
)

func (f *faults) sendStatus(id []byte, code uint32) {
	body := binary.BigEndian.AppendUint32(append([]byte(nil), id...), code)
	f.send(fxpStatus, appendString(appendString(body, "no"), ""))
}

// requests passes requests on to the server, or answers them.
func (f *faults) requests(r io.Reader, server io.Writer) {
	for {
		typ, body, err := readPacket(r)
		if err != nil {
			return
		}
		switch {
		case typ == fxpWrite:
			f.writes++
			if f.die >= 0 && f.writes > f.die {
				fmt.Fprintln(os.Stderr, "a ship dropped its anchor on the cable")
				os.Exit(255)
			}
			if f.failWrite >= 0 && f.writes > f.failWrite {
				f.sendStatus(body[:4], failure)
				continue
			}
		case typ == fxpMkdir && f.failMkdir:
			f.sendStatus(body[:4], failure)
			continue
		case f.deny && (typ == fxpOpen || typ == fxpMkdir || typ == fxpRemove):
			f.sendStatus(body[:4], permissionDenied)
			continue
		case typ == fxpStat && f.deaf:
			continue
		case typ == fxpReadDir && f.flood:
			go f.sendFolder(body[:4])
			continue
		case typ == fxpExtended && strings.Contains(string(body), "statvfs@openssh.com") && f.statVFS != "":
			f.sendStatVFS(body[:4])
			continue
		}
		if f.stall >= 0 && f.writes > f.stall {
			continue
		}
		if _, err := server.Write(packet(typ, body)); err != nil {
			return
		}
	}
}

// answers passes answers on to us.
func (f *faults) answers(r io.Reader) {
	for {
		typ, body, err := readPacket(r)
		if err != nil {
			return
		}
		if typ == fxpVersion {
			body = f.withoutExtensions(body)
		}
		f.send(typ, body)
	}
}

func (f *faults) withoutExtensions(body []byte) []byte {
	kept := append([]byte(nil), body[:4]...)
	take := func() string {
		n := binary.BigEndian.Uint32(body)
		s := string(body[4 : 4+n])
		body = body[4+n:]
		return s
	}
	for body = body[4:]; len(body) > 0; {
		name, version := take(), take()
		gone := false
		for _, s := range f.strip {
			gone = gone || s == name || s == "all"
		}
		if !gone {
			kept = appendString(appendString(kept, name), version)
		}
	}
	return kept
}

func (f *faults) sendStatVFS(id []byte) {
	// bsize, frsize, blocks, bfree, bavail, files, ffree, favail, fsid, flag, namemax
	v := [11]uint64{4096, 4096, 1000, 500, 500, 1000, 500, 500, 1, 0, 255}
	switch f.statVFS {
	case "full":
		v[4] = 1
	case "inodes":
		v[7] = 0
	case "readonly":
		v[9] = 1
	}
	body := append([]byte(nil), id...)
	for _, n := range v {
		body = binary.BigEndian.AppendUint64(body, n)
	}
	f.send(fxpReply, body)
}

// sendFolder answers a READDIR with as many names as fit into a packet.
func (f *faults) sendFolder(id []byte) {
	const names = 1000
	body := binary.BigEndian.AppendUint32(append([]byte(nil), id...), names)
	for i := range names {
		body = appendString(appendString(body, fmt.Sprintf("%064x", i)), strings.Repeat("long ", 20))
		body = binary.BigEndian.AppendUint32(body, 0) // no attributes
	}
	f.send(packetName, body)
}
