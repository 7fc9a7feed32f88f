//go:build linux

package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/catalog"
	"github.com/keepsake-backup/keepsake/internal/daemon"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/schedule"
	"github.com/keepsake-backup/keepsake/service"
	"github.com/keepsake-backup/keepsake/usbmux"
)

// The household of the issue that asked for it.
const (
	manyPhones   = 100  // on one service
	pagePhones   = 50   // in its catalog
	pageVersions = 5000 // of them all
	pagePhotos   = "album"
)

const householdPassword = "bench bench bench"

func (b *bench) householdStudies() []study {
	return []study{
		{"hundred", "service", true, b.hundred},
		{"page", "service", true, b.page},
	}
}

// householdReady is what the role says when its phones are backed up.
type householdReady struct {
	URL      string        `json:"url"`
	UDID     string        `json:"udid"` // of the first phone
	Version  string        `json:"version"`
	Pair     time.Duration `json:"pair"`
	Backups  time.Duration `json:"backups"`
	Versions int           `json:"versions"`
}

// householdRole is a service for the phones at a muxer:
//
//	household ADDRESS DIR PHONES VERSIONS
//
// It pairs and backs up all of them, adds made-up phones until there are PHONES with
// VERSIONS versions, prints a line and serves until its standard input ends.
func householdRole(ctx context.Context, args []string) error {
	addr, err := usbmux.ParseAddress(args[0])
	if err != nil {
		return err
	}
	phones, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	versions, err := strconv.Atoi(args[3])
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fastest, err := repository.ParseCompression("fastest")
	if err != nil {
		return err
	}
	d, err := daemon.Open(ctx, daemon.Options{Data: filepath.Join(args[1], "service"), Mux: &usbmux.Client{Address: addr}, NoWiFi: true,
		Repository: repository.Options{Compression: fastest}, Origins: []string{fmt.Sprintf("http://localhost:%d", l.Addr().(*net.TCPAddr).Port)},
		Free: func(string) int64 { return -1 }, Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	served := make(chan error, 1)
	go func() { served <- d.Serve(ctx, l, nil, nil) }()
	h := &household{d: d, ready: householdReady{URL: "http://localhost:" + strconv.Itoa(l.Addr().(*net.TCPAddr).Port)}}
	err = h.live(ctx, filepath.Join(args[1], "backups"))
	if err == nil {
		err = h.fill(ctx, phones, versions)
	}
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(h.ready)
	}
	if err == nil {
		_, err = io.Copy(io.Discard, os.Stdin)
	}
	cancel()
	return errors.Join(err, <-served, d.Close())
}

type household struct {
	d     *daemon.Daemon
	owner int64
	ready householdReady
}

// live pairs every phone that is there, and waits until each was backed up.
func (h *household) live(ctx context.Context, place string) error {
	a, err := h.d.Auth.CreateFirst(ctx, "ada", "Ada", secret.NewText(householdPassword))
	if err != nil {
		return err
	}
	h.owner = a.ID
	who := service.Who{Account: a.ID, Name: a.Name, Admin: true}
	if _, err := h.d.Service.SetUp(ctx, who, place, secret.NewRepositoryPassword(householdPassword)); err != nil {
		return err
	}
	began := time.Now()
	udids := map[string]bool{}
	if err := await(ctx, 5*time.Minute, func() (bool, error) {
		o, err := h.d.Service.Overview(ctx, who)
		if err != nil {
			return false, err
		}
		for _, p := range o.Fresh {
			if p.Cable && p.IOS != "" && !udids[p.UDID] {
				udids[p.UDID] = true
				policy := schedule.Default()
				policy.OnConnect, policy.Media = true, false
				if err := h.d.Service.SetPolicy(ctx, who, p.UDID, policy); err != nil {
					return false, err
				}
				if _, err := h.d.Service.Pair(ctx, who, p.UDID); err != nil {
					return false, err
				}
			}
		}
		paired := 0
		for _, p := range o.Phones {
			if p.Paired {
				paired++
			}
		}
		return len(udids) > 0 && paired == len(udids) && len(o.Fresh) == 0, nil
	}); err != nil {
		return fmt.Errorf("pair: %w", err)
	}
	h.ready.Pair = time.Since(began)
	if err := await(ctx, 20*time.Minute, func() (bool, error) {
		for udid := range udids {
			vs, err := h.d.Service.Versions(ctx, who, udid)
			if err != nil || len(vs) == 0 || vs[0].Verified.IsZero() {
				return false, err
			}
			if h.ready.UDID == "" || udid <= h.ready.UDID {
				h.ready.UDID, h.ready.Version = udid, vs[0].ID
			}
		}
		return true, nil
	}); err != nil {
		return fmt.Errorf("back up: %w", err)
	}
	h.ready.Backups = time.Since(began)
	return nil
}

// fill adds phones and versions that were never there, as the catalog knows them.
func (h *household) fill(ctx context.Context, phones, versions int) error {
	now := time.Now()
	have, err := h.d.DB.Phones(ctx)
	if err != nil {
		return err
	}
	for n := len(have); n < phones; n++ {
		sum := sha256.Sum256(fmt.Append(nil, "phone", n))
		udid := fmt.Sprintf("00008101-%016X", sum[:8])
		if err := h.d.DB.UpdatePhone(ctx, udid, func(p *catalog.Phone) error {
			p.Owner, p.Name, p.ProductType, p.IOS, p.Paired = h.owner, fmt.Sprintf("Phone %d", n), "iPhone13,2", "18.6", true
			p.Policy, p.Battery, p.Capacity, p.Available = schedule.Default(), -1, 128e9, 40e9
			p.Usage = map[string]int64{"photos": 30e9, "apps": 20e9, "media": 8e9, "messages": 4e9}
			p.FirstSeen, p.LastSeen, p.LastContact = now.AddDate(0, -6, 0), now.AddDate(0, 0, -1), now.AddDate(0, 0, -1)
			return nil
		}); err != nil {
			return err
		}
		var all []catalog.Version
		for i := range versions / phones {
			id := sha256.Sum256(fmt.Append(nil, udid, i))
			at := now.Add(-time.Duration(i) * 36 * time.Hour)
			all = append(all, catalog.Version{UDID: udid, ID: hex.EncodeToString(id[:]), Time: at, Repository: "made", Name: fmt.Sprintf("Phone %d", n), IOS: "18.6",
				Files: 40_000, Size: 60e9, Added: 200e6, Encrypted: true, Verified: at, Copies: []string{"disk"}})
		}
		if err := h.d.DB.ReplaceVersions(ctx, udid, all); err != nil {
			return err
		}
		h.ready.Versions += len(all)
	}
	return nil
}

func await(ctx context.Context, longest time.Duration, ok func() (bool, error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, longest, errors.New("it took too long"))
	defer cancel()
	for {
		if is, err := ok(); is || err != nil {
			return err
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// startHousehold runs householdRole with phones of their own process.
func (b *bench) startHousehold(ctx context.Context, dir string, live int, profile string, phones, versions int) (ready householdReady, pid int, stop func() error, err error) {
	b.phase("household: making %d phones, profile %s", live, profile)
	p, stopPhones, err := b.startRole(ctx, "phones", filepath.Join(dir, "phones"), profile, strconv.Itoa(live))
	if err != nil {
		return ready, 0, nil, err
	}
	var at struct {
		Socket string `json:"socket"`
	}
	if err := json.Unmarshal(p.first, &at); err != nil {
		return ready, 0, nil, errors.Join(err, stopPhones())
	}
	b.phase("household: pairing them and backing them up")
	r, stopService, err := b.startRole(ctx, "household", at.Socket, dir, strconv.Itoa(phones), strconv.Itoa(versions))
	if err != nil {
		return ready, 0, nil, errors.Join(err, stopPhones())
	}
	stop = func() error { return errors.Join(stopService(), stopPhones()) }
	if err := json.Unmarshal(r.first, &ready); err != nil {
		return ready, 0, nil, errors.Join(err, stop())
	}
	return ready, r.pid, stop, nil
}

type startedRole struct {
	pid   int
	first []byte // its first line
}

func (b *bench) startRole(ctx context.Context, args ...string) (r startedRole, stop func() error, err error) {
	cmd := exec.CommandContext(ctx, b.self, args...)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return r, nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return r, nil, err
	}
	if err := cmd.Start(); err != nil {
		return r, nil, err
	}
	stop = func() error { return errors.Join(in.Close(), cmd.Wait()) }
	r.pid = cmd.Process.Pid
	if r.first, err = bufio.NewReader(out).ReadBytes('\n'); err != nil {
		return r, nil, errors.Join(fmt.Errorf("%s gave no ready line: %w", args[0], err), stop())
	}
	return r, stop, nil
}

// peak is the largest resident size of a process so far, in bytes.
func peak(pid int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	m := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(text)
	if m == nil {
		return 0, errors.New("the system does not say how much memory was used")
	}
	kib, err := strconv.ParseInt(string(m[1]), 10, 64)
	return kib << 10, err
}

// hundred shows the memory of a service that has a hundred phones to care for.
func (b *bench) hundred(ctx context.Context) error {
	n := max(2, int(manyPhones*b.scale))
	ready, pid, stop, err := b.startHousehold(ctx, filepath.Join(b.dir, "hundred"), n, "tiny", 0, 0)
	if err != nil {
		return err
	}
	rss, err := peak(pid)
	if err := errors.Join(err, stop()); err != nil {
		return err
	}
	fmt.Printf("\n## %d phones on one service\n\n| | |\n|---|---:|\n| all paired after | %.1f s |\n| all backed up, untouched, and verified after | %.1f s |\n| peak memory of the service (aim: 1 GiB) | %.0f MiB |\n",
		n, ready.Pair.Seconds(), ready.Backups.Seconds(), float64(rss)/(1<<20))
	return nil
}

// page shows how long the pages of a large household take.
func (b *bench) page(ctx context.Context) error {
	ready, pid, stop, err := b.startHousehold(ctx, filepath.Join(b.dir, "page"), 1, pagePhotos, pagePhones, pageVersions)
	if err != nil {
		return err
	}
	rows, err := b.visit(ctx, ready)
	rss, perr := peak(pid)
	if err := errors.Join(err, perr, stop()); err != nil {
		return err
	}
	fmt.Printf("\n## Pages: %d phones, %d versions, one of them with 100,000 photos\n\n| page | median | 95th percentile (aim: 100 ms) | bytes |\n|---|---:|---:|---:|\n%s\nPeak memory of the service: %.0f MiB.\n",
		pagePhones, ready.Versions+1, rows, float64(rss)/(1<<20))
	return nil
}

// visit asks for every page a hundred times, after once.
func (b *bench) visit(ctx context.Context, ready householdReady) (string, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return "", err
	}
	c := &http.Client{Jar: jar, Timeout: time.Minute}
	defer c.CloseIdleConnections()
	form := url.Values{"login": {"ada"}, "password": {householdPassword}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, ready.URL+"/signin", strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", ready.URL)
	if _, _, err := fetch(c, req); err != nil {
		return "", fmt.Errorf("sign in: %w", err)
	}
	phone := "/phones/" + ready.UDID
	version := phone + "/versions/" + ready.Version
	pages := [][2]string{{"home", "/"}, {"a phone", phone}, {"its history", phone + "/history"}, {"a version", version}, {"its camera roll", version + "?" + url.Values{"path": {"CameraRollDomain/Media/DCIM/100APPLE"}}.Encode()},
		{"its photos, the newest", version + "/content/photos"}, {"its photos, far back", version + "/content/photos?skip=60000"}, {"its messages", version + "/content/messages"}, {"activity", "/activity"}, {"copies", "/targets"}, {"settings", "/settings"}}
	var rows strings.Builder
	for _, p := range pages {
		var took []time.Duration
		size := 0
		for i := range 101 {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, ready.URL+p[1], nil)
			if err != nil {
				return "", err
			}
			d, n, err := fetch(c, req)
			if err != nil {
				return "", fmt.Errorf("%s: %w", p[0], err)
			}
			if i == 0 {
				b.phase("page: %s, the first time: %v", p[0], d.Round(time.Millisecond/10))
				continue
			}
			took, size = append(took, d), n
		}
		slices.Sort(took)
		fmt.Fprintf(&rows, "| %s | %.1f ms | %.1f ms | %d |\n", p[0], ms(took[len(took)/2]), ms(took[len(took)*95/100]), size)
	}
	return rows.String(), nil
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// fetch asks, reads all, and tells how long that took.
func fetch(c *http.Client, req *http.Request) (time.Duration, int, error) {
	began := time.Now()
	resp, err := c.Do(req)
	if err != nil {
		return 0, 0, err
	}
	defer resp.Body.Close()
	n, err := io.Copy(io.Discard, resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s", resp.Status)
	}
	return time.Since(began), int(n), err
}
