export interface BuildInputs {
  readonly secretFiles: Readonly<Record<string, string>>;
  readonly secretTexts: Readonly<Record<string, string>>;
}

/** Settings of the host's package clients that a build may need, by their own names. */
const names = [
  "PIP_INDEX_URL",
  "PIP_EXTRA_INDEX_URL",
  "PIP_TRUSTED_HOST",
  "UV_INDEX_URL",
  "UV_DEFAULT_INDEX",
  "GOPROXY",
  "GONOSUMDB",
  "GONOSUMCHECK",
  "GOSUMDB",
  "GOPRIVATE",
  "HTTP_PROXY",
  "HTTPS_PROXY",
  "NO_PROXY",
];

/** Where a host that has a CA of its own says so, first one first. */
const certificateNames = ["SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"];

/**
 * What a build may see of the host and must not keep: its CA bundle, and its package
 * clients' settings, which may carry tokens, as a shell text to be sourced.
 */
export function buildSecrets(
  environment: Readonly<Record<string, string | undefined>>,
): BuildInputs {
  const bundle = certificateNames.map((name) => environment[name]).find(Boolean);
  const lines = names.flatMap((name) => {
    const value = environment[name];
    return value ? [`export ${name}='${value.replaceAll("'", `'\\''`)}'`] : [];
  });
  return {
    secretFiles: bundle ? { ca: bundle } : {},
    secretTexts: lines.length > 0 ? { host: lines.join("\n") } : {},
  };
}
