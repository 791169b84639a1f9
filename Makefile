# Build, install and pack reloaderd.
#
#     make                                  the static executable, in .build/static/release
#     make install PREFIX=/usr DESTDIR=/tmp/root
#     make uninstall PREFIX=/usr
#     make dist                             dist/: the tarball, the Debian package, SHA256SUMS
#     make check                            all tests (Tests/run)

PREFIX ?= /usr/local
# For an executable that was built elsewhere.
BINARY ?= .build/static/release/reloaderd

SWIFT_FLAGS = -c release --product reloaderd --static-swift-stdlib -Xswiftc -static-executable --scratch-path .build/static

BIN = $(DESTDIR)$(PREFIX)/bin
MAN = $(DESTDIR)$(PREFIX)/share/man
BASH_COMPLETION = $(DESTDIR)$(PREFIX)/share/bash-completion/completions
FISH_COMPLETION = $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
UNITS = $(DESTDIR)$(PREFIX)/lib/systemd/system
DOC = $(DESTDIR)$(PREFIX)/share/doc/reloaderd
# Debian's zsh looks into vendor-completions.
ZSH_FOLDER ?= site-functions
ZSH_COMPLETION = $(DESTDIR)$(PREFIX)/share/zsh/$(ZSH_FOLDER)

.PHONY: all install uninstall dist check

all:
	swift build $(SWIFT_FLAGS)

install:
	@test -x "$(BINARY)" || { echo "make install: there is no $(BINARY): run make first" >&2; exit 1; }
	install -d "$(BIN)" "$(MAN)/man7" "$(MAN)/man8" "$(BASH_COMPLETION)" "$(ZSH_COMPLETION)" "$(FISH_COMPLETION)" \
		"$(UNITS)" "$(DOC)"
	@# Beside the old executable and then renamed: a daemon that runs it is not disturbed, and none sees half a file.
	install -m 755 "$(BINARY)" "$(BIN)/.reloaderd.new"
	@# Without the two sections that depend on the folder of the build, the same source gives the same bytes.
	strip -R .swift_modhash -R .note.gnu.build-id "$(BIN)/.reloaderd.new"
	mv -f "$(BIN)/.reloaderd.new" "$(BIN)/reloaderd"
	install -m 644 man/reloaderd.8 "$(MAN)/man8/"
	install -m 644 man/reloaderd-control.7 "$(MAN)/man7/"
	"$(BINARY)" completion bash >"$(BASH_COMPLETION)/reloaderd"
	"$(BINARY)" completion zsh >"$(ZSH_COMPLETION)/_reloaderd"
	"$(BINARY)" completion fish >"$(FISH_COMPLETION)/reloaderd.fish"
	sed 's#/usr/local/bin/reloaderd#$(PREFIX)/bin/reloaderd#' "packaging/reloaderd@.service" >"$(UNITS)/reloaderd@.service"
	chmod 644 "$(UNITS)/reloaderd@.service"
	install -m 644 README.md CHANGELOG.md LICENSE "$(DOC)/"

uninstall:
	rm -f "$(BIN)/reloaderd" "$(MAN)/man8/reloaderd.8" "$(MAN)/man7/reloaderd-control.7" \
		"$(BASH_COMPLETION)/reloaderd" "$(ZSH_COMPLETION)/_reloaderd" "$(FISH_COMPLETION)/reloaderd.fish" \
		"$(UNITS)/reloaderd@.service" "$(DOC)/README.md" "$(DOC)/CHANGELOG.md" "$(DOC)/LICENSE"
	-rmdir "$(DOC)" 2>/dev/null

dist: all
	packaging/build "$(BINARY)" dist

check:
	Tests/run
