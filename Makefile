# Vedette. `make run` starts it, `make test` proves it; each sets up what it needs.

SHELL       := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := build

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo 0.1.0)
PREFIX  ?= /usr/local

# gRPC's own tracing, which nobody looks at, would bring templates and half a megabyte. http-quality needs nothing of the system's C
# library, which the others ask for users.
GOBUILD = -trimpath -tags grpcnotrace -ldflags "-X main.version=$(VERSION)"

BIN     := bin
TOOLS   := .tools
PLUGINS := http-quality shell-audit alert-notifier
EXAMPLES := disk-free log-notifier python-load
INFLUXD := daemon/influx/embedded/influxd
INFLUXD2 := daemon/influx/influxd2

# The programs, the modules of the system's own Python (another may come first on PATH) and the Debian packages that the
# tests need.
TEST_PROGRAMS := nginx curl openssl protoc ip gcc zsh fish exim4 rsyslogd
TEST_MODULES  := grpc cryptography google.protobuf
TEST_PACKAGES := gcc libc6-dev zsh fish nginx-light curl openssl iproute2 protobuf-compiler libprotobuf-dev python3-grpcio python3-cryptography python3-protobuf exim4-daemon-light rsyslog

# Tests with disks and networks of their own, or marked packets, which root alone can make.
ROOT_TESTS := TestNobodyGetsAReservedPortByChance TestSoakChaosLosesNothingThatWasAcknowledged TestInfluxDBWhoseDiskWasFullWritesAgain \
	TestALineTakesItsDelayAndNoMore TestALineLosesEveryNthPacketOfTheClient TestNamespacesDoNotSeeTheMachine \
	TestEveryPhaseIsTheSameAsCurls TestTimesStayTrueWhenManyProbesAreDueAtOnce \
	TestBadServersAreToldForWhatTheyAreAndLeaveNothing TestThePluginTellsBadServersForWhatTheyAre TestAllSocketsGoOverTheLine \
	TestAProbeThatALostPacketDelayedSaysSoAndDoesNotCallItLag \
	TestAUserCanAppendToTheOwnFileAndDoNothingElse TestReadingGoesOnWhereItEndedAcrossAStop \
	TestNothingIsLostWhileFilesArePutAside TestAnInterruptedPuttingAsideIsFinished \
	TestWhoWritesTooMuchIsShutOutUntilItIsRead TestOnlyABoxThatItsOwnerAloneCouldWriteCounts \
	TestAShellGoesOnWritingToABoxThatIsTaken TestNotingThatAFileWasCutOff TestARecordIsOfTheUserWhomTheKernelNames \
	TestWhatAnotherProcessSendsOverAConnectionIsNoRecord TestEvenRootIsNobodyElse \
	TestBadMessagesCostTheirOwnConnectionAndNobodyElses TestAFloodOfOneUserDelaysNoOther \
	TestAUserHasSoManyConnectionsAndNoMore TestTheEndOfAConnectionSaysWhetherItsShellIsStillThere \
	TestALoginThatAnybodyCanClaimIsNotAttested \
	TestInstallingSaysWhatIsHookedAndWhatComesNext TestStatusTellsWhatIsInPlace \
	TestTheEndOfACommandCompletesItsRowAlsoAfterARestart TestWhatTheDaemonHasNotAcknowledgedIsSentAgainAndIsTheSame \
	TestTimesAreBelievedWithinReasonAndNoTwoCommandsMeet TestNoiseIsToldAndCostsNoRecord TestAFastUserWaitsAndLosesNothing \
	TestInventedShellsTakeNoMemoryAndNoSeries TestWhatIsSentOverAnothersConnectionIsToldAndMakesNoRow \
	TestNoRecordOfAUserSpoilsTheChain TestWhatCanNotBeKeptIsCountedAndTold TestWhoFillsTheDropBoxKeepsNobodyOut TestBashRecordsWhatWasTypedAndDidNotRun \
	TestAFullJournalLosesNothing TestTheChainOfAllThatHappenedHolds TestWhatIsTypedIsStoredWithAllThatIsKnownOfIt \
	TestSoakEveryCommandIsStoredWhateverIsKilled TestAShellAroundTheHookIsToldAndWhatItRunsIsRecorded \
	TestAHostileSessionIsRecordedAndWhatIsMissedIsTold TestWhatAShellRunsWhoseHookWasTakenAwayIsRecordedAllTheSame \
	TestBash.* TestZsh.* TestFish.* TestEveryCommandIsInTheFileWhateverTheCollectorDoes TestTheCollectorIsToldWhatIsInTheFile \
	TestWithoutAFileOfTheUsersRecordsGoToTheDropBox TestRecordsThatCouldNotBeWrittenAreCounted \
	TestALineWithALeadingSpaceIsRecordedUnlessTheSiteSaysOtherwise TestTheNoticeIsShownOnceToPeopleAlone \
	TestEveryProgramOfABurstIsTold TestWhatASlowReaderLosesIsCountedExactly \
	TestAProgramIsToldWithAllThatTheKernelKnows TestArgumentsAreToldByteForByte TestTheEndOfManyThreadsIsToldOnce \
	TestTerminalsAndLoginsAreInScopeAndTheRestIsNot TestWhatTheKernelRefusesIsReported \
	TestTheKernelsAuditTellsProgramsAndIsLeftAsItWas TestWithoutRulesNothingIsAddedAndItIsSaid TestWhatTheKernelsAuditLosesIsCounted \
	TestShellsWithoutAHookAreFoundAndWhatIsNotTypedIsNot TestAShellOnATerminalWithinATerminalIsFound TestAShellThatRunsJobsAndSaysNothingIsFound \
	TestAShellWithItsHookRaisesNothingUntilItIsSwitchedOff \
	TestTailShowsACommandWhenItIsTypedAndWhenItHasEnded TestTailShowsWhatWasAskedFor TestARowOfSomebodyElseDoesNothingToATerminal \
	TestVerifyNamesWhatWasDoneToInfluxDB TestVerifyCanNotBeFooledByAnInfluxDBThatEndsInBetween \
	TestASlowLineIsToldOnceToEverybodyAndSoIsItsEnd \
	TestACentralDaemonTellsOfALineWhatOthersHaveWrittenAndHoldsWhileInfluxDBIsAway TestAFullDiskHoldsEverythingBackAndAllIsToldOnceThereIsRoom \
	TestAMailArrivesAsItWasMeant TestEximsAnswersHaveTheirOutcomes TestAGreylistedMailArrivesOnceWhenItComesAgain TestAProgramRunsAsItsUser
space := $(subst ,, )

# The Debian packages that the benchmarks need beside those: peers, and what builds one.
BENCH_PACKAGES := prometheus-blackbox-exporter libcurl4-openssl-dev gcc libc6-dev

# What make generate writes.
GENERATED := sdk/wire/plugin.pb.go sdk/wire/plugin_grpc.pb.go docs/configuration.md docs/schema.md examples/dashboards/chronograf.json $(PLUGINS:%=plugins/%/README.md) \
	$(EXAMPLES:%=examples/plugins/%/README.md)

export PATH := $(PATH):/usr/sbin

.PHONY: build run test test-unit soak test-influxdb2 influxdb2 lint generate bench fuzz vuln clean install test-packages bench-packages

build: $(BIN)/influxd $(BIN)/vedette-audit.so ## Build the daemon, the plugins and the private InfluxDB into bin/
	go build $(GOBUILD) -o $(BIN)/vedette ./daemon
	CGO_ENABLED=0 go build $(GOBUILD) -o $(BIN)/http-quality ./plugins/http-quality
	for p in $(filter-out http-quality,$(PLUGINS)); do go build $(GOBUILD) -o $(BIN)/$$p ./plugins/$$p; done

# InfluxDB 1.8 is a module of its own, so that its dependencies stay out of ours.
$(BIN)/influxd: $(INFLUXD)/go.mod $(INFLUXD)/go.sum
	@echo "Building InfluxDB 1.8.3, once: this takes about a minute."
	go -C $(INFLUXD) build -trimpath -ldflags "-s -w -X main.version=1.8.3" \
		-o "$(CURDIR)/$@" github.com/influxdata/influxdb/cmd/influxd
	@touch $@

# The builtin for bash. It may not be executed, or it would be taken for a plugin. It has none of bash's headers, and no symbol of the C library that is newer than 2017's releases have.
$(BIN)/vedette-audit.so: $(wildcard plugins/shell-audit/hook/builtin/*.[ch])
	@mkdir -p $(BIN)
	@if ! command -v $(CC) >/dev/null; then \
		echo "There is no C compiler ($(CC)): bash gets the audit's script without the builtin."; \
	else set -x; \
		$(CC) -O2 -std=gnu11 -Wall -Wextra -Werror -fPIC -fvisibility=hidden -fstack-protector-strong -shared \
			-Wl,-z,now,-z,relro,-z,nodelete,--as-needed -o $@ $(filter %.c,$^) && chmod 0644 $@; \
	fi

# The peer of the end-to-end benchmark, with the plugins that it needs and no others.
$(TOOLS)/telegraf: bench/telegraf/go.mod bench/telegraf/go.sum
	@echo "Building Telegraf 1.37.2 for the benchmark, once: this takes a few minutes."
	go -C bench/telegraf build -trimpath -tags custom,inputs.execd,inputs.http_response,outputs.file,outputs.influxdb_v2,parsers.influx,serializers.influx \
		-ldflags "-s -w" -o "$(CURDIR)/$@" github.com/influxdata/telegraf/cmd/telegraf
	@touch $@

# InfluxDB 2 is for the tests alone. Its query language is in Rust and comes within its Go modules; a pkg-config of
# InfluxData's builds it. RUSTUP_TOOLCHAIN keeps rustup from looking for the compiler of 2023 that those sources name.
influxdb2: $(TOOLS)/influxd2 ## Build InfluxDB 2.7 for the tests, once: this takes some minutes and needs Rust

$(TOOLS)/influxd2: $(INFLUXD2)/go.mod $(INFLUXD2)/go.sum $(INFLUXD2)/rustc
	@missing=; for p in cargo gcc pkg-config; do command -v $$p >/dev/null || missing="$$missing $$p"; done; \
	if [ -n "$$missing" ]; then \
		echo "InfluxDB 2 can not be built, because these are missing:$$missing. Rust must be 1.72 or newer."; exit 1; \
	fi
	@echo "Building InfluxDB 2.7.12, once: this takes some minutes."
	go -C $(INFLUXD2) build -o "$(CURDIR)/$(TOOLS)/influx-pkg-config" github.com/influxdata/pkg-config
	toolchain=$${RUSTUP_TOOLCHAIN:-$$(rustup show active-toolchain 2>/dev/null | cut -d' ' -f1)}; \
	if [ -n "$$toolchain" ]; then export RUSTUP_TOOLCHAIN="$$toolchain"; fi; \
	PKG_CONFIG="$(CURDIR)/$(TOOLS)/influx-pkg-config" RUSTC_WORKSPACE_WRAPPER="$(CURDIR)/$(INFLUXD2)/rustc" \
	go -C $(INFLUXD2) build -trimpath -tags sqlite_foreign_keys,sqlite_json -ldflags "-s -w -X main.version=v2.7.12" \
		-o "$(CURDIR)/$@" github.com/influxdata/influxdb/v2/cmd/influxd
	@touch $@

# Alertmanager is for the tests alone. Its module lacks the pages of its own, which it wants to embed: an empty one stands for them.
$(TOOLS)/alertmanager: ALERTMANAGER := github.com/prometheus/alertmanager@v0.34.2
$(TOOLS)/alertmanager:
	@echo "Building Alertmanager 0.34.2 for the tests, once: this takes about a minute."
	source=$$(mktemp -d); trap 'chmod -R u+w "$$source"; rm -rf "$$source"' EXIT; \
	module=$$(go -C "$$source" mod download -json $(ALERTMANAGER) | sed -n 's/^\t"Dir": "\(.*\)",*$$/\1/p'); \
	cp -R "$$module/." "$$source"; chmod -R u+w "$$source"; \
	mkdir -p "$$source/ui/app/dist"; touch "$$source/ui/app/dist/index.html"; \
	go -C "$$source" build -trimpath -ldflags "-s -w" -o "$(CURDIR)/$@" ./cmd/alertmanager

run: build ## Build everything and run the daemon with config.hcl
	exec $(BIN)/vedette run

test: build test-packages $(TOOLS)/alertmanager ## Run all tests with the race detector; as root, which some need
	@if [ "$$(id -u)" != 0 ]; then \
		echo "These tests need root: $(ROOT_TESTS)."; echo "make test-unit runs all others."; exit 1; \
	fi
	VEDETTE_INFLUXD="$(CURDIR)/$(BIN)/influxd" go test -race -timeout 20m ./...

test-unit: build test-packages $(TOOLS)/alertmanager ## Run the tests that need no root
	@echo "These need root, and are left out: $(ROOT_TESTS)."
	VEDETTE_INFLUXD="$(CURDIR)/$(BIN)/influxd" go test -race -timeout 20m -skip '^($(subst $(space),|,$(ROOT_TESTS)))$$' ./...

soak: build test-packages ## Run the tests that do a thing again and again for long
	VEDETTE_INFLUXD="$(CURDIR)/$(BIN)/influxd" VEDETTE_SOAK=1 go test -race -v -timeout 60m -run '^TestSoak' ./... | grep -v '^?\|no tests to run'
	VEDETTE_SOAK=1 go test -v -timeout 20m -run '^TestSoakAThousandRulesKeepUp$$' ./daemon/alert/rule

test-influxdb2: $(BIN)/influxd $(TOOLS)/influxd2 ## Run against InfluxDB 2.7 what is promised for both releases
	VEDETTE_INFLUXD="$(CURDIR)/$(BIN)/influxd" VEDETTE_INFLUXD2="$(CURDIR)/$(TOOLS)/influxd2" \
		go test -race -timeout 5m -tags influxdb2 -run Contract ./daemon/influx

test-packages:
	@missing=; for p in $(TEST_PROGRAMS); do command -v $$p >/dev/null || missing="$$missing $$p"; done; \
	for m in $(TEST_MODULES); do /usr/bin/python3 -c "import $$m" 2>/dev/null || missing="$$missing $$m(python3)"; done; \
	protoc -o /dev/null google/protobuf/duration.proto 2>/dev/null || missing="$$missing google/protobuf/duration.proto"; \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(TEST_PACKAGES); \
	else \
		echo "The tests need these, which are missing:$$missing"; \
		echo "On Debian and its like: sudo apt-get install $(TEST_PACKAGES)"; exit 1; \
	fi

lint: $(TOOLS)/staticcheck $(TOOLS)/buf $(TOOLS)/protoc-gen-go $(TOOLS)/protoc-gen-go-grpc ## Check form, types, and that generated code is fresh
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$unformatted" ]; then echo "not formatted by gofmt: $$unformatted"; exit 1; fi
	go vet ./... $(wildcard ./daemon/testdata/plugins/*)
	go -C bench vet ./...
	go vet -tags influxdb2 ./daemon/influx
	$(TOOLS)/staticcheck ./...
	go mod tidy -diff
	go -C $(INFLUXD) mod tidy -diff
	go -C $(INFLUXD2) mod tidy -diff
	go -C .ci/tools mod tidy -diff
	go -C bench mod tidy -diff
	cd sdk/wire && ../../$(TOOLS)/buf lint
	@before=$$(cat $(GENERATED) | sha256sum); $(MAKE) --no-print-directory generate; \
	if [ "$$before" != "$$(cat $(GENERATED) | sha256sum)" ]; then echo "generated files were not fresh; make generate has written them anew"; exit 1; fi

generate: build test-packages $(TOOLS)/buf $(TOOLS)/protoc-gen-go $(TOOLS)/protoc-gen-go-grpc ## Make generated code and pages anew
	cd sdk/wire && ../../$(TOOLS)/buf generate
	$(BIN)/vedette docs configuration >docs/configuration.md
	$(BIN)/vedette docs schema >docs/schema.md
	$(BIN)/vedette docs dashboard >examples/dashboards/chronograf.json
	for p in $(PLUGINS); do .ci/reference plugins/$$p/README.md $(BIN)/vedette plugin docs $$p; done
	examples=$$(mktemp -d); trap 'rm -rf "$$examples"' EXIT; \
	for p in $(EXAMPLES); do \
		if [ -x examples/plugins/$$p/build ]; then examples/plugins/$$p/build "$$examples"; \
		else go build -o "$$examples/$$p" ./examples/plugins/$$p; fi; \
		.ci/reference examples/plugins/$$p/README.md $(BIN)/vedette plugin --dir "$$examples" docs $$p; \
	done

$(TOOLS)/staticcheck: PACKAGE := honnef.co/go/tools/cmd/staticcheck
$(TOOLS)/govulncheck: PACKAGE := golang.org/x/vuln/cmd/govulncheck
$(TOOLS)/buf: PACKAGE := github.com/bufbuild/buf/cmd/buf
$(TOOLS)/protoc-gen-go: PACKAGE := google.golang.org/protobuf/cmd/protoc-gen-go
$(TOOLS)/protoc-gen-go-grpc: PACKAGE := google.golang.org/grpc/cmd/protoc-gen-go-grpc
$(TOOLS)/%: .ci/tools/go.mod .ci/tools/go.sum
	go -C .ci/tools build -o "$(CURDIR)/$@" $(PACKAGE)

bench: build bench-packages $(TOOLS)/telegraf ## Run the benchmarks; peers run in the same run
	for p in blaster messages; do go -C bench build -trimpath -o "$(CURDIR)/$(TOOLS)/bench/$$p" ./$$p; done
	$(CC) -O2 -o $(TOOLS)/bench/libcurl bench/probe/libcurl/loop.c -lcurl
	go -C bench run ./probe -bin "$(CURDIR)/$(BIN)" -tools "$(CURDIR)/$(TOOLS)"
	VEDETTE_BENCHMARK=1 go test -count=1 -run TestTimesStayTrueWhenManyProbesAreDueAtOnce -v ./plugins/http-quality/bed
	go -C bench run ./prompt -bin "$(CURDIR)/$(BIN)"
	go -C bench run ./endtoend -bin "$(CURDIR)/$(BIN)" -tools "$(CURDIR)/$(TOOLS)"
	VEDETTE_INFLUXD="$(CURDIR)/$(BIN)/influxd" go test -run '^$$' -bench . -benchmem \
		./sdk ./daemon/point ./daemon/spool ./daemon/pipeline ./daemon/influx ./daemon/supervisor ./daemon/cli ./plugins/http-quality/probe ./plugins/shell-audit/kernel ./plugins/shell-audit/coverage

bench-packages: test-packages
	@missing=; for p in prometheus-blackbox-exporter curl-config $(CC); do command -v $$p >/dev/null || missing="$$missing $$p"; done; \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(BENCH_PACKAGES); \
	else \
		echo "The benchmarks need these, which are missing:$$missing"; \
		echo "On Debian and its like: sudo apt-get install $(BENCH_PACKAGES)"; exit 1; \
	fi

FUZZTIME ?= 30s
fuzz: ## Run every fuzz target for FUZZTIME
	for package in $$(go list ./...); do \
		for target in $$(go test -list '^Fuzz' $$package | grep '^Fuzz' || true); do \
			go test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) $$package; \
		done; \
	done

vuln: $(TOOLS)/govulncheck ## Look for known vulnerabilities
	$(TOOLS)/govulncheck ./...

install: build ## Install below PREFIX, /usr/local by default
	install -d $(DESTDIR)$(PREFIX)/lib/vedette $(DESTDIR)$(PREFIX)/bin
	install -m 0755 $(BIN)/vedette $(BIN)/influxd $(addprefix $(BIN)/,$(PLUGINS)) $(DESTDIR)$(PREFIX)/lib/vedette
	if [ -f $(BIN)/vedette-audit.so ]; then install -m 0644 $(BIN)/vedette-audit.so $(DESTDIR)$(PREFIX)/lib/vedette; fi
	ln -sf ../lib/vedette/vedette $(DESTDIR)$(PREFIX)/bin/vedette

clean: ## Remove what was built; data/ stays
	rm -rf $(BIN) $(TOOLS)
