import { caddyBlock } from "./caddyBlock.ts";

/** Where the access log is, in the proxy's container and in the collector's. */
export const accessLogFile = "/var/log/caddy/access.log";

/**
 * JSON without what may be secret. Caddy itself blanks out Authorization and cookies only, and
 * the server takes its password from X-BARE-PASSWORD too: so no header at all. Queries hold
 * what people search for, and some clients' keys.
 */
const format = caddyBlock("format filter", [
  ...caddyBlock("wrap json", ["time_format rfc3339_nano"]),
  ...caddyBlock("fields", [
    "request>headers delete",
    "resp_headers delete",
    "request>tls delete",
    String.raw`request>uri regexp \?.* ""`,
  ]),
]);

/** What the proxy says of itself, requests that failed in it among it, to stderr. */
export const ownLog: readonly string[] = caddyBlock("log", format);

/**
 * One line for each request, into a file that is rotated. Not compressed: the collector reads on
 * in the file it was in. Readable by the collector, which is another user.
 */
export const proxyLog: readonly string[] = [
  ...caddyBlock("log", [
    ...caddyBlock(`output file ${accessLogFile}`, [
      "mode 644",
      "roll_size 20MiB",
      "roll_uncompressed",
      "roll_keep 4",
    ]),
    ...format,
  ]),
  "log_append user_agent {http.request.header.User-Agent}",
];
