/** psql as scripts want it: plain rows, no start-up file, the first error ends it with its SQLSTATE. */
export const psqlScript = [
  "psql",
  "--no-psqlrc",
  "--quiet",
  "--no-align",
  "--tuples-only",
  "--field-separator=\u001f",
  "--set=ON_ERROR_STOP=1",
  "--set=VERBOSITY=verbose",
] as const;
