/** How the engine is asked for a stream both ways. */
export interface DuplexOptions {
  readonly hijack: true;
  readonly stdin: true;
  readonly abortSignal: AbortSignal;
}

/**
 * A stream to a process in a container and back. Where the engine refuses it, as its container has
 * gone meanwhile, docker-modem 5 leaves the request open, and this process would never end.
 */
export async function duplexOptions<Stream>(
  open: (how: DuplexOptions) => Promise<Stream>,
): Promise<Stream> {
  const refused = new AbortController();
  try {
    return await open({ hijack: true, stdin: true, abortSignal: refused.signal });
  } catch (error) {
    refused.abort();
    throw error;
  }
}
