const pollMs = 500;

/**
 * Ends a command that runs for long as soon as what started it has gone. An npm that is asked to
 * end (SIGTERM) does not pass it on: what it runs would go on unseen, at its ports. Without npm
 * a command may outlive its parent, as under nohup.
 */
export function endWithParent(): void {
  if (process.env["npm_lifecycle_event"] === undefined) return;
  const parent = process.ppid;
  const watching = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(watching);
    process.kill(process.pid, "SIGTERM");
  }, pollMs);
  watching.unref();
}
