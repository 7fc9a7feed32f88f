# Two commands do all the set-up: "make demo" and "make test".
# "make help" lists the rest.

GO       ?= go
BIN      := bin/keepsake
# What the tests ask of Debian: third-party judges of our phone, our files and
# our repositories, and the stores that these lie in.
PACKAGES := libimobiledevice-utils libusbmuxd-tools libplist-utils sqlite3 ffmpeg libheif-examples python3-vobject python3-icalendar libimage-exiftool-perl \
            restic rclone openssh-client openssh-server openssh-sftp-server fuse3 chromium systemd iproute2 \
            avahi-daemon avahi-utils dbus curl openssl
# Whom the demo lets judge, where they can be installed.
JUDGES   := libimobiledevice-utils restic
BENCH_PACKAGES := hyperfine
# Packages whose goroutines meet, in two halves that take turns in CI (TURN=0, TURN=1):
# the way to the phone and what reads inside, and the way to the disk.
RACED_0  := ./internal/framing ./internal/plist ./usbmux ./lockdown ./afc ./notificationproxy ./heartbeat ./powerassertion \
            ./devicelink ./mobilebackup2/... ./device ./virtualphone/internal/fault ./backup/internal/... ./notify ./internal/sdnotify ./internal/sqlitefs ./internal/davfs ./internal/inside ./extract/messages
RACED_1  := ./catalog ./internal/place ./server/fake ./repository/archiver ./repository/treewalk ./repository/internal/index \
            ./repository/backend/cache ./repository/backend/retry ./repository/backend/local ./repository/backend/rest
RACED    := $(if $(TURN),$(RACED_$(TURN)),$(RACED_0) $(RACED_1))
# Whole jobs, of which the race detector, which is slow, gets those in which the most
# goroutines meet. "make test" runs the others.
RACED_JOBS_0 := ./snapshot ./virtualphone ./repository
RACED_JOBS_1 := ./backup ./restore ./media ./service
RACED_JOBS   := $(if $(TURN),$(RACED_JOBS_$(TURN)),$(RACED_JOBS_0) $(RACED_JOBS_1))
RACED_TESTS := ToFolder$$|ToRepository$$|FromFS_cancel|ReadAhead|Copy_first|Copy_brokenConnections|Folder_readAt|TestFS$$|SessionsAtOnce|HeartbeatKeepsWiFi|UnplugAndPlug|EightWriters|Waiting|KeyChange|TestTwoPhones|TestRestart$$
FUZZTIME ?= 60s
# Built without the paths of this computer, so that what one clone has compiled and vetted
# serves the next one; unvetted, since lint vets; without symbols, since 115 test programs
# are linked.
GOTEST   := $(GO) test -trimpath -vet=off -ldflags='-s -w'
# What builds images: the one without root where both are there.
ENGINE   ?= $(or $(shell command -v podman),docker)
VETOS    ?= linux darwin windows
# Tests make and throw away many small files: in memory where there is room.
TESTTMP  := $(shell [ -w /dev/shm ] && [ "$$(df -Pk /dev/shm | awk 'NR==2{print $$4}')" -gt 6000000 ] && echo /dev/shm || echo "$${TMPDIR:-/tmp}")

.PHONY: help build demo test race lint vet fuzz fuzz-ci bench scale vuln third-party release container deps clean

help: ## list what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

build: ## build bin/keepsake, one static binary
	CGO_ENABLED=0 $(GO) build -trimpath -o $(BIN) ./cmd/keepsake

demo: build ## the main job without a phone: back up into a repository, live three days, restore the first and the last, compare; then the page of a family (where nobody is at a terminal it ends by itself)
	-@$(MAKE) --no-print-directory deps PACKAGES="$(JUDGES)" # the demo goes without them where they cannot be had
	@if [ -t 0 ]; then $(BIN) demo; else $(BIN) demo --once; fi

test: deps ## run every test
	TMPDIR=$(TESTTMP) CGO_ENABLED=0 $(GOTEST) -p 4 -timeout 12m ./...
	@[ -d "$${KEEPSAKE_TESTDATA:-../shared/testdata}" ] || echo "The databases of public research phones are not here: tests that read them were left out (KEEPSAKE_TESTDATA=DIR)."

race: deps ## run the tests of the concurrent packages under the race detector
	TMPDIR=$(TESTTMP) CGO_ENABLED=1 $(GOTEST) -race -p 3 -timeout 10m $(RACED)
	TMPDIR=$(TESTTMP) CGO_ENABLED=1 $(GOTEST) -race -p 3 -timeout 10m -run '$(RACED_TESTS)' $(RACED_JOBS)

lint: vet ## gofmt, vet for three systems, staticcheck
	@files=$$(gofmt -l $$(git ls-files --cached --others --exclude-standard '*.go')); \
	  if [ -n "$$files" ]; then echo "gofmt would change:"; echo "$$files"; exit 1; fi
	$(GO) tool staticcheck ./...

vet: ## go vet for Linux, macOS and Windows
	@for os in $(VETOS); do echo "vet $$os"; CGO_ENABLED=0 GOOS=$$os $(GO) vet -trimpath ./... || exit 1; done

fuzz: ## fuzz every decoder for FUZZTIME each (default 60s)
	@FUZZTIME=$(FUZZTIME) GO=$(GO) sh internal/deptest/fuzz.sh

fuzz-ci: ## a tenth of them, another one every day, for two seconds each
	@FUZZTIME=2s FUZZPART=10 GO=$(GO) sh internal/deptest/fuzz.sh

bench: deps build ## measure against idevicebackup2, restic and the limits; prints tables (BENCHFLAGS="-only repository -quick")
	@$(MAKE) --no-print-directory deps PACKAGES="$(PACKAGES) $(BENCH_PACKAGES)"
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/bench ./internal/bench
	bin/bench $(BENCHFLAGS)

scale: build ## a phone of 500,000 rows, a repository of ten million blobs: what the host needs of time and memory
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/bench ./internal/bench
	bin/bench -only huge -runs 1
	bin/bench -only scale $(BENCHFLAGS)

vuln: ## govulncheck, where its database can be reached
	$(GO) run golang.org/x/vuln/cmd/govulncheck@v1.9.0 ./...

third-party: ## write THIRD_PARTY.md from what the binary links
	$(GO) run ./internal/thirdparty

release: ## archives for every system in dist, the same bytes wherever they are built (VERSION=v0.1.0, KEY=an SSH key to sign with)
	$(GO) run ./internal/release -go $(GO) -version "$(VERSION)" $(if $(KEY),-key "$(KEY)") $(if $(TARGETS),-targets "$(TARGETS)")

container: ## the image "keepsake", by podman or docker (ENGINE=…)
	$(ENGINE) build -f packaging/container/Containerfile -t keepsake --build-arg VERSION=$(or $(VERSION),development) .

deps: ## install the Debian packages that the tests need, and axe for those in the browser
	@missing=; for p in $(PACKAGES); do dpkg-query -W -f='$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$p"; done; \
	if [ -n "$$missing" ]; then \
	  sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; \
	  $$sudo apt-get update -q && $$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $$missing; \
	fi
	@[ -z "$(filter chromium,$(PACKAGES))" ] || [ server/browsertest/node_modules/.package-lock.json -nt server/browsertest/package-lock.json ] || { \
	  command -v npm >/dev/null || { sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; $$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends npm; }; \
	  cd server/browsertest && npm ci --no-audit --no-fund; }

clean: ## remove what was built
	rm -rf bin dist
