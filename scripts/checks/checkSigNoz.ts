import { failed, passed, type CheckResult } from "./runCheck.ts";
import type { Address } from "./checkConnection.ts";
import { checkGrpc, type GrpcAnswer } from "./checkGrpc.ts";

const patienceMs = 5000;

/** Whether SigNoz takes the ingestion key: asked with an export of nothing. */
export async function checkSigNoz(
  address: Address,
  key: string,
  parts: { readonly caCertificate: string | undefined; readonly now: () => number },
  next: string,
): Promise<CheckResult> {
  const answer = await checkGrpc(address, {
    headers: { "signoz-ingestion-key": key },
    caCertificate: parts.caCertificate,
    untilMs: parts.now() + patienceMs,
  });
  return checkKey(answer, address, next);
}

/** What an answer to an export of nothing says of the key, and of the endpoint. */
export function checkKey(
  { code, details }: GrpcAnswer,
  { host, port, tls }: Address,
  next: string,
): CheckResult {
  const said = `${code}: ${details}`;
  if (code === "OK") return passed("SigNoz takes it");
  if (code === "UNAUTHENTICATED" || code === "PERMISSION_DENIED") {
    return failed(`SigNoz does not take the key of SIGNOZ_INGESTION_KEY (${said})`, next);
  }
  if (code === "UNIMPLEMENTED") {
    return failed(`${host}:${port} is no OTLP receiver over gRPC (${said})`, next);
  }
  if (code === "UNAVAILABLE" && !tls) {
    return failed(
      `no gRPC without TLS there: is the endpoint to begin with https://? (${said})`,
      next,
    );
  }
  return failed(`SigNoz answers ${said}`, next);
}
