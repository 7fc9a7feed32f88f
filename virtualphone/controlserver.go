package virtualphone

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/virtualphone/internal/state"
)

// controlServer answers Control: POST /UDID/OPERATION on loopback.
type controlServer struct {
	srv   *Server
	http  *http.Server
	token string
	files []string // control.json of each phone
	done  chan struct{}
}

const (
	maxControlRequest = 1 << 20 // bytes
	closeTime         = 10 * time.Second
)

func startControl(ctx context.Context, s *Server) (*controlServer, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	c := &controlServer{srv: s, token: rand.Text(), done: make(chan struct{})}
	c.http = &http.Server{
		Handler: c, ReadHeaderTimeout: 10 * time.Second,
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	go func() {
		defer close(c.done)
		if err := c.http.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			s.cfg.Log.Error("control", "cause", err)
		}
	}()
	b, err := json.Marshal(controlAddress{ln.Addr().String(), c.token})
	if err != nil {
		return nil, errors.Join(err, c.close())
	}
	for _, p := range s.phones {
		file := filepath.Join(p.Dir(), controlFile)
		if err := state.WriteFile(file, b, 0o600); err != nil {
			return nil, errors.Join(err, c.close())
		}
		c.files = append(c.files, file)
	}
	return c, nil
}

// close waits for the requests that run; the end of the server's context ends
// them soon.
func (c *controlServer) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	err := c.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, c.http.Close())
	}
	<-c.done
	for _, file := range c.files {
		if rmErr := os.Remove(file); !errors.Is(rmErr, fs.ErrNotExist) {
			err = errors.Join(err, rmErr)
		}
	}
	return err
}

func (c *controlServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	if subtle.ConstantTimeCompare([]byte(token), []byte(c.token)) != 1 {
		http.Error(w, "wrong token", http.StatusForbidden)
		return
	}
	udid, op, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	p := c.srv.phone(udid)
	if p == nil || r.Method != http.MethodPost {
		http.Error(w, "no such phone", http.StatusNotFound)
		return
	}
	var req controlRequest
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxControlRequest)).Decode(&req); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if op == "digest" {
		c.digest(r.Context(), w, p)
		return
	}
	answer, err := p.control(r.Context(), op, req)
	if err != nil {
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		c.srv.cfg.Log.Debug("control answer", "cause", err)
	}
}

// digest waits for a phone that restarts, which puts its files in place then, and
// streams; what goes wrong on the way is told in a trailer.
func (c *controlServer) digest(ctx context.Context, w http.ResponseWriter, p *Phone) {
	w.Header().Set("Trailer", errorTrailer)
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	err := p.awaitUp(ctx)
	if err == nil {
		err = p.Digest(ctx, w)
	}
	if err != nil {
		w.Header().Set(errorTrailer, strings.ReplaceAll(err.Error(), "\n", "; "))
	}
}

func (s *Server) phone(udid string) *Phone {
	for _, p := range s.phones {
		if p.UDID() == udid {
			return p
		}
	}
	return nil
}

// Digest writes "sha256  Domain/path" lines for all that a backup must bring
// back.
func (p *Phone) Digest(ctx context.Context, w io.Writer) error { return digest(ctx, p.st, w) }

// Status describes the phone.
func (p *Phone) Status() Status {
	s := statusOf(p.st)
	p.mu.Lock()
	defer p.mu.Unlock()
	s.Running, s.Attached, s.Network = true, p.usbID != 0, p.wifiID != 0
	return s
}

// control carries out one operation; the answer is JSON.
func (p *Phone) control(ctx context.Context, op string, req controlRequest) (answer any, err error) {
	switch op {
	case "status":
		return p.Status(), nil
	case "use":
		return p.Use(ctx, req.Days)
	case "erase":
		err = p.Erase(ctx)
	case "set":
		err = p.Set(req.Settings...)
	case "unplug":
		p.Unplug()
	case "plug":
		p.Plug()
	case "reboot":
		err = p.Reboot(ctx)
	case "notify":
		p.Notify(req.Name)
	case "clear-faults":
		p.ClearFaults()
	case "faults":
		var faults []Fault
		if faults, err = ParseFaults(req.Faults); err == nil {
			p.AddFaults(faults...)
		}
	default:
		err = fmt.Errorf("no operation %q", op)
	}
	return struct{}{}, err
}
