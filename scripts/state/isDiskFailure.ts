/** Whether a file could not be written because of its disk: full, broken, or not to be written. */
export function isDiskFailure(error: unknown): boolean {
  const { code = "" } = (error ?? {}) as NodeJS.ErrnoException;
  return ["ENOSPC", "EDQUOT", "EIO", "EROFS"].includes(code);
}
