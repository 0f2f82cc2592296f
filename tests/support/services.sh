# shellcheck shell=sh
# Installing a package must not start or enable its service: tests start what they need themselves,
# privately. Sourced after deploy/lib.sh.

POLICY=/usr/sbin/policy-rc.d

# Links that make systemd or init start something at boot.
boot_links() {
    find /etc/systemd/system /etc/rc[S0-6].d -type l 2>/dev/null | sort
}

# Forbids starting services while packages are installed, unless the machine forbids it already.
forbid_starting() {
    if [ -e "$POLICY" ]; then return; fi
    printf '#!/bin/sh\n# written by tests/run, removed when it has installed\nexit 101\n' |
        as_root sh -c "cat >$POLICY && chmod 755 $POLICY"
}

allow_starting() {
    if grep -q 'written by tests/run' "$POLICY" 2>/dev/null; then as_root rm -f "$POLICY"; fi
}

# install_without_services GROUP...: as install_packages, with no service left started or enabled.
install_without_services() {
    if [ -z "$(missing_packages "$@")" ]; then return; fi
    before=$(mktemp)
    boot_links >"$before"
    trap 'allow_starting; rm -f "$before"' EXIT
    trap 'exit 130' INT TERM
    forbid_starting
    install_packages "$@"
    boot_links | comm -13 "$before" - | while read -r link; do as_root rm -f "$link"; done
    allow_starting
    rm -f "$before"
    trap - EXIT INT TERM
}
