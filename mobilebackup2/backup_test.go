package mobilebackup2_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keepsake-backup/keepsake/devicelink"
	"github.com/keepsake-backup/keepsake/internal/framing"
	"github.com/keepsake-backup/keepsake/internal/plist"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/mobilebackup2"
	"github.com/keepsake-backup/keepsake/mobilebackup2/dirstore"
	"github.com/keepsake-backup/keepsake/mobilebackup2/storetest"
)

func fileID(i int) string { return fmt.Sprintf("%02x%038x", i%256, i) }

func staged(i int) string { return udid + "/Snapshot/" + fileID(i)[:2] + "/" + fileID(i) }
func final(i int) string  { return udid + "/" + fileID(i)[:2] + "/" + fileID(i) }

// log is an Observer that remembers.
type log struct {
	phases  []mobilebackup2.Phase
	percent float64
	files   []string
	bytes   int64
	errs    []string
	moved   int
	removed int
}

func (l *log) Phase(p mobilebackup2.Phase)    { l.phases = append(l.phases, p) }
func (l *log) Progress(f float64)             { l.percent = f }
func (l *log) FileBegin(f mobilebackup2.File) { l.files = append(l.files, f.Path) }
func (l *log) FileBytes(n int64)              { l.bytes += n }
func (l *log) Moved(n int)                    { l.moved += n }
func (l *log) Removed(n int)                  { l.removed += n }
func (l *log) FileEnd(f mobilebackup2.File, size int64, err error) {
	if err != nil {
		l.errs = append(l.errs, err.Error())
	}
}

// firstBackup is the sequence of protocol.md 4.14, in short.
func firstBackup(p *phone) {
	if p.request["MessageName"] != "Backup" || p.request["TargetIdentifier"] != udid || p.request["SourceIdentifier"] != udid || p.request["Options"] != nil {
		p.Errorf("request %v", p.request)
	}
	got, payload := p.download(devicelink.StatusMulti, udid+"/Status.plist")
	if diff := cmp.Diff(map[string]string{udid + "/Status.plist": "!No such file or directory"}, got); diff != "" {
		p.Error(diff)
	}
	want := map[string]any{udid + "/Status.plist": map[string]any{"DLFileErrorString": "No such file or directory", "DLFileErrorCode": int64(-6)}}
	if diff := cmp.Diff(any(want), payload); diff != "" {
		p.Error(diff)
	}
	if n, ok := p.ask(devicelink.StatusOK, devicelink.GetFreeDiskSpace).(uint64); !ok || n == 0 {
		p.Errorf("free space is no integer")
	}
	if m, ok := p.ask(devicelink.StatusError, devicelink.PurgeDiskSpace, 26418026591, 4).(map[string]any); !ok || len(m) != 0 {
		p.Error("purge: no empty dictionary")
	}
	p.ask(devicelink.StatusOK, devicelink.CreateDirectory, udid, map[string]any{}, 0.0)
	p.ask(devicelink.StatusExists, devicelink.CreateDirectory, udid, map[string]any{}, 0.0)
	for i := range 10 {
		p.ask(devicelink.StatusOK, devicelink.CreateDirectory, fmt.Sprintf("%s/Snapshot/%02x", udid, i), map[string]any{}, 0.0)
		p.ask(devicelink.StatusOK, devicelink.CreateDirectory, fmt.Sprintf("%s/%02x", udid, i), map[string]any{}, 0.0)
	}
	p.upload(devicelink.StatusOK, udid+"/Status.plist", statusPlist(p, "uploading"))
	p.upload(devicelink.StatusOK, staged(0), "zero", staged(1), "!Input/output error (5)", staged(2), strings.Repeat("two", 300000))
	p.upload(devicelink.StatusOK, staged(3), "", staged(4), "four")
	p.upload(devicelink.StatusOK, udid+"/Snapshot/Manifest.plist", "mplist")
	p.upload(devicelink.StatusOK, udid+"/Snapshot/Manifest.db", "mdb")
	p.upload(devicelink.StatusOK, udid+"/Status.plist", statusPlist(p, "moving"))
	moves := map[string]any{}
	for _, i := range []int{0, 2, 3, 4} {
		moves[staged(i)] = final(i)
	}
	p.ask(devicelink.StatusOK, devicelink.MoveItems, moves, map[string]any{}, 80.0)
	p.ask(devicelink.StatusOK, devicelink.MoveItems, map[string]any{udid + "/Snapshot/Manifest.plist": udid + "/Manifest.plist"}, map[string]any{}, 80.0)
	p.ask(devicelink.StatusOK, devicelink.MoveItems, map[string]any{udid + "/Snapshot/Manifest.db": udid + "/Manifest.db"}, map[string]any{}, 80.0)
	p.upload(devicelink.StatusOK, udid+"/Status.plist", statusPlist(p, "removing"))
	p.ask(devicelink.StatusOK, devicelink.RemoveItems, []any{udid + "/Snapshot"}, map[string]any{}, 90.0)
	p.ask(devicelink.StatusOK, devicelink.RemoveItems, []any{udid + "/Manifest.mbdx"}, map[string]any{}, 90.0)
	p.upload(devicelink.StatusOK, udid+"/Status.plist", statusPlist(p, "finished"))
	got, _ = p.download(devicelink.StatusOK, udid+"/Status.plist", udid+"/Manifest.plist", udid+"/Manifest.db")
	if got[udid+"/Manifest.db"] != "mdb" || got[udid+"/Status.plist"] != statusPlist(p, "finished") {
		p.Errorf("verification got %q", got)
	}
	if list := p.ask(devicelink.StatusOK, devicelink.ContentsOfDirectory, udid+"/02", map[string]any{}, 95.0).(map[string]any); len(list) != 1 {
		p.Errorf("listing %v", list)
	} else {
		e := list[fileID(2)].(map[string]any)
		if _, ok := e["DLFileModificationDate"].(time.Time); !ok || e["DLFileSize"] != uint64(900000) || e["DLFileType"] != "DLFileTypeRegular" {
			p.Errorf("entry %v", e)
		}
	}
	if list := p.ask(devicelink.StatusOK, devicelink.ContentsOfDirectory, udid+"/none", map[string]any{}, 95.0).(map[string]any); len(list) != 0 {
		p.Errorf("missing folder lists %v", list)
	}
	p.respond(0, "")
}

func TestBackup_first(t *testing.T) {
	dir := t.TempDir()
	for name, store := range map[string]mobilebackup2.Store{"memory": &storetest.Memory{}, "dirstore": openDir(t, dir)} {
		t.Run(name, func(t *testing.T) {
			obs := &log{}
			c := play(t, firstBackup)
			sum, err := c.Backup(t.Context(), job, mobilebackup2.BackupOptions{}, store, obs)
			if err != nil {
				t.Fatal(err)
			}
			if sum.Files != 4 || sum.Moved != 6 || sum.Removed != 2 || len(sum.Unread) != 1 || sum.Unread[0].Text != "Input/output error (5)" {
				t.Errorf("summary %+v", sum)
			}
			want := []mobilebackup2.Phase{"waiting", "preparing", "receiving", "moving", "removing", "verifying"}
			if diff := cmp.Diff(want, obs.phases); diff != "" {
				t.Error(diff)
			}
			if len(obs.files) != 5 || len(obs.errs) != 1 || obs.moved != 6 || obs.removed != 2 || obs.percent != 97.010055 || obs.bytes < 900000 {
				t.Errorf("observed %+v", obs)
			}
		})
	}
	if got := tree(t, filepath.Join(dir, udid)); !slices.Equal(got, []string{"00/" + fileID(0), "02/" + fileID(2), "03/" + fileID(3), "04/" + fileID(4), "Manifest.db", "Manifest.plist", "Status.plist"}) {
		t.Errorf("folder holds %q", got)
	}
}

func openDir(t testing.TB, dir string) *dirstore.Store {
	t.Helper()
	s, err := dirstore.Open(dir, dirstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func tree(t *testing.T, dir string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(p string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			rel, _ := filepath.Rel(dir, p)
			files = append(files, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestBackup_forceFull(t *testing.T) {
	c := play(t, func(p *phone) {
		if diff := cmp.Diff(any(map[string]any{"ForceFullBackup": true}), p.request["Options"]); diff != "" {
			p.Error(diff)
		}
		p.upload(devicelink.StatusOK, udid+"/Status.plist", statusPlist(p, "finished"))
		p.respond(0, "")
	})
	if _, err := c.Backup(t.Context(), job, mobilebackup2.BackupOptions{ForceFull: true}, &storetest.Memory{}, nil); err != nil {
		t.Error(err)
	}
}

func TestBackup_phoneSaysNo(t *testing.T) {
	for code, text := range map[int]string{
		208: "Device locked (MBErrorDomain/208)",
		212: "Unable to backup until Setup is finished (MBErrorDomain/212)",
		105: "Insufficient free disk space on drive to back up (MBErrorDomain/105)",
		202: "Cancelled (MBErrorDomain/202)",
		38:  "",
	} {
		c := play(t, func(p *phone) { p.respond(code, text) })
		_, err := c.Backup(t.Context(), job, mobilebackup2.BackupOptions{}, &storetest.Memory{}, nil)
		var refusal *mobilebackup2.DeviceError
		if !errors.As(err, &refusal) || int(refusal.Code) != code || !errors.Is(err, &mobilebackup2.DeviceError{Code: mobilebackup2.Code(code)}) {
			t.Errorf("%d: %v", code, err)
		} else if refusal.Hint() == "" && code != 38 {
			t.Errorf("%d has no hint", code)
		}
	}
}

func TestBackup_unfinished(t *testing.T) {
	for name, status := range map[string]string{"none": "", "uploading": statusPlist(t, "uploading"), "garbage": "garbage"} {
		store := &storetest.Memory{}
		c := play(t, func(p *phone) {
			if status != "" {
				p.upload(devicelink.StatusOK, udid+"/Status.plist", status)
			}
			p.respond(0, "")
		})
		_, err := c.Backup(t.Context(), job, mobilebackup2.BackupOptions{}, store, nil)
		var unfinished *mobilebackup2.UnfinishedError
		if !errors.As(err, &unfinished) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestBackup_hostFails(t *testing.T) {
	for _, c := range []struct {
		err  error
		want devicelink.Status
		code int
	}{
		{syscall.ENOSPC, devicelink.StatusNoSpace, 105},
		{syscall.EIO, devicelink.StatusIO, 104},
		{syscall.EACCES, devicelink.StatusError, 104},
		{syscall.EROFS, devicelink.StatusError, 104},
	} {
		t.Run(c.err.Error(), func(t *testing.T) {
			store := &storetest.Memory{Fail: func(op, path string) error {
				if op == "put" && path == staged(1) {
					return c.err
				}
				return nil
			}}
			client := play(t, func(p *phone) {
				text := p.upload(c.want, staged(0), "zero", staged(1), strings.Repeat("one", 100000), staged(2), "two")
				if strings.Contains(text, udid) || text == "" {
					p.Errorf("text %q", text)
				}
				p.respond(c.code, fmt.Sprintf("Multiple errors uploading files (MBErrorDomain/%d)", c.code))
			})
			_, err := client.Backup(t.Context(), job, mobilebackup2.BackupOptions{}, store, nil)
			var host *mobilebackup2.HostError
			var device *mobilebackup2.DeviceError
			if !errors.Is(err, c.err) || !errors.As(err, &host) || host.Path != staged(1) || host.Hint() == "" || !errors.As(err, &device) {
				t.Errorf("err = %v", err)
			}
			if !strings.HasPrefix(err.Error(), "write "+staged(1)+": "+c.err.Error()+"; then: ") {
				t.Errorf("the cause does not come first: %v", err)
			}
		})
	}
}

// Each kind of request that the store refuses gets the status of the table.
func TestBackup_hostFailsElsewhere(t *testing.T) {
	var fail error
	store := &storetest.Memory{Fail: func(op, path string) error {
		if op != "put" {
			return fail
		}
		return nil
	}}
	c := play(t, func(p *phone) {
		fail = syscall.EACCES
		p.ask(devicelink.StatusError, devicelink.CreateDirectory, udid+"/x")
		fail = syscall.EIO
		p.ask(devicelink.StatusIO, devicelink.ContentsOfDirectory, udid+"/x")
		p.ask(devicelink.StatusIO, devicelink.MoveItems, map[string]any{udid + "/a": udid + "/b"})
		p.ask(devicelink.StatusIO, devicelink.RemoveItems, []any{udid + "/a"})
		p.ask(devicelink.StatusIO, devicelink.GetFreeDiskSpace)
		got, _ := p.download(devicelink.StatusMulti, udid+"/Manifest.plist", udid+"/Manifest.db")
		if len(got) != 2 || got[udid+"/Manifest.db"] != "!Input/output error" {
			p.Errorf("download %q", got)
		}
		fail = syscall.ENOTDIR
		p.ask(devicelink.StatusNotDirectory, devicelink.CreateDirectory, udid+"/x/y")
		fail = nil
		p.ask(devicelink.StatusNotFound, devicelink.MoveItems, map[string]any{udid + "/none": udid + "/b"})
		p.ask(devicelink.StatusError, devicelink.CopyItem, udid, udid+"-20260101-000000", map[string]any{}, 0.0, 0)
		p.respond(104, "x")
	})
	_, err := c.Backup(t.Context(), job, mobilebackup2.BackupOptions{}, store, nil)
	if !errors.Is(err, syscall.EACCES) {
		t.Errorf("err = %v, want the first failure", err)
	}
}

func TestBackup_badPaths(t *testing.T) {
	for _, bad := range []string{
		"../evil", udid + "/../evil", "/etc/passwd", udid + "/a\x00b", udid + `\..\evil`, udid + "//x", udid + "/", udid + "/.", "other/x", ".", "",
		udid + "/" + strings.Repeat("x", 5000), udid + "-20260101-00000x/x", udid + "x/y",
	} {
		t.Run(fmt.Sprintf("%.30q", bad), func(t *testing.T) {
			dir := t.TempDir()
			for name, script := range map[string]func(p *phone){
				"upload": func(p *phone) {
					p.upload(devicelink.StatusError, staged(0), "fine", bad, "evil", staged(1), "not any more")
				},
				"download": func(p *phone) {
					got, _ := p.download(devicelink.StatusMulti, bad, udid+"/Status.plist")
					if len(got) > 0 && bad != "" && !strings.HasPrefix(got[bad], "!") {
						p.Errorf("got %q", got)
					}
				},
				"mkdir":     func(p *phone) { p.ask(devicelink.StatusError, devicelink.CreateDirectory, bad) },
				"list":      func(p *phone) { p.ask(devicelink.StatusError, devicelink.ContentsOfDirectory, bad) },
				"remove":    func(p *phone) { p.ask(devicelink.StatusError, devicelink.RemoveItems, []any{bad}) },
				"move":      func(p *phone) { p.ask(devicelink.StatusError, devicelink.MoveItems, map[string]any{staged(0): bad}) },
				"move from": func(p *phone) { p.ask(devicelink.StatusError, devicelink.MoveItems, map[string]any{bad: final(0)}) },
			} {
				if bad == "" && (name == "upload" || name == "download") {
					continue // no frame can carry it
				}
				store := openDir(t, dir)
				c := play(t, func(p *phone) {
					script(p)
					p.upload(devicelink.StatusError, staged(7), "late")
					p.respond(104, "Multiple errors uploading files (MBErrorDomain/104)")
				})
				_, err := c.Backup(t.Context(), job, mobilebackup2.BackupOptions{}, store, nil)
				var refused *mobilebackup2.PathError
				if !errors.As(err, &refused) || refused.Path != bad || refused.Hint() == "" {
					t.Errorf("%s: %v", name, err)
				}
			}
			for _, f := range tree(t, dir) {
				if f != staged(0) && !strings.HasSuffix(f, ".lock") {
					t.Errorf("left %s", f)
				}
			}
		})
	}
}

func TestBackup_goodPaths(t *testing.T) {
	for _, good := range []string{udid, udid + "/Status.plist", udid + "-20260102-030405/Info.plist", "_unback_/var/mobile", "source/ab/x", udid + "/a:b", udid + "/..."} {
		if reason := mobilebackup2.CheckPath(good, udid, "source", "_unback_"); reason != "" {
			t.Errorf("%s: %s", good, reason)
		}
	}
}

func TestBackup_unknownMessages(t *testing.T) {
	c := play(t, func(p *phone) {
		p.send(devicelink.Ping, "are you there")
		p.ask(devicelink.StatusError, "DLMessageFromTheFuture", 1, 2)
		p.upload(devicelink.StatusOK, udid+"/Status.plist", statusPlist(p, "finished"))
		p.respond(0, "")
	})
	if _, err := c.Backup(t.Context(), job, mobilebackup2.BackupOptions{}, &storetest.Memory{}, nil); err != nil {
		t.Error(err)
	}
	for name, script := range map[string]func(p *phone){
		"malformed request": func(p *phone) { p.ask(devicelink.StatusInvalidParameter, devicelink.MoveItems, 7); p.receive() },
		"no property list":  func(p *phone) { p.raw(frame("hello")); p.status(devicelink.StatusInvalidParameter); p.receive() },
		"4 GiB message":     func(p *phone) { p.raw("\xff\xff\xff\xff"); p.receive(); p.receive() },
		"no ErrorCode": func(p *phone) {
			p.send(devicelink.ProcessMessage, map[string]any{"MessageName": "Response"})
			p.receive()
		},
		"bad batch": func(p *phone) { p.send(devicelink.UploadFiles); p.raw(frame("/d") + frame()); p.receive() },
	} {
		c := play(t, script)
		_, err := c.Backup(t.Context(), job, mobilebackup2.BackupOptions{}, &storetest.Memory{}, nil)
		var protocol *devicelink.ProtocolError
		if !errors.As(err, &protocol) && !errors.Is(err, plist.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The connection breaks in every phase; the part of a file that came is dropped.
func TestBackup_cut(t *testing.T) {
	for name, script := range map[string]func(p *phone){
		"waiting":          func(p *phone) {},
		"between messages": func(p *phone) { p.upload(devicelink.StatusOK, staged(0), "zero") },
		"in a message":     func(p *phone) { p.raw("\x00\x00\x01\x00bplist00") },
		"in a path":        func(p *phone) { p.send(devicelink.UploadFiles); p.raw(frame("/dev")[:6]) },
		"in a small file": func(p *phone) {
			p.send(devicelink.UploadFiles)
			p.raw(frame("/d") + frame(staged(1)) + frame("\x0cabcdef")[:8])
		},
		"in a large file": func(p *phone) {
			p.send(devicelink.UploadFiles)
			p.raw(frame("/d") + frame(staged(1)) + frame("\x0c", strings.Repeat("x", 1<<20))[:900000])
		},
		"between two files": func(p *phone) {
			p.send(devicelink.UploadFiles)
			p.raw(frame("/d") + frame(staged(0)) + frame("\x0cx") + frame("\x00"))
		},
		"while we send": func(p *phone) { p.send(devicelink.DownloadFiles, []any{udid + "/big"}) },
		"goodbye":       func(p *phone) { p.send(devicelink.Disconnect, "cancelled by the user") },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if name == "while we send" {
				if err := os.MkdirAll(filepath.Join(dir, udid), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, udid, "big"), make([]byte, 32<<20), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			c := play(t, script)
			_, err := c.Backup(t.Context(), job, mobilebackup2.BackupOptions{}, openDir(t, dir), nil)
			var link *mobilebackup2.LinkError
			if !errors.As(err, &link) || link.Hint() == "" {
				t.Errorf("err = %v", err)
			}
			for _, f := range tree(t, dir) {
				if f != staged(0) && !strings.HasSuffix(f, "big") {
					t.Errorf("left %s", f)
				}
			}
		})
	}
}

func TestBackup_silence(t *testing.T) {
	short := job
	short.Limits = mobilebackup2.Limits{First: 60 * time.Millisecond, Silence: 60 * time.Millisecond, Transfer: 60 * time.Millisecond, Farewell: 50 * time.Millisecond}
	for name, c := range map[string]struct {
		script func(p *phone)
		phase  mobilebackup2.Phase
	}{
		"waiting":  {func(p *phone) { p.receive() }, mobilebackup2.Waiting},
		"between":  {func(p *phone) { p.ask(0, devicelink.GetFreeDiskSpace); p.receive() }, mobilebackup2.Preparing},
		"transfer": {func(p *phone) { p.send(devicelink.UploadFiles); p.raw(frame("/d") + frame(staged(1))); p.receive() }, mobilebackup2.Receiving},
	} {
		client := play(t, c.script)
		_, err := client.Backup(t.Context(), short, mobilebackup2.BackupOptions{}, &storetest.Memory{}, nil)
		var link *mobilebackup2.LinkError
		var stalled *framing.StalledError
		if !errors.As(err, &link) || link.Phase != c.phase || !errors.As(err, &stalled) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Cancelling ends every phase at once, tells the phone, and leaves no goroutine.
func TestBackup_cancel(t *testing.T) {
	cause := errors.New("cancelled for the test")
	for name, script := range map[string]func(p *phone){
		"waiting":   func(p *phone) {},
		"preparing": func(p *phone) { p.ask(0, devicelink.GetFreeDiskSpace) },
		"small file": func(p *phone) {
			p.send(devicelink.UploadFiles)
			p.raw(frame("/d") + frame(staged(1)) + frame("\x0cabc"))
		},
		"large file": func(p *phone) {
			p.send(devicelink.UploadFiles)
			p.raw(frame("/d") + frame(staged(1)) + frame("\x0c", strings.Repeat("x", 1<<20)))
		},
		"after moves": func(p *phone) {
			p.upload(0, staged(0), "x")
			p.ask(0, devicelink.MoveItems, map[string]any{staged(0): final(0)})
		},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			c := play(t, func(p *phone) {
				script(p)
				time.Sleep(20 * time.Millisecond)
				cancel(cause)
				if m := p.receive(); len(m) == 0 || m[0] != devicelink.Disconnect {
					p.Errorf("phone: got %v, want a disconnect", m)
				}
			})
			begin := time.Now()
			_, err := c.Backup(ctx, job, mobilebackup2.BackupOptions{}, openDir(t, t.TempDir()), nil)
			if err != cause {
				t.Errorf("err = %v", err)
			}
			if d := time.Since(begin); d > 3*time.Second {
				t.Errorf("took %s", d)
			}
		})
	}
	t.Run("while we send", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		store := &storetest.Memory{Files: map[string][]byte{udid + "/big": make([]byte, 64<<20)}}
		c := play(t, func(p *phone) {
			p.send(devicelink.DownloadFiles, []any{udid + "/big"})
			time.Sleep(50 * time.Millisecond)
			cancel(cause)
			time.Sleep(200 * time.Millisecond)
		})
		if _, err := c.Restore(ctx, job, mobilebackup2.RestoreOptions{}, store, nil); err != cause {
			t.Errorf("err = %v", err)
		}
	})
}

func TestRestore(t *testing.T) {
	yes, no := true, false
	store := &storetest.Memory{Files: map[string][]byte{
		"source/Status.plist": []byte("s"), "source/Manifest.db": []byte("db"), "source/ab/1": []byte(strings.Repeat("x", 100000)), "source/ab/2": nil,
	}}
	obs := &log{}
	c := play(t, func(p *phone) {
		want := map[string]any{"MessageName": "Restore", "TargetIdentifier": udid, "SourceIdentifier": "source",
			"Options": map[string]any{"RestoreSystemFiles": true, "RemoveItemsNotRestored": false, "Password": "pw"}}
		if diff := cmp.Diff(want, p.request); diff != "" {
			p.Error(diff)
		}
		p.download(0, "source/Status.plist", "source/Manifest.db")
		got, _ := p.download(0, "source/ab/1", "source/ab/2")
		if len(got["source/ab/1"]) != 100000 || len(got) != 2 {
			p.Error("contents differ")
		}
		if got, _ := p.download(0); len(got) != 0 {
			p.Error("an empty list gave files")
		}
		p.respond(0, "")
	})
	j := job
	j.Source = "source"
	sum, err := c.Restore(t.Context(), j, mobilebackup2.RestoreOptions{SystemFiles: &yes, RemoveItemsNotRestored: &no, Password: "pw"}, store, obs)
	if err != nil || sum.Files != 2 || sum.Bytes != 100003 {
		t.Errorf("%+v, %v", sum, err)
	}
	if diff := cmp.Diff([]mobilebackup2.Phase{"waiting", "preparing", "sending"}, obs.phases); diff != "" {
		t.Error(diff)
	}
}

func TestRestore_missingFiles(t *testing.T) {
	c := play(t, func(p *phone) {
		got, _ := p.download(devicelink.StatusMulti, udid+"/ab/1", udid+"/ab/2", udid+"/ab/3")
		if len(got) != 3 || got[udid+"/ab/2"] != "there" {
			p.Errorf("got %q", got)
		}
		p.respond(205, "Multiple errors downloading files (MBErrorDomain/205)")
	})
	store := &storetest.Memory{Files: map[string][]byte{udid + "/ab/2": []byte("there")}}
	_, err := c.Restore(t.Context(), job, mobilebackup2.RestoreOptions{}, store, nil)
	var missing *mobilebackup2.MissingFilesError
	if !errors.As(err, &missing) || missing.Count != 2 || !errors.Is(err, &mobilebackup2.DeviceError{Code: 205}) {
		t.Errorf("err = %v", err)
	}
}

// A file that cannot be read to its end is reported, and the others follow.
func TestRestore_readFails(t *testing.T) {
	c := play(t, func(p *phone) {
		got, payload := p.download(devicelink.StatusMulti, udid+"/ab/1", udid+"/ab/2")
		if !strings.HasPrefix(got[udid+"/ab/1"], "!Input") && !strings.HasPrefix(got[udid+"/ab/1"], "!input") || got[udid+"/ab/2"] != "good" {
			p.Errorf("got %.60q", got)
		}
		if m := payload.(map[string]any)[udid+"/ab/1"].(map[string]any); m["DLFileErrorCode"] != int64(-11) {
			p.Errorf("payload %v", payload)
		}
		p.respond(103, "x (MBErrorDomain/103)")
	})
	store := brokenReads{&storetest.Memory{Files: map[string][]byte{udid + "/ab/1": []byte("bad"), udid + "/ab/2": []byte("good")}}}
	_, err := c.Restore(t.Context(), job, mobilebackup2.RestoreOptions{}, store, nil)
	var host *mobilebackup2.HostError
	if !errors.As(err, &host) || host.Op != "read" || !errors.Is(err, syscall.EIO) {
		t.Errorf("err = %v", err)
	}
}

type brokenReads struct{ *storetest.Memory }

func (b brokenReads) Open(ctx context.Context, p string) (io.ReadCloser, int64, error) {
	r, n, err := b.Memory.Open(ctx, p)
	if strings.HasSuffix(p, "1") {
		r = io.NopCloser(io.MultiReader(io.LimitReader(r, 1), failing{}))
	}
	return r, n, err
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, syscall.EIO }

func TestChangePassword(t *testing.T) {
	pw := secret.NewBackupPassword
	for _, c := range []struct {
		old, new string
		want     map[string]any
	}{
		{"", "n", map[string]any{"NewPassword": "n"}},
		{"o", "", map[string]any{"OldPassword": "o"}},
		{"o", "n", map[string]any{"OldPassword": "o", "NewPassword": "n"}},
	} {
		c.want["MessageName"], c.want["TargetIdentifier"] = "ChangePassword", udid
		client := play(t, func(p *phone) {
			if diff := cmp.Diff(c.want, p.request); diff != "" {
				p.Error(diff)
			}
			p.ask(devicelink.StatusError, devicelink.GetFreeDiskSpace)
			p.upload(devicelink.StatusError, "x", "y")
			p.download(devicelink.StatusMulti, "x")
			p.respond(207, "Invalid password (MBErrorDomain/207)")
		})
		err := client.ChangePassword(t.Context(), job, pw(c.old), pw(c.new), nil)
		if !errors.Is(err, &mobilebackup2.DeviceError{Code: mobilebackup2.CodePassword}) {
			t.Error(err)
		}
	}
}

func TestNew_refuses(t *testing.T) {
	for name, script := range map[string]func(p *phone){
		"no common version": func(p *phone) {
			p.send(devicelink.ProcessMessage, map[string]any{"MessageName": "Response", "ErrorCode": 1})
		},
		"version 3": func(p *phone) {
			p.send(devicelink.ProcessMessage, map[string]any{"ErrorCode": 0, "ProtocolVersion": 3.0})
		},
		"no version":     func(p *phone) { p.send(devicelink.ProcessMessage, map[string]any{"ErrorCode": 0}) },
		"no error code":  func(p *phone) { p.send(devicelink.ProcessMessage, map[string]any{"ProtocolVersion": 2.1}) },
		"something else": func(p *phone) { p.send(devicelink.GetFreeDiskSpace) },
		"goodbye":        func(p *phone) { p.send(devicelink.Disconnect, "no") },
		"nothing":        func(p *phone) {},
	} {
		host, far := pair(t)
		go func() {
			defer far.Close()
			p := &phone{T: t, fc: framing.New(far, plist.Binary)}
			p.send(devicelink.VersionExchange, 400, 0)
			p.receive()
			p.send(devicelink.DeviceReady)
			p.receive()
			script(p)
		}()
		if c, err := mobilebackup2.New(t.Context(), host); err == nil {
			c.Close()
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestJob_refusesBadUDID(t *testing.T) {
	host, far := pair(t)
	go func() {
		p := &phone{T: t, fc: framing.New(far, plist.Binary)}
		p.greet()
		p.receive()
		far.Close()
	}()
	c, err := mobilebackup2.New(t.Context(), host)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, j := range []mobilebackup2.Job{{}, {Target: "..", Limits: limits}, {Target: "a/b"}, {Target: udid, Source: "/"}} {
		if _, err := c.Backup(t.Context(), j, mobilebackup2.BackupOptions{}, &storetest.Memory{}, nil); err == nil {
			t.Errorf("%+v accepted", j)
		}
	}
}
