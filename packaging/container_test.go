package packaging

import (
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// instruction is one of a Containerfile.
type instruction struct {
	name string   // upper case
	args string   // as written, continued lines joined
	json []string // of the form ["a", "b"]; nil in the form of a shell
}

// parseContainerfile reads what Docker and Podman have in common: comments,
// continued lines, one instruction a line.
func parseContainerfile(t *testing.T, text string) (list []instruction) {
	t.Helper()
	known := []string{"FROM", "ARG", "WORKDIR", "COPY", "RUN", "USER", "ENV", "VOLUME", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK", "ENTRYPOINT", "CMD", "LABEL"}
	var joined strings.Builder
	for n, line := range strings.Split(text, "\n") {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if rest, more := strings.CutSuffix(line, `\`); more {
			joined.WriteString(rest)
			continue
		}
		joined.WriteString(line)
		name, args, _ := strings.Cut(joined.String(), " ")
		joined.Reset()
		i := instruction{name: name, args: strings.TrimSpace(args)}
		if !slices.Contains(known, name) {
			t.Errorf("line %d: %q is no instruction", n+1, name)
		}
		if at := strings.Index(i.args, "["); at >= 0 && strings.HasSuffix(i.args, "]") {
			if err := json.Unmarshal([]byte(i.args[at:]), &i.json); err != nil {
				t.Errorf("line %d: %v: a shell would be asked for", n+1, err)
			}
		}
		list = append(list, i)
	}
	if joined.Len() > 0 {
		t.Error("the last line is continued by nothing")
	}
	return list
}

// lastStage is what the image consists of.
func lastStage(list []instruction) []instruction {
	for n := len(list) - 1; n >= 0; n-- {
		if list[n].name == "FROM" {
			return list[n:]
		}
	}
	return nil
}

func only(t *testing.T, list []instruction, name string) instruction {
	t.Helper()
	var found []instruction
	for _, i := range list {
		if i.name == name {
			found = append(found, i)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d times %s, want 1", len(found), name)
	}
	return found[0]
}

func TestContainerfile(t *testing.T) {
	list := parseContainerfile(t, file(t, "container/Containerfile"))
	image := lastStage(list)
	if image == nil || image[0].args != "scratch" {
		t.Fatalf("the image is not made from scratch: %+v", image)
	}
	for _, i := range image {
		switch i.name {
		case "RUN":
			t.Error("nothing can be run in an empty image")
		case "ENTRYPOINT", "CMD", "HEALTHCHECK":
			if len(i.json) == 0 {
				t.Errorf("%s %s wants a shell, and there is none", i.name, i.args)
			}
		case "COPY":
			if !strings.HasPrefix(i.args, "--from=build ") {
				t.Errorf("COPY %s: it takes what was not built", i.args)
			}
		}
	}
	uid, gid, _ := strings.Cut(only(t, image, "USER").args, ":")
	for _, id := range []string{uid, gid} {
		if n, err := strconv.Atoi(id); err != nil || n < 1000 {
			t.Errorf("user %s:%s is not the number of a nobody", uid, gid)
		}
	}
	if passwd := file(t, "container/passwd"); !strings.HasPrefix(passwd, "keepsake:x:"+uid+":"+gid+":") {
		t.Errorf("passwd names another user: %s", passwd)
	}
	if got := only(t, image, "HEALTHCHECK").json; !slices.Equal(got, []string{"/keepsake", "doctor", "--health"}) {
		t.Errorf("health is asked by %q", got)
	}
	if got := only(t, image, "VOLUME").json; !slices.Equal(got, []string{"/data", "/repository"}) {
		t.Errorf("volumes are %q", got)
	}
	for _, i := range list {
		if i.name == "FROM" && i.args != "scratch" && regexp.MustCompile(`(:latest)?( AS .*)?$`).FindString(i.args) == i.args {
			t.Errorf("FROM %s names no version", i.args)
		}
	}
}

// compose is as much of a compose file as matters for what it may do.
type compose struct {
	Services map[string]struct {
		Image       string
		Build       struct{ Context, Dockerfile string }
		Restart     string
		NetworkMode string         `yaml:"network_mode"`
		ReadOnly    bool           `yaml:"read_only"`
		CapDrop     []string       `yaml:"cap_drop"`
		CapAdd      []string       `yaml:"cap_add"`
		SecurityOpt []string       `yaml:"security_opt"`
		Ulimits     map[string]int `yaml:"ulimits"`
		Tmpfs       []string
		Environment map[string]string
		Volumes     []string
		StopGrace   string `yaml:"stop_grace_period"`
	}
}

func TestCompose(t *testing.T) {
	dec := yaml.NewDecoder(strings.NewReader(file(t, "container/compose.yaml")))
	dec.KnownFields(true) // what is not listed above, such as privileged and devices, is a fault
	var c compose
	if err := dec.Decode(&c); err != nil {
		t.Fatal(err)
	}
	s, ok := c.Services["keepsake"]
	if !ok || len(c.Services) != 1 {
		t.Fatalf("services are %+v", c.Services)
	}
	if core, set := s.Ulimits["core"]; !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) || s.CapAdd != nil || !set || core != 0 || !slices.Contains(s.SecurityOpt, "no-new-privileges:true") {
		t.Errorf("it may do too much: %+v", s)
	}
	want := []string{"/var/run/usbmuxd:/var/run/usbmuxd", "./data:/data", "./repository:/repository"}
	if !slices.Equal(s.Volumes, want) {
		t.Errorf("it sees %q, want %q", s.Volumes, want)
	}
	if s.Build.Dockerfile != "packaging/container/Containerfile" {
		t.Errorf("it is built from %q", s.Build.Dockerfile)
	}
}
