package virtualphone

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"

	"github.com/keepsake-backup/keepsake/virtualphone/internal/state"
)

// ErrNotRunning says that a command needs the phone's process, and there is
// none.
var ErrNotRunning = errors.New("the virtual phone is not running")

// Control is a remote control of a phone, for `keepsake virtual ctl`. When a
// process runs the phone, Control asks that process; otherwise Use, Erase,
// Digest and Set work on the folder itself. A lock on the folder keeps the two
// apart.
type Control struct {
	dir, udid string
}

// controlFile holds where the process listens, and the token that it wants
// (mode 0600: whoever may read the folder may control the phone).
const controlFile = "control.json"

type controlAddress struct {
	Address string `json:"address"`
	Token   string `json:"token"`
}

// OpenControl finds a phone in a state folder. udid may be empty when the
// folder holds only one.
func OpenControl(dir, udid string) (*Control, error) {
	single, err := state.Exists(dir)
	if err != nil {
		return nil, err
	}
	if !single {
		udids, err := phoneFolders(dir)
		switch {
		case err != nil:
			return nil, fmt.Errorf("control phone: %w", err)
		case len(udids) == 0:
			return nil, fmt.Errorf("control phone: no virtual phone in %s", dir)
		case udid == "" && len(udids) > 1:
			return nil, fmt.Errorf("control phone: %s holds %d phones: say which by its UDID", dir, len(udids))
		case udid == "":
			udid = udids[0]
		case !state.ValidUDID(udid):
			return nil, fmt.Errorf("control phone: %q is no UDID", udid)
		}
		dir = filepath.Join(dir, udid)
	}
	st, err := state.Load(dir)
	if err != nil {
		return nil, fmt.Errorf("control phone: %w", err)
	}
	if have := st.Identity().UDID; udid != "" && udid != have {
		return nil, fmt.Errorf("control phone: %s holds %s", dir, have)
	}
	return &Control{dir, st.Identity().UDID}, nil
}

// UDID of the phone.
func (c *Control) UDID() string { return c.udid }

// Use lets the phone live for some days and tells what changed.
func (c *Control) Use(ctx context.Context, days int) (Changes, error) {
	var changes Changes
	err := c.do(ctx, "use", controlRequest{Days: days}, decodeInto(&changes), func(st *state.Phone) (err error) {
		changes, err = use(ctx, st, days)
		return err
	})
	return changes, err
}

// Erase resets the phone; a running one restarts.
func (c *Control) Erase(ctx context.Context) error {
	return c.do(ctx, "erase", controlRequest{}, nil, erase)
}

// Digest writes "sha256  Domain/path" lines for all that a backup must bring
// back.
func (c *Control) Digest(ctx context.Context, w io.Writer) error {
	return c.do(ctx, "digest", controlRequest{}, func(r io.Reader) error {
		_, err := io.Copy(w, r)
		return err
	}, func(st *state.Phone) error { return digest(ctx, st, w) })
}

// Set changes settings, KEY=VALUE as SettingsHelp lists them: all or none.
func (c *Control) Set(ctx context.Context, pairs ...string) error {
	return c.do(ctx, "set", controlRequest{Settings: pairs}, nil, func(st *state.Phone) error {
		return applySettings(st, pairs)
	})
}

// FinishSetup goes through the set-up screens to the end.
func (c *Control) FinishSetup(ctx context.Context) error {
	return c.Set(ctx, "setup="+string(state.SetupDone))
}

// Unplug pulls the cable of a running phone.
func (c *Control) Unplug(ctx context.Context) error {
	return c.running(ctx, "unplug", controlRequest{})
}

// Plug puts it in again.
func (c *Control) Plug(ctx context.Context) error { return c.running(ctx, "plug", controlRequest{}) }

// Reboot restarts a running phone and waits until it is back.
func (c *Control) Reboot(ctx context.Context) error {
	return c.running(ctx, "reboot", controlRequest{})
}

// Notify posts a notification on a running phone, such as
// com.apple.itunes-client.syncCancelRequest: the owner cancels a backup.
func (c *Control) Notify(ctx context.Context, name string) error {
	return c.running(ctx, "notify", controlRequest{Name: name})
}

// AddFaults arms faults, as ParseFaults reads them, on a running phone.
func (c *Control) AddFaults(ctx context.Context, specs string) error {
	return c.running(ctx, "faults", controlRequest{Faults: specs})
}

// ClearFaults disarms them.
func (c *Control) ClearFaults(ctx context.Context) error {
	return c.running(ctx, "clear-faults", controlRequest{})
}

// Status describes the phone.
func (c *Control) Status(ctx context.Context) (Status, error) {
	var s Status
	err := c.do(ctx, "status", controlRequest{}, decodeInto(&s), func(st *state.Phone) error {
		s = statusOf(st)
		return nil
	})
	return s, err
}

// Status is what Control.Status tells.
type Status struct {
	UDID      string `json:"udid"`
	Name      string `json:"name"`
	IOS       string `json:"ios"`
	Running   bool   `json:"running"`
	Attached  bool   `json:"attached"` // by cable
	Network   bool   `json:"network"`  // on Wi-Fi
	Setup     string `json:"setup"`
	Lock      string `json:"lock"`
	Passcode  string `json:"passcode"`
	Trust     string `json:"trust"`
	Pairings  int    `json:"pairings"`
	Encrypted bool   `json:"encrypted"` // backups are
}

func statusOf(st *state.Phone) Status {
	set := st.Settings()
	return Status{
		UDID: st.Identity().UDID, Name: set.DeviceName, IOS: set.IOS, Setup: string(set.Setup), Lock: string(set.Lock),
		Passcode: set.Passcode, Trust: set.Trust, Pairings: st.Pairings(), Encrypted: !st.BackupPassword().IsZero(),
	}
}

func decodeInto(v any) func(io.Reader) error {
	return func(r io.Reader) error { return json.NewDecoder(r).Decode(v) }
}

// running is do for what only a process can carry out.
func (c *Control) running(ctx context.Context, op string, req controlRequest) error {
	return c.do(ctx, op, req, nil, func(*state.Phone) error { return ErrNotRunning })
}

// do works on the folder when it is free, and asks its process otherwise.
func (c *Control) do(ctx context.Context, op string, req controlRequest, read func(io.Reader) error, direct func(*state.Phone) error) (err error) {
	lock, err := state.Acquire(c.dir)
	if errors.Is(err, state.ErrInUse) {
		if err := c.ask(ctx, op, req, read); err != nil {
			return fmt.Errorf("control phone: %w", err)
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("control phone: %w", err)
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	st, err := state.Load(c.dir)
	if err != nil {
		return fmt.Errorf("control phone: %w", err)
	}
	return direct(st)
}

// controlRequest is the body of every request.
type controlRequest struct {
	Days     int      `json:"days,omitempty"`
	Settings []string `json:"settings,omitempty"`
	Name     string   `json:"name,omitempty"`
	Faults   string   `json:"faults,omitempty"`
}

// errorTrailer carries what went wrong after an answer had begun.
const errorTrailer = "X-Keepsake-Error"

func (c *Control) ask(ctx context.Context, op string, body controlRequest, read func(io.Reader) error) error {
	b, err := os.ReadFile(filepath.Join(c.dir, controlFile))
	if err != nil {
		return fmt.Errorf("%s: the folder is in use, but not by a running phone: %w", op, err)
	}
	var to controlAddress
	if err := json.Unmarshal(b, &to); err != nil {
		return fmt.Errorf("read %s: %w", controlFile, err)
	}
	if b, err = json.Marshal(body); err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+to.Address+"/"+c.udid+"/"+op, bytes.NewReader(b))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+to.Token)
	// A transport of its own: nothing to keep alive, no proxy in between.
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
		return errors.Join(err, fmt.Errorf("%s: %s", op, bytes.TrimSpace(text)))
	}
	if read != nil {
		if err := read(resp.Body); err != nil {
			return fmt.Errorf("%s: read answer: %w", op, err)
		}
	}
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return fmt.Errorf("%s: read answer: %w", op, err)
	}
	if text := resp.Trailer.Get(errorTrailer); text != "" {
		return fmt.Errorf("%s: %s", op, text)
	}
	return nil
}
