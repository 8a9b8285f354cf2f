import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export interface CertificateAuthority {
  /** The file with the certificate for the clients that trust it. */
  readonly caFile: string;
  /** A server's own, for the name it was made for. */
  readonly key: Buffer;
  readonly certificate: Buffer;
}

const curve = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
const life = "-days 2";

/**
 * A certificate authority of two days that no one else trusts, and one server under it. Made
 * by openssl, which is there wherever the engine is; Node signs no certificates.
 * @param folder where its files go
 * @param name the server's name in DNS
 */
export function certificateAuthority(folder: string, name: string): CertificateAuthority {
  const at = (file: string) => join(folder, file);
  const openssl = (words: string) => {
    const done = spawnSync("openssl", words.split(" "), { cwd: folder });
    if (done.status !== 0) throw new Error(`openssl ${words}: ${done.stderr.toString()}`);
  };
  writeFileSync(at("names"), `subjectAltName=DNS:${name}\n`);
  openssl(`req -x509 -subj /CN=letta-stack-tests ${life} ${curve} -keyout ca.key -out ca.pem`);
  openssl(`req -subj /CN=${name} ${curve} -keyout server.key -out server.csr`);
  openssl(
    `x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial ${life} -extfile names -out server.pem`,
  );
  return {
    caFile: at("ca.pem"),
    key: readFileSync(at("server.key")),
    certificate: readFileSync(at("server.pem")),
  };
}
