import { gate } from "../stack/proxyUpstream.ts";

/** Nothing listens at the server's port there, in the proxy's own container. */
const nowhere = "127.0.0.1";

/** A request has reached its server this long after the proxy took it in, in seconds. */
const settledSeconds = 0.3;

/**
 * What the scripts share. `holding` is there during a pause and contains its token; only the begin
 * of a pause writes it, only its end removes it. `until-<token>` contains the second since 1970
 * at which it expires. `ended` contains the token of the last pause that ended and is written before
 * `holding` goes, so that a renewal at that moment notices. The copy at `retained` outlives a restart of
 * the container; a full disk costs the copy, never the pause.
 */
const common = `bb=/probe/busybox
cd ${gate.folder}
now() { $bb date +%s; }
write() { echo "$2" > "$1.$$" && $bb mv "$1.$$" "$1"; }
text() { $bb cat "$1" 2> /dev/null || true; }
is_on() { [ "$(text ${gate.holding})" = "$1" ] && [ "$(text ended)" != "$1" ]; }
is_due() { [ "$(now)" -ge "$(text "until-$1" | $bb grep . || echo 0)" ]; }
extend() {
  until=$(($(now) + $2))
  write "until-$1" $until
  { echo "$1 $until" > ${gate.retained}.$$ && $bb mv ${gate.retained}.$$ ${gate.retained}; } 2> /dev/null || true
}
route() { write ${gate.held} "$1"; write ${gate.open} "$1"; }
end_pause() {
  token=$(text ${gate.holding})
  [ -z "$token" ] || write ended "$token"
  $bb rm -f ${gate.retained} 2> /dev/null || true
  route "$1"
  $bb rm -f ${gate.holding} until-*
}`;

/**
 * Ends the pause that it finds at its start when that has expired, and itself with that pause,
 * whatever ends it. The expiry is read anew each time, so a renewal counts, and a newer pause is
 * never ended by the watch of an older one.
 */
const watch = `${common}
mine=$(text ${gate.holding})
while [ -n "$mine" ] && [ "$(text ${gate.holding})" = "$mine" ]; do
  if is_due "$mine"; then
    write ended "$mine"
    if is_due "$mine"; then # no renewal has come in between
      [ "$(text ${gate.holding})" != "$mine" ] || end_pause ${gate.service}
      break
    fi
    $bb rm -f ended
  fi
  $bb sleep 0.5
done`;

/** Sends requests to a host from now on, and ends any pause. */
export function resumeScript(host: string): string {
  return `# resume ${host}
${common}
end_pause ${host}
$bb sleep ${settledSeconds} # requests on their way to the previous host have reached it`;
}

/**
 * Lets new requests wait; those under way go on. Prints the token of the pause that this one
 * follows without a gap, if there is one.
 * @param token hexadecimal, of this pause alone
 * @param seconds after which it ends unless it is renewed
 */
export function pauseScript(token: string, seconds: number): string {
  return `# pause ${token} ${seconds}
${common}
$bb cat > ${gate.watch} << 'END'
${watch}
END
$bb cp ${gate.watch} ${gate.retainedWatch} 2> /dev/null || true
before=$(text ${gate.holding})
write ${gate.held} ${nowhere} # first: a request that waits reaches no server at any moment
extend ${token} ${seconds}
write ${gate.holding} ${token}
[ "$(text ended)" = "$before" ] || echo "$before"
$bb sh ${gate.watch} < /dev/null > /dev/null 2>&1 &
$bb sleep ${settledSeconds} # requests that came before it have reached the server`;
}

/**
 * Puts a pause's end off. Prints "paused", or "ended" where it has ended, were it for a moment.
 */
export function renewScript(token: string, seconds: number): string {
  return `# renew ${token} ${seconds}
${common}
if ! is_on ${token} || is_due ${token}; then echo ended; exit; fi
extend ${token} ${seconds}
if is_on ${token}; then echo paused; exit; fi
# It ended meanwhile: a restart must not find what this renewal has just written.
[ "$(text ${gate.retained})" != "${token} $until" ] || $bb rm -f ${gate.retained}
$bb rm -f until-${token}
echo ended`;
}
